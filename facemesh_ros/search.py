"""When to look for faces that are not followed."""

from __future__ import annotations

from typing import Protocol

from facemesh_ros.config import Config


class Followed(Protocol):
    """What a search must know of the faces that are followed; :class:`facemesh_ros.tracker.Tracker` tells it."""

    @property
    def tracks(self) -> tuple[object, ...]: ...

    @property
    def room(self) -> int: ...

    @property
    def lost_one(self) -> bool: ...


class Search:
    """Remembers when it was last looked for faces."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._looked_at: float | None = None

    def wants_look(self, tracker: Followed, stamp: float) -> bool:
        """Say whether to look for faces: there is room, and one was just lost, none is left, or it is time."""
        if tracker.room <= 0:
            return False
        if not tracker.tracks or tracker.lost_one or self._looked_at is None:
            return True
        return not 0.0 <= stamp - self._looked_at < self.config.detector.interval_s

    def looked(self, stamp: float) -> None:
        """Remember a look at the image of this time."""
        self._looked_at = stamp

    def reset(self) -> None:
        """Look at the next image."""
        self._looked_at = None
