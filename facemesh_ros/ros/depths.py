"""Which depth image belongs to which image."""

from __future__ import annotations

from collections.abc import Callable

from sensor_msgs.msg import Image

from facemesh_ros.errors import InputError
from facemesh_ros.ros.diagnostics import Tally
from facemesh_ros.ros.encodings import decode_depth
from facemesh_ros.ros.partners import Partners
from facemesh_ros.ros.throttle import Throttle
from facemesh_ros.types import Float32

KEPT = 8
"""Depth images kept for images that are still on their way."""
WAIT_S = 0.03
"""Depth is made to fit the image after that was taken, so it may come this much later."""


class Depths(Partners[Image]):
    """The latest depth images."""

    def __init__(self, tolerance_s: float, tally: Tally, warn: Callable[[str], None]) -> None:
        """Start empty.

        Args:
            tolerance_s: how far apart the stamps of image and depth may be.
            tally: counts the images with depth, and the depth that cannot be used.
            warn: is told, now and then, why.
        """
        super().__init__(KEPT, WAIT_S, tolerance_s)
        self._tally = tally
        self._warn = warn
        self._throttle = Throttle()

    def metres(self, message: Image, size_wh: tuple[int, int]) -> Float32 | None:
        """Return the depth at each pixel of an image of this size (px): (H, W) float32, m; None if it is useless."""
        try:
            depth_m = _fitting_depth(message, size_wh)
        except InputError as error:
            self._tally.add_bad_depth()
            if self._throttle.is_due(str(error)):
                self._warn(f"depth skipped: {error}")
            return None
        self._tally.add_depth()
        return depth_m


def _fitting_depth(message: Image, size_wh: tuple[int, int]) -> Float32:
    if (message.width, message.height) != size_wh:
        raise InputError(
            f"depth has {message.width}x{message.height} px and the image {size_wh[0]}x{size_wh[1]}: remap depth to "
            "the topic that the driver aligns with the image (often aligned_depth_to_color)"
        )
    layout = message.height, message.width, message.step, bool(message.is_bigendian)
    return decode_depth(message.encoding, message.data, *layout)
