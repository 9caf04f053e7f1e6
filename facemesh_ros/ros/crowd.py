"""Who is there, by all cameras of the node together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable


class Crowd:
    """The ids that each camera has. A list of faces that is taken for all there are must hold those of all cameras."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: dict[Hashable, list[str]] = {}

    def tell(self, camera: Hashable, ids: Iterable[str], publish: Callable[[list[str]], None]) -> None:
        """Take over the ids of one camera, and have those of all published before any others are."""
        with self._lock:
            self._ids[camera] = list(ids)
            publish([one for of_camera in self._ids.values() for one in of_camera])
