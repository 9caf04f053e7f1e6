import zlib

import cv2
import numpy as np
import pytest

from facemesh_ros.warp import cut, sampling_maps

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def noise(height=40, width=60):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_cutting_by_the_identity_copies():
    assert np.array_equal(cut(noise(), sampling_maps(IDENTITY, 40), cv2.BORDER_CONSTANT), noise()[:, :40])


@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (0, 5), (7, 2)])
def test_cutting_further_on_shows_what_lies_further_on(dx, dy):
    shifted = IDENTITY + [[0, 0, dx], [0, 0, dy]]
    picture = cut(noise(), sampling_maps(shifted, 30), cv2.BORDER_CONSTANT)
    assert np.array_equal(picture, noise()[dy : dy + 30, dx : dx + 30])


def test_a_quarter_turn_turns():
    turned = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 39.0]])  # the crop's x runs up the image, its y to the right
    assert np.array_equal(cut(noise(), sampling_maps(turned, 40), cv2.BORDER_CONSTANT), np.rot90(noise()[:, :40], -1))


def test_between_two_pixels_lies_their_mean():
    picture = cut(noise(), sampling_maps(IDENTITY + [[0, 0, 0.5], [0, 0, 0]], 30), cv2.BORDER_CONSTANT)
    mean = (noise()[:30, :30].astype(int) + noise()[:30, 1:31]) / 2
    assert np.abs(picture - mean).max() <= 0.5


def test_the_bytes_are_the_same_with_every_opencv():
    # Recorded with 5.0; 4.6 and 4.11 give the same.
    affine = np.array([[1.21, -0.33, 4.7], [0.33, 1.21, -6.1]])
    assert zlib.crc32(cut(noise(), sampling_maps(affine, 48), cv2.BORDER_REPLICATE).tobytes()) == 3336994480
