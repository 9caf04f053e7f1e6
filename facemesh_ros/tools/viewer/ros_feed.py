"""A ROS node's topics as the source of the page, listened to in a thread beside the server."""

from __future__ import annotations

import logging
import threading

import numpy as np

from facemesh_ros.errors import InputError
from facemesh_ros.ros.spectator import Sight, Spectator
from facemesh_ros.tools.viewer.hub import Hub
from facemesh_ros.tools.viewer.snapshot import Snapshot
from facemesh_ros.tools.viewer.wire import LONGEST_VIDEO_SIDE_PX, MOST_JPEG_BYTES, jpeg_size_wh, video_jpeg

_SPIN_S = 0.05
_ADVISE_EVERY = 10
"""Spins; the graph is asked for publishers no oftener."""

_LOG = logging.getLogger(__name__)


class RosFeed:
    """Listens to the faces always, and to the images only while somebody watches and they may be shown."""

    def __init__(self, node_name: str, image_topic: str, camera: str = "") -> None:
        """Subscribe.

        Raises:
            InputError: a name is no ROS name.
        """
        self._spectator = Spectator(node_name, image_topic, self._on_sight, camera)
        self._hub: Hub | None = None
        self._logged: set[str] = set()
        """Kinds of failures that have been."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, hub: Hub) -> None:
        """Begin to work for a hub; no picture leaves before the node's privacy mode is known."""
        hub.is_private = True
        self._hub = hub
        self._thread = threading.Thread(target=self._run, args=(hub,), name="view topics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)
        self._spectator.close()

    def _run(self, hub: Hub) -> None:
        spins = 0
        while not self._stop.is_set():
            hub.is_private = self._spectator.is_private
            try:
                self._spectator.spin(_SPIN_S, hub.watched.is_set() and hub.wants_video)
            except Exception as error:
                kind = type(error).__name__
                if kind not in self._logged:  # it may come with every message
                    self._logged.add(kind)
                    _LOG.exception("a message of the node could not be shown")
                hub.problem = f"a message of the node could not be shown ({kind})"
                self._stop.wait(_SPIN_S)
                continue
            if spins % _ADVISE_EVERY == 0:
                hub.problem = self._spectator.bad or self._spectator.advice()
            spins += 1

    def _on_sight(self, sight: Sight) -> None:
        assert self._hub is not None
        hub = self._hub
        hub.is_private = self._spectator.is_private
        jpeg = picture_of(sight) if hub.watched.is_set() and hub.wants_video else b""
        hub.offer(
            Snapshot(sight.stamp_s, sight.size_wh, sight.faces, sight.latency_ms, jpeg, sight.dropped, sight.stages_ms)
        )


def picture_of(sight: Sight) -> bytes:
    """Return the JPEG of a sight, the camera's own where that is small enough; empty where it has no readable image."""
    own = sight.jpeg()
    try:
        is_small = own is not None and max(jpeg_size_wh(own)) <= LONGEST_VIDEO_SIDE_PX and len(own) <= MOST_JPEG_BYTES
        if own is not None and is_small:
            return own
        rgb = sight.rgb()
    except InputError:
        return b""  # the node says what is wrong with it
    return b"" if rgb is None else video_jpeg(np.ascontiguousarray(rgb[..., ::-1]))
