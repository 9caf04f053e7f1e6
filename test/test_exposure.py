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
    assert exposed(ramp(0, FLAT_SPAN / 0.98 + 2)) is not None
    wide, flat = ramp(0, FLAT_SPAN / 0.98 + 3), ramp(0, FLAT_SPAN - 3)
    assert exposed(wide) is wide
    assert exposed(flat) is not flat


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
