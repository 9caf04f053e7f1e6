"""The colours of an image at points: of the nearest pixel, of the edge outside, and those of the last call alone."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")

from facemesh_ros.ros.palette import Palette

pytestmark = pytest.mark.ros


def seen(points, image_rgb):
    """Return what numpy's own indices find."""
    height, width = image_rgb.shape[:2]
    x, y = np.rint(points[:, :2]).astype(int).T
    return image_rgb[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] / np.float32(255)


def test_a_point_outside_the_image_has_the_colour_of_its_edge():
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    points = np.array([[-9, -9, 0], [99, -9, 0], [2, 99, 0], [1e6, 1.4, 0], [0.5, 2.6, 0]], np.float32)
    expected = image[[0, 0, 3, 1, 3], [0, 4, 2, 4, 0]]
    np.testing.assert_array_equal(Palette(5).colors_at(points, image)[:, :3], expected / np.float32(255))


@pytest.mark.parametrize("count", [1, 468, 478])
def test_the_colours_are_exactly_those_of_the_nearest_pixels_of_each_image_in_turn(count):
    random, palette = np.random.default_rng(count), Palette(count)
    for size_hw in ((480, 640), (1, 1), (33, 57), (480, 640)):
        image = random.integers(0, 256, (*size_hw, 3), np.uint8)
        points = random.uniform(-9.0, max(size_hw) + 9.0, (count, 3)).astype(np.float32)
        points[: count // 4, :2] = np.floor(points[: count // 4, :2]) + 0.5  # between two pixels: to the even one
        colors = palette.colors_at(points, image)
        assert (colors.shape, colors.dtype) == ((count, 4), np.float32)
        np.testing.assert_array_equal(colors[:, :3], seen(points, image))
        np.testing.assert_array_equal(colors[:, 3], 1.0)
