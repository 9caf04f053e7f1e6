"""A file, a webcam or the built-in moving face, meshed by the library in a thread beside the server: no ROS."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import numpy as np

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools.play import Metronome
from facemesh_ros.tools.sources import FrameSource
from facemesh_ros.tools.viewer.camera_desk import Mesher
from facemesh_ros.tools.viewer.hub import Hub
from facemesh_ros.tools.viewer.snapshot import Snapshot
from facemesh_ros.tools.viewer.wire import video_jpeg

RETRY_S = 1.0
"""After a source has failed, such as a webcam that was unplugged."""
_LOOK_S = 0.2
"""How soon the thread sees that it is watched, or to end."""

_LOG = logging.getLogger(__name__)


class LocalFeed:
    """Plays while somebody watches; the source is open only then."""

    def __init__(self, mesher: Mesher, open_source: Callable[[], FrameSource]) -> None:
        self._mesher = mesher
        self._open_source = open_source
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, hub: Hub) -> None:
        """Begin to work for a hub."""
        self._thread = threading.Thread(target=self._run, args=(hub,), name="view source", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _run(self, hub: Hub) -> None:
        while not self._stop.is_set():
            if not hub.watched.wait(_LOOK_S):
                continue
            try:
                with self._open_source() as source:
                    self._play(source, hub)
            except FaceMeshError as error:
                hub.problem = str(error)
                self._stop.wait(RETRY_S)
            except Exception as error:
                _LOG.exception("the source failed")
                hub.problem = f"the source failed ({type(error).__name__}); it is tried again"
                self._stop.wait(RETRY_S)

    def _play(self, source: FrameSource, hub: Hub) -> None:
        metronome = Metronome(source.rate_hz)
        hub.problem = None
        for image_bgr in source:
            if not source.keeps_time:
                metronome.wait(self._stop.is_set)
            if self._stop.is_set() or not hub.watched.is_set():
                return
            stamp_s = time.monotonic()
            faces = self._mesher.process(np.ascontiguousarray(image_bgr[..., ::-1]), stamp_s)
            jpeg = video_jpeg(image_bgr) if hub.wants_video else b""
            size_wh = image_bgr.shape[1], image_bgr.shape[0]
            hub.offer(Snapshot(stamp_s, size_wh, faces, 1e3 * (time.monotonic() - stamp_s), jpeg))
