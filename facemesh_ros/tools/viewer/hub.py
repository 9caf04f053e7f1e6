"""From one source to many browsers: each snapshot is packed once, and a slow browser misses frames instead of queueing.

Sources call from threads of their own; all else runs in the event loop.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from facemesh_ros.tools.viewer.snapshot import Snapshot
from facemesh_ros.tools.viewer.wire import RefusedError, frame_message

MOST_CLIENTS = 32
IN_FLIGHT = 2
"""Frames that a browser may have got without having drawn them: one on its way while one is drawn."""
SILENT_S = 2.0
"""Without an image for so long, a source counts as silent."""
_RATE_OVER_S = 2.0


class Client:
    """One browser: at most :data:`IN_FLIGHT` frames under way, and one that waits and is replaced by a newer one."""

    def __init__(self, may_have_pictures: Callable[[], bool] = lambda: True) -> None:
        """Make it inside the event loop.

        Args:
            may_have_pictures: asked whenever a frame with a picture is about to go out; False drops it.
        """
        self.has_own_camera = False
        """It is shown the visitor's own camera in the place of the source."""
        self.missed = 0
        """Frames that newer ones replaced."""
        self._may_have_pictures = may_have_pictures
        self._frame: tuple[int, bytes, bool] | None = None
        """Number, message, and whether there is a picture in it."""
        self._text: str | None = None
        self._error: RefusedError | None = None
        self._under_way: deque[int] = deque()
        self._changed = asyncio.Event()

    def offer(self, number: int, message: bytes, has_picture: bool = False) -> None:
        """Send a frame as soon as the browser is ready for it, unless a newer one comes before."""
        self.missed += self._frame is not None
        self._frame = number, message, has_picture
        self._changed.set()

    def tell(self, text: str) -> None:
        """Send a text; of several that wait, the last one."""
        self._text = text
        self._changed.set()

    def acknowledge(self, number: int) -> None:
        """Take note that the browser has drawn a frame, and with it those before."""
        while self._under_way and self._under_way[0] <= number:
            self._under_way.popleft()
        self._changed.set()

    def forget_frames(self) -> None:
        """Drop the frame that waits: it is of another source than the one that is wanted now."""
        self._frame = None

    def refuse(self, error: RefusedError) -> None:
        """Let go of the browser, and tell it why."""
        self._error = error
        self._changed.set()

    async def next(self) -> str | bytes:
        """Wait for what is to be sent next.

        Raises:
            RefusedError: the browser was let go of.
        """
        while True:
            if self._error is not None:
                raise self._error
            if self._text is not None:
                text, self._text = self._text, None
                return text
            if self._frame is not None and self._frame[2] and not self._may_have_pictures():
                self._frame = None  # it was made before the source became private
            if self._frame is not None and len(self._under_way) < IN_FLIGHT:
                (number, message, _), self._frame = self._frame, None
                self._under_way.append(number)
                return message
            self._changed.clear()
            await self._changed.wait()


class Hub:
    """Hands the snapshots of one source to all browsers, and tells them how the source is."""

    def __init__(self, source: str, with_video: bool, now: Callable[[], float] = time.monotonic) -> None:
        """Make it inside the event loop.

        Args:
            source: its name, for people; empty where there is none but the visitors' cameras.
            with_video: False never lets a byte of a picture through.
            now: a clock, s.
        """
        self.clients: set[Client] = set()
        self.watched = threading.Event()
        """Set while any browser wants the source: otherwise it need not work."""
        self.problem: str | None = None
        """What keeps the source from delivering, for people, as far as it knows; it may be set from any thread."""
        self.is_private = False
        """Whether the source wants no picture to leave; it may be set from any thread."""
        self._source = source
        self._with_video = with_video
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._arrivals: deque[float] = deque(maxlen=1000)
        self._waiting_since = now()
        self._lock = threading.Lock()
        self._newest: tuple[int, bytes, bool] | None = None
        """Number, message, and whether there is a picture in it."""
        self._is_closed = False

    def close(self) -> None:
        """Hear the source no more: the event loop is about to end, and the source may not have noticed."""
        with self._lock:
            self._is_closed = True

    def next_number(self) -> int:
        """Return a number that no frame has had."""
        return next(self._numbers)

    def join(self) -> Client:
        """Let a browser in."""
        client = Client(lambda: self.wants_video)
        self.clients.add(client)
        client.tell(self.status())
        self.note_watchers()
        return client

    def leave(self, client: Client) -> None:
        """Forget a browser."""
        self.clients.discard(client)
        self.note_watchers()

    def note_watchers(self) -> None:
        """See whether anybody wants the source, after a browser came, went or changed its mind."""
        wanted = any(not client.has_own_camera for client in self.clients)
        if wanted and not self.watched.is_set():
            self._waiting_since = self._now()
            self.watched.set()
        elif not wanted:
            self.watched.clear()

    @property
    def wants_video(self) -> bool:
        """Whether a source should make pictures at all."""
        return self._with_video and not self.is_private

    def offer(self, snapshot: Snapshot) -> None:
        """Take the source's newest snapshot, from any thread; it costs as much for many browsers as for one."""
        self._arrivals.append(self._now())
        if not self.watched.is_set():
            return
        if not self.wants_video:
            snapshot = replace(snapshot, jpeg=b"")
        number = self.next_number()
        message = frame_message(snapshot, {"seq": number, "rate_hz": self.rate_hz()})
        with self._lock:  # held until the loop has been told, so that it cannot be closed in between
            is_first, self._newest = self._newest is None, (number, message, bool(snapshot.jpeg))
            if is_first and not self._is_closed:
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            newest, self._newest = self._newest, None
        assert newest is not None
        number, message, has_picture = newest
        for client in self.clients:
            if not client.has_own_camera:
                client.offer(number, message, has_picture)

    def rate_hz(self) -> float | None:
        """Return how many snapshots a second have come of late; None before there were enough."""
        since = self._now() - _RATE_OVER_S
        times = [moment for moment in list(self._arrivals) if moment >= since]
        span_s = times[-1] - times[0] if times else 0.0
        return round((len(times) - 1) / span_s, 2) if span_s > 0.5 * _RATE_OVER_S else None

    def status(self) -> str:
        """Return how the source is, as the text that browsers get."""
        return json.dumps({"type": "status", **self._state(), "source": self._source, "private": not self.wants_video})

    def tell_status(self) -> None:
        """Tell all browsers how the source is."""
        text = self.status()
        for client in self.clients:
            client.tell(text)

    def _state(self) -> dict[str, Any]:
        last = self._arrivals[-1] if self._arrivals else self._waiting_since
        silent_s = self._now() - max(last, self._waiting_since)
        common = {"rate_hz": self.rate_hz(), "viewers": len(self.clients), "silent_s": round(silent_s, 1)}
        if not self._source:
            return {
                "state": "none",
                "text": "Press “use my camera” to see yourself: pictures go to this server, and nowhere else.",
                **common,
            }
        if silent_s >= SILENT_S:
            return {"state": "silent", "text": self.problem or f"{self._source} is silent", **common}
        has_begun = bool(self._arrivals) and self._arrivals[-1] >= self._waiting_since
        return {"state": "live" if has_begun else "waiting", "text": "", **common}
