"""What lets the messages of one stream out, until the stream ends."""

from __future__ import annotations

import threading


class GateClosedError(Exception):
    """The stream has ended: what is still being made of its images goes nowhere."""


class Gate:
    """Lets whoever publishes through, in any thread, until :meth:`close`; work may take longer than its stream.

    ``with gate:`` stands around what publishes, or asks a publisher whether anybody reads, together with what is
    remembered of that, and around nothing that may take long: :meth:`close` waits for those who are inside. They do not
    wait for each other.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether nobody is let through any more."""
        return self._is_closed

    def __enter__(self) -> None:
        """Go in.

        Raises:
            GateClosedError: it is closed.
        """
        with self._changed:
            if self._is_closed:
                raise GateClosedError
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        """Come out on the other side."""
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody in any more; from when this returns, nobody is inside."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._inside)
