"""Which depth image belongs to which image."""

from __future__ import annotations

from collections.abc import Callable

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

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
            tally: counts the images with depth and without, and the depth that cannot be used.
            warn: is told, now and then, why.
        """
        super().__init__(KEPT, WAIT_S, tolerance_s)
        self._tally = tally
        self._warn = warn
        self._throttle = Throttle()

    def partner_of(self, stamp: Time) -> Image | None:
        """Return the depth of the image with this stamp, and count it where there is none."""
        message = super().partner_of(stamp)
        if message is None:
            self._tally.add_no_depth()
        return message

    def metres(self, message: Image, image: Header, size_wh: tuple[int, int]) -> Float32 | None:
        """Return the depth at each pixel of an image of this header and size (px): (H, W) float32, m; None if useless.

        Where either frame is empty, both are taken for one.
        """
        try:
            depth_m = _fitting_depth(message, image.frame_id, size_wh)
        except InputError as error:
            self._tally.add_bad_depth()
            if self._throttle.is_due(str(error)):
                self._warn(f"depth skipped: {error}")
            return None
        self._tally.add_depth()
        return depth_m


def _fitting_depth(message: Image, frame: str, size_wh: tuple[int, int]) -> Float32:
    given = message.header.frame_id
    if frame and given and given.strip("/") != frame.strip("/"):
        raise InputError(
            f"depth is in the frame {given!r} and the image in {frame!r}, which do not show the same: remap depth to "
            "the topic that the driver aligns with the image (often aligned_depth_to_color), or register it with "
            "depth_image_proc"
        )
    if (message.width, message.height) != size_wh:
        raise InputError(
            f"depth has {message.width}x{message.height} px and the image {size_wh[0]}x{size_wh[1]}: remap depth to "
            "the topic that the driver aligns with the image (often aligned_depth_to_color)"
        )
    layout = message.height, message.width, message.step, bool(message.is_bigendian)
    return decode_depth(message.encoding, message.data, *layout)
