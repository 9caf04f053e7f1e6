"""What the library logs, in the node's own log: on the console once, and on /rosout."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LIBRARY = "facemesh_ros"
"""Name of the logger above all of the library's."""


class _Forward(logging.Handler):
    def __init__(self, warn: Callable[[str], object], fail: Callable[[str], object]) -> None:
        super().__init__(logging.WARNING)
        self._warn, self._fail = warn, fail

    def emit(self, record: logging.LogRecord) -> None:
        # rclpy's loggers refuse a second severity from one place in the code, so each has its own.
        try:
            if record.levelno >= logging.ERROR:
                self._fail(record.getMessage())
            else:
                self._warn(record.getMessage())
        except Exception:  # a log that fails is not the library's concern
            self.handleError(record)


@contextmanager
def library_log(warn: Callable[[str], object], fail: Callable[[str], object]) -> Iterator[None]:
    """Hand warnings and errors of the library over while the block runs."""
    handler, logger = _Forward(warn, fail), logging.getLogger(LIBRARY)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
