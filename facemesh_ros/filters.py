"""The One-Euro filter on whole meshes, one per track.

Casiez, Roussel, Vogel: "1 € Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive Systems", CHI
2012. As in MediaPipe's landmarks smoothing, speed is measured in face sizes a second, so that one setting serves every
distance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from facemesh_ros.config import FilterConfig
from facemesh_ros.types import Float32, Float64

Number = TypeVar("Number", float, Float64)

SMALLEST_FACE_PX = 1.0
"""Keeps the speed of points that coincide finite."""


def smoothing_factor(cutoff_hz: Number, period_s: float) -> Number:
    """Return the weight of a new sample, 0..1, of a first-order low-pass (eq. 5 of the paper); one a cut-off."""
    tau_s = 1.0 / (2.0 * math.pi * cutoff_hz)
    return 1.0 / (1.0 + tau_s / period_s)


def face_size_px(points: Float64) -> float:
    """Return the mean of the width and height of the box around (N, 3) points, px."""
    columns = points[:, :2].T.copy()  # whole rows of x and y: their extremes take a tenth of the time
    (left, top), (right, bottom) = columns.min(axis=1).tolist(), columns.max(axis=1).tolist()
    return float(0.5 * ((right - left) + (bottom - top)))


@dataclass(frozen=True)
class _State:
    stamp: float
    """s."""
    raw: Float64
    """(N, 3) float64, px; so for the next."""
    value: Float64
    speed: Float64
    """(N, 3) float64, face sizes a second, low-passed."""


class OneEuroFilter:
    """Smooth one face's (N, 3) points over image stamps."""

    def __init__(self, config: FilterConfig) -> None:
        self.config = config
        self._state: _State | None = None

    def __call__(self, points: Float32, stamp: float) -> Float32:
        """Return (N, 3) float32 points, smoothed, in the unit of ``points``.

        It starts anew with the first image, after a jump in stamps, forward or back, of more than ``max_gap_s``, and
        with another number of points. A stamp that stands still or steps back by less gives the raw points and changes
        nothing.
        """
        raw = points.astype(np.float64)
        last = self._state
        if last is None or abs(stamp - last.stamp) > self.config.max_gap_s or last.raw.shape != raw.shape:
            self._state = _State(stamp, raw, raw, np.zeros_like(raw))
            return points
        if stamp <= last.stamp:
            return points
        self._state = self._next(last, raw, stamp)
        return self._state.value.astype(np.float32)

    def _next(self, last: _State, raw: Float64, stamp: float) -> _State:
        period_s = stamp - last.stamp
        speed_now = (raw - last.raw) / (period_s * max(face_size_px(raw), SMALLEST_FACE_PX))
        speed = last.speed + smoothing_factor(self.config.derivative_cutoff_hz, period_s) * (speed_now - last.speed)
        cutoff_hz = self.config.min_cutoff_hz + self.config.beta * np.abs(speed)
        value = last.value + smoothing_factor(cutoff_hz, period_s) * (raw - last.value)
        return _State(stamp, raw, value, speed)


class TrackFilters:
    """One filter per track id, made when an id is first seen and dropped when it is gone."""

    def __init__(self, config: FilterConfig) -> None:
        self._config = config
        self._filters: dict[int, OneEuroFilter] = {}

    def __len__(self) -> int:
        return len(self._filters)

    def smooth(self, track_id: int, points: Float32, stamp: float) -> Float32:
        """Return the (N, 3) float32 px points of one track, smoothed; the very same array when the filter is off."""
        if not self._config.enabled:
            return points
        return self._filters.setdefault(track_id, OneEuroFilter(self._config))(points, stamp)

    def keep(self, track_ids: Iterable[int]) -> None:
        """Forget every other track."""
        kept = set(track_ids)
        self._filters = {track_id: one for track_id, one in self._filters.items() if track_id in kept}

    def configure(self, config: FilterConfig) -> None:
        """Go on with other settings; the filters keep their state unless they are switched off."""
        self._config = config
        for one in self._filters.values():
            one.config = config
        if not config.enabled:
            self._filters.clear()
