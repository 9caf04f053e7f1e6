import threading

import cv2
import numpy as np
import pytest

from facemesh_ros.geometry import image_from_crop
from facemesh_ros.picture import Encoded, Interleaved, Picture
from facemesh_ros.types import Roi
from facemesh_ros.warp import cut, sampling_maps


def noise(height=60, width=80, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def maps(center_xy=(30.0, 25.0), size=21.0, angle=0.4):
    return sampling_maps(image_from_crop(Roi(center_xy, size, angle), 16), 16)


def padded(rgb):
    wide = np.zeros((len(rgb), rgb.shape[1] + 5, 3), np.uint8)
    wide[:, :-5] = rgb
    return wide[:, :-5]


LAYOUTS = {
    "as they are": lambda rgb: rgb,
    "with gaps between rows": padded,
    "as a view of BGR": lambda rgb: rgb[..., ::-1].copy()[..., ::-1],
    "as a view of BGR with gaps": lambda rgb: padded(rgb[..., ::-1])[..., ::-1],
    "upside down": lambda rgb: rgb[::-1].copy()[::-1],
    "mirrored": lambda rgb: rgb[:, ::-1].copy()[:, ::-1],
    "by columns": np.asfortranarray,
    "by channels": lambda rgb: np.moveaxis(np.moveaxis(rgb, 2, 0).copy(), 0, 2),
    "every other pixel": lambda rgb: np.repeat(np.repeat(rgb, 2, axis=0), 2, axis=1)[::2, ::2],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_array_is_the_same_picture_however_it_lies_in_memory(layout):
    picture = Picture.of(LAYOUTS[layout](noise()))
    assert picture.size_wh == (80, 60)
    assert np.array_equal(picture.cut(maps(), cv2.BORDER_REPLICATE), cut(noise(), maps(), cv2.BORDER_REPLICATE))
    assert np.array_equal(picture.rgb, noise())


@pytest.mark.parametrize("layout", list(LAYOUTS)[:4])
def test_pixels_side_by_side_are_not_copied(layout):
    image = LAYOUTS[layout](noise())
    picture, places = Picture.of(image), maps()
    image[...] = 7
    assert (picture.cut(places, cv2.BORDER_REPLICATE) == 7).all()


def test_a_picture_is_converted_once_whoever_asks_and_no_other_picture_waits():
    all_ask, has_begun, may_go, converted = threading.Barrier(2), threading.Event(), threading.Event(), []

    def convert(rows, columns):
        converted.append(1)
        has_begun.set()
        assert may_go.wait(20.0)
        return noise()[rows, columns]

    def ask(picture, answers):
        all_ask.wait(60.0)
        answers.append(picture.rgb)

    picture, answers = Encoded((80, 60), convert), []
    asking = [threading.Thread(target=ask, args=(picture, answers)) for _ in range(2)]
    for thread in asking:
        thread.start()
    assert has_begun.wait(60.0)
    assert np.array_equal(Encoded((80, 60), lambda rows, columns: noise()[rows, columns]).rgb, noise())
    may_go.set()
    for thread in asking:
        thread.join(60.0)
    assert len(converted) == 1
    assert answers[0] is answers[1]


def test_a_picture_is_its_own_picture():
    picture = Picture.of(noise())
    assert Picture.of(picture) is picture


def test_the_rgb_of_an_array_is_a_read_only_view_and_the_array_stays_as_it_was():
    image = noise()
    rgb = Picture.of(image).rgb
    assert np.shares_memory(rgb, image)
    assert image.flags.writeable and not rgb.flags.writeable


@pytest.mark.parametrize(
    "picture",
    [
        Picture.of(noise()),
        Interleaved(noise(), cv2.COLOR_BGR2RGB),
        Interleaved(noise(channels=4), cv2.COLOR_BGRA2RGB),
        Interleaved(noise(channels=1), cv2.COLOR_GRAY2RGB),
        Encoded((80, 60), lambda rows, columns: noise()[rows, columns]),
    ],
    ids=lambda picture: type(picture).__name__,
)
def test_a_cut_is_put_where_it_is_wanted(picture):
    batch = np.zeros((2, 16, 16, 3), np.uint8)
    shown = picture.cut(maps(), cv2.BORDER_REPLICATE, batch[1])
    assert np.shares_memory(shown, batch)
    assert np.array_equal(batch[1], cut(picture.rgb, maps(), cv2.BORDER_REPLICATE))
    assert not batch[0].any()


class Converted:
    """A conversion that counts."""

    def __init__(self):
        self.parts = []

    def __call__(self, rows, columns):
        self.parts.append((rows, columns))
        return noise()[rows, columns]


def test_of_encoded_pixels_an_even_rectangle_around_the_cut_is_converted():
    convert = Converted()
    Encoded((80, 60), convert).cut(maps(), cv2.BORDER_REPLICATE)
    ((rows, columns),) = convert.parts
    assert rows.start % 2 == rows.stop % 2 == columns.start % 2 == columns.stop % 2 == 0
    assert (rows.stop - rows.start) * (columns.stop - columns.start) < 34 * 34


def test_where_most_is_looked_at_all_is_converted_and_once():
    convert = Converted()
    picture = Encoded((80, 60), convert)
    for size in (80.0, 21.0, 80.0):
        picture.cut(maps(size=size, angle=0.0), cv2.BORDER_CONSTANT)
    assert picture.rgb is picture.rgb
    assert convert.parts == [(slice(0, 60), slice(0, 80))]
