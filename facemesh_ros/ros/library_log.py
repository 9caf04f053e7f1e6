"""What the library logs, in the node's own log: on the console once, and on /rosout."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

LIBRARY = "facemesh_ros"
"""Name of the logger above all of the library's."""


class _Forward(logging.Handler):
    def __init__(self, say: Mapping[int, Callable[[str], object]]) -> None:
        super().__init__(min(say))
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        level = max(level for level in self._say if level <= record.levelno)
        self._say[level](record.getMessage())


@contextmanager
def library_log(warn: Callable[[str], object], fail: Callable[[str], object]) -> Iterator[None]:
    """Hand warnings and errors of the library over while the block runs."""
    handler, logger = _Forward({logging.WARNING: warn, logging.ERROR: fail}), logging.getLogger(LIBRARY)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
