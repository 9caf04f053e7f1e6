"""SIGINT and SIGTERM: what they do while the node starts, and while it runs. Imports nothing that takes time."""

from __future__ import annotations

import os
import signal
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM)


def exit_quietly() -> None:
    """Let a signal end the process at once with code 0, until somebody else handles signals.

    Call it before the imports that take a second: there is nothing yet to be put in order, and nothing to be said.
    """
    for number in NUMBERS:
        signal.signal(number, lambda *_: os._exit(0))


class StopRequest:
    """Handle signals from now on: the first asks to stop, the second ends the process at once."""

    def __init__(self) -> None:
        self.was_made = False
        """Whether somebody asked."""
        for number in NUMBERS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self.was_made:
            os._exit(128 + number)
        self.was_made = True
