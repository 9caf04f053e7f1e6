"""Which calibration belongs to which image: camera_info paired with the image by its exact stamp."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo

from facemesh_ros.errors import InputError
from facemesh_ros.ros.convert import camera_from_info, stamp_nanoseconds
from facemesh_ros.types import Camera

KEPT = 64
"""Calibrations kept for images that are still on their way: two seconds at 30 Hz."""
WAIT_S = 0.01
"""Drivers publish an image before its camera_info, so the latter may come this much later."""
PATIENT_MISSES = 10
"""After as many images in a row without a partner none is waited for, until a partner comes at all, however late."""


class Cameras:
    """The latest camera_info messages. One thread puts them, another asks for the camera of an image."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        """Start empty; ``warn`` is told, once each, why a calibration is not used."""
        self._warn = warn
        self._warned: set[str] = set()
        self._changed = threading.Condition()
        self._infos: dict[int, CameraInfo] = {}
        self._misses = 0
        self._missed: deque[int] = deque(maxlen=KEPT)
        self._paired = 0

    @property
    def paired(self) -> int:
        """How many images have found their camera_info."""
        return self._paired

    def put(self, info: CameraInfo) -> None:
        """Keep a calibration until its image comes."""
        with self._changed:
            stamp_ns = stamp_nanoseconds(info.header.stamp)
            self._infos.pop(stamp_ns, None)  # a bag that loops: the stamp is the newest again
            self._infos[stamp_ns] = info
            while len(self._infos) > KEPT:
                del self._infos[next(iter(self._infos))]
            if stamp_ns in self._missed:
                self._misses = 0
            self._changed.notify_all()

    def camera_of(self, stamp: Time, size_wh: tuple[int, int]) -> Camera | None:
        """Return the camera of the image with this stamp and size (px).

        None where no camera_info bears the stamp, or the one that does is no calibration of such an image.
        """
        info = self._info_of(stamp_nanoseconds(stamp))
        if info is None:
            return None
        try:
            return _fitting_camera(info, size_wh)
        except InputError as error:
            self._say_once(f"{error}. Until then faces have no metric pose")
            return None

    def _info_of(self, stamp_ns: int) -> CameraInfo | None:
        with self._changed:
            if self._infos and self._misses < PATIENT_MISSES:
                self._changed.wait_for(lambda: stamp_ns in self._infos, WAIT_S)
            info = self._infos.get(stamp_ns)
            if info is None:
                self._missed.append(stamp_ns)
                self._misses += bool(self._infos)
            else:
                self._misses = 0
                self._paired += 1
            return info

    def _say_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)


def _fitting_camera(info: CameraInfo, size_wh: tuple[int, int]) -> Camera:
    camera = camera_from_info(info)
    if camera.size_wh != size_wh:
        raise InputError(
            f"camera_info is for images of {camera.size_wh[0]}x{camera.size_wh[1]} px and the image has "
            f"{size_wh[0]}x{size_wh[1]}: publish the calibration of this resolution, or set binning and roi in it"
        )
    return camera
