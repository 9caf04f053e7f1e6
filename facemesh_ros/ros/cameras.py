"""Which calibration belongs to which image: camera_info paired with the image by its exact stamp."""

from __future__ import annotations

from collections.abc import Callable

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo

from facemesh_ros.errors import InputError
from facemesh_ros.ros.calibration import camera_of_info
from facemesh_ros.ros.diagnostics import Tally
from facemesh_ros.ros.partners import Partners
from facemesh_ros.types import Camera

KEPT = 64
"""Calibrations kept for images that are still on their way: two seconds at 30 Hz."""
WAIT_S = 0.01
"""Drivers publish an image before its camera_info, so the latter may come this much later."""


class Cameras(Partners[CameraInfo]):
    """The latest camera_info messages."""

    def __init__(self, is_rectified: bool, tally: Tally, warn: Callable[[str], None]) -> None:
        """Start empty.

        Args:
            is_rectified: whether the images are rectified.
            tally: counts the images with a calibration.
            warn: is told, once each, why a calibration is not used.
        """
        super().__init__(KEPT, WAIT_S)
        self._is_rectified = is_rectified
        self._tally = tally
        self._warn = warn
        self._warned: set[str] = set()

    def camera_of(self, stamp: Time, size_wh: tuple[int, int]) -> Camera | None:
        """Return the camera of the image with this stamp and size (px).

        None where no camera_info bears the stamp, or the one that does is no calibration of such an image.
        """
        info = self.partner_of(stamp)
        if info is None:
            return None
        try:
            camera = _fitting_camera(info, size_wh, self._is_rectified)
        except InputError as error:
            self._say_once(f"{error}. Until then it counts as no calibration: see camera.assume_fov_deg")
            return None
        self._tally.add_calibrated()
        return camera

    def _say_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)


def _fitting_camera(info: CameraInfo, size_wh: tuple[int, int], is_rectified: bool) -> Camera:
    camera = camera_of_info(info, is_rectified)
    if camera.size_wh != size_wh:
        raise InputError(
            f"camera_info is for images of {camera.size_wh[0]}x{camera.size_wh[1]} px and the image has "
            f"{size_wh[0]}x{size_wh[1]}: publish the calibration of this resolution, or set binning and roi in it"
        )
    return camera
