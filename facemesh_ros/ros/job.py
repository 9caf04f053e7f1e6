"""Work that is done on one thing after another, and survives each."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from facemesh_ros.errors import FaceMeshError, InputError
from facemesh_ros.ros.throttle import Throttle

T = TypeVar("T")


def _nothing() -> None:
    pass


class Job(Generic[T]):
    """Whatever is wrong with a thing or with us is counted and said, now and then, and the next thing is taken."""

    def __init__(
        self,
        what: str,
        work: Callable[[T], None],
        logger: Any,
        add_bad: Callable[[], None] = _nothing,
        add_failed: Callable[[], None] = _nothing,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin.

        Args:
            what: a thing is called in the log.
            work: is done on each; it raises InputError of a bad one.
            logger: a node's.
            add_bad: counts a bad one.
            add_failed: counts an error of our own.
            clock_s: tells how long a thing takes.
        """
        self._what = what
        self._work = work
        self._logger = logger
        self._add_bad = add_bad
        self._add_failed = add_failed
        self._clock_s = clock_s
        self._throttle = Throttle()
        self._began_s: float | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a thing is worked on."""
        return self._began_s is not None

    @property
    def busy_s(self) -> float:
        """How long the thing at hand has been worked on; 0 while there is none."""
        began_s = self._began_s
        return 0.0 if began_s is None else self._clock_s() - began_s

    def __call__(self, thing: T) -> None:
        """Do the work on a thing."""
        self._began_s = self._clock_s()
        try:
            self._work(thing)
        except InputError as error:
            self._add_bad()
            if self._is_due(error):
                self._logger.warning(f"{self._what} skipped: {error}")
        except FaceMeshError as error:  # foreseen: it says what to do
            self._add_failed()
            if self._is_due(error):
                self._logger.error(f"{self._what} skipped: {error}")
        except Exception as error:
            self._add_failed()
            if self._is_due(error):
                why = traceback.format_exc()
                self._logger.error(f"{self._what} skipped because of an error in this node:\n{why}")
        finally:
            self._began_s = None

    def _is_due(self, error: Exception) -> bool:
        """Tell whether to speak of an error: those raised by one line of code are of one kind."""
        origin = traceback.extract_tb(error.__traceback__)[-1]
        return self._throttle.is_due((origin.filename, origin.lineno))
