"""The visitors' own cameras: each browser's pictures are meshed for that browser alone, and kept nowhere."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import cv2
import numpy as np

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools.viewer.hub import Client, Hub
from facemesh_ros.tools.viewer.snapshot import Snapshot
from facemesh_ros.tools.viewer.wire import BUSY, INTERNAL, INVALID, REFUSED, RefusedError, frame_message, jpeg_size_wh
from facemesh_ros.types import Face, UInt8

MOST_CAMERAS = 4
"""At once: each has networks of its own."""

_LOG = logging.getLogger(__name__)


class Mesher(Protocol):
    """What is used of a FaceMesher."""

    def process(self, image_rgb: UInt8, stamp: float) -> tuple[Face, ...]:
        """Return the faces in the next image."""


class _Visit:
    """One browser's camera: its newest picture, and the faces followed so far."""

    def __init__(self) -> None:
        self.mesher: Mesher | None = None
        self.newest: tuple[int, bytes, float] | None = None
        self.dropped = 0
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class CameraDesk:
    """Answers pictures with meshes. All methods belong to the event loop; the work is done in one thread beside it."""

    def __init__(self, hub: Hub, make_mesher: Callable[[], Mesher]) -> None:
        self._hub = hub
        self._make_mesher = make_mesher
        self._visits: dict[Client, _Visit] = {}
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="browser cameras")

    def start(self, client: Client) -> None:
        """Expect pictures of this browser.

        Raises:
            RefusedError: too many browsers use their cameras already.
        """
        if client in self._visits:
            return
        if len(self._visits) >= MOST_CAMERAS:
            client.has_own_camera = False
            raise RefusedError(BUSY, f"{MOST_CAMERAS} visitors use their cameras already: try again later")
        visit = self._visits[client] = _Visit()
        visit.task = asyncio.create_task(self._serve(client, visit))

    def put(self, client: Client, number: int, jpeg: bytes) -> None:
        """Take the newest picture; one that still waits is dropped.

        Raises:
            RefusedError: the browser did not say that it would send any.
        """
        visit = self._visits.get(client)
        if visit is None:
            raise RefusedError(REFUSED, "turn the camera on before sending pictures")
        visit.dropped += visit.newest is not None
        visit.newest = number, jpeg, time.monotonic()
        visit.changed.set()

    def stop(self, client: Client) -> None:
        """Forget a browser's camera and faces."""
        visit = self._visits.pop(client, None)
        if visit is not None and visit.task is not None:
            visit.task.cancel()

    def close(self) -> None:
        """Forget all."""
        for client in list(self._visits):
            self.stop(client)
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _serve(self, client: Client, visit: _Visit) -> None:
        """Answer picture after picture; what goes wrong with one ends the visit, with the reason."""
        try:
            await self._answer(client, visit)
        except RefusedError as error:
            client.refuse(error)
        except FaceMeshError as error:
            client.refuse(RefusedError(INTERNAL, str(error)))
        except Exception as error:
            _LOG.exception("a visitor's picture failed")
            client.refuse(RefusedError(INTERNAL, f"the picture failed here ({type(error).__name__})"))

    async def _answer(self, client: Client, visit: _Visit) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await visit.changed.wait()
            visit.changed.clear()
            if visit.newest is None:
                continue
            (number, jpeg, stamp_s), visit.newest = visit.newest, None
            snapshot = await loop.run_in_executor(self._worker, self._mesh, visit, jpeg, stamp_s)
            seq = self._hub.next_number()
            client.offer(seq, frame_message(snapshot, {"seq": seq, "picture": number}))

    def _mesh(self, visit: _Visit, jpeg: bytes, stamp_s: float) -> Snapshot:
        """Return the faces in a picture, without the picture: the browser has it."""
        if visit.mesher is None:
            visit.mesher = self._make_mesher()
        image_bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if image_bgr is None or image_bgr.shape[1::-1] != jpeg_size_wh(jpeg):
            raise RefusedError(INVALID, "the picture cannot be decoded, or has another size than it says")
        faces = visit.mesher.process(np.ascontiguousarray(image_bgr[..., ::-1]), stamp_s)
        size_wh = image_bgr.shape[1], image_bgr.shape[0]
        return Snapshot(stamp_s, size_wh, faces, 1e3 * (time.monotonic() - stamp_s), dropped=visit.dropped)
