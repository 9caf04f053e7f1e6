import numpy as np
import pytest

from facemesh_ros.exposure import FLAT_SPAN, exposed


def ramp(low, high, size=192):
    levels = np.linspace(low, high, size * size).reshape(size, size)
    return np.repeat(np.round(levels)[..., np.newaxis], 3, axis=2).astype(np.uint8)


def test_a_picture_with_contrast_is_returned_as_it_is():
    picture = ramp(0, 255)
    assert exposed(picture) is picture


@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_picture_of_one_colour_stays_as_it_is(level):
    picture = np.full((192, 192, 3), level, np.uint8)
    assert exposed(picture) is picture


@pytest.mark.parametrize(("low", "high"), [(0, 8), (0, 40), (100, 130), (240, 255)])
def test_dark_and_flat_pictures_reach_the_full_range(low, high):
    picture = ramp(low, high)
    stretched = exposed(picture)
    assert stretched.dtype == np.uint8 and stretched.shape == picture.shape
    assert np.ptp(stretched) > 240
    assert np.corrcoef(stretched.ravel(), picture.ravel())[0, 1] > 0.98, "bright stays bright"


def test_it_begins_below_the_span_that_it_names():
    wide, flat = ramp(0, FLAT_SPAN / 0.98 + 3), ramp(0, FLAT_SPAN - 3)
    assert exposed(wide) is wide
    assert exposed(flat) is not flat


def test_the_black_around_an_image_does_not_hide_that_it_is_flat():
    picture = np.zeros((192, 192, 3), np.uint8)
    picture[48:144] = ramp(100, 120)[48:144]
    assert exposed(picture) is picture
    image_from_picture = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -48.0]])
    stretched = exposed(picture, image_from_picture, (192, 96))
    assert np.ptp(stretched[56:136]) > 200 and stretched[:40].max() == 0
    assert exposed(picture, image_from_picture + [[0, 0, 999], [0, 0, 0]], (192, 96)) is picture, "nothing inside"


def test_the_input_is_not_changed():
    picture = ramp(0, 10)
    before = picture.copy()
    exposed(picture)
    assert (picture == before).all()


def test_twice_the_light_gives_the_same_picture():
    dark, twice = ramp(0, 20), (2 * ramp(0, 20).astype(int)).astype(np.uint8)
    assert np.abs(exposed(dark).astype(int) - exposed(twice)).max() <= 10


def test_noise_is_smoothed():
    rng = np.random.default_rng(0)
    noisy = np.clip(ramp(0, 20).astype(int) + rng.integers(-2, 3, (192, 192, 3)), 0, 255).astype(np.uint8)
    rough, smooth = (np.diff(p.astype(float), axis=1).std() / np.ptp(p) for p in (noisy, exposed(noisy)))
    assert smooth < 0.5 * rough
