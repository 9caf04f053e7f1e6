"""What the values of :mod:`facemesh_ros.types` check once, when they are made."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facemesh_ros.errors import InputError


def frozen_array(
    value: ArrayLike, shape: tuple[int | None, ...], dtype: Any, name: str, may_be_nan: bool = False
) -> NDArray[Any]:
    """Return a read-only, C-ordered copy of ``value`` with the given dtype; ``None`` in ``shape`` is any length.

    Raises:
        InputError: there are no numbers, the shape differs, or a number is not finite where all must be.
    """
    try:
        array = np.array(value, dtype=dtype, order="C")
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is {value!r}, which is no array of numbers ({error}): give numbers") from error
    if array.shape != shape and not _fits(array.shape, shape):
        wanted = "(" + ", ".join("N" if n is None else str(n) for n in shape) + ")"
        raise InputError(f"{name} has shape {array.shape}; it must be {wanted}: reshape it first")
    if not (may_be_nan or all_finite(array)):
        raise InputError(f"{name} holds NaN or infinity; every number must be finite: drop the value instead")
    array.flags.writeable = False
    return array


def _fits(got: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(got) == len(wanted) and all(
        want is None or length == want for length, want in zip(got, wanted, strict=True)
    )


def all_finite(array: NDArray[Any]) -> bool:
    """Say whether all numbers are finite; looking for a zero byte takes half the time of ``all()``."""
    return b"\0" not in np.isfinite(array).tobytes()


def check_size(array: NDArray[Any], largest: float, name: str, remedy: str) -> None:
    """Check that no number is larger than ``largest``, either way.

    Raises:
        InputError: one is; ``remedy`` says what to do.
    """
    if np.abs(array).max(initial=0.0) > largest:
        raise InputError(f"{name} is {array.tolist()}; no number in it may be over {largest:g} either way: {remedy}")


def checked_share(value: float, name: str) -> float:
    """Return a number from 0 to 1 as float.

    Raises:
        InputError: it lies outside, or is no number.
    """
    share = float(value)
    if not 0.0 <= share <= 1.0:  # NaN fails both comparisons
        raise InputError(f"{name} is {value}; it must be from 0 to 1")
    return share


class FiniteNumbers:
    """Base of a dataclass of plain numbers, each of which must be finite."""

    def __post_init__(self) -> None:
        for name, number in vars(self).items():
            if not math.isfinite(number):
                owner = type(self).__name__
                raise InputError(f"{owner}.{name} is {number}; it must be finite: drop the {owner} instead")


def set_fields(value: object, **fields: object) -> None:
    """Assign fields of a frozen dataclass inside its ``__post_init__``."""
    for name, field in fields.items():
        object.__setattr__(value, name, field)
