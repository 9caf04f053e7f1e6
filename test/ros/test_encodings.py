"""Laws and tables of the pixel formats, against encoders written here from the formats' definitions."""

from array import array

import cv2
import numpy as np
import pytest

from facemesh_ros.errors import InputError
from facemesh_ros.geometry import image_from_crop
from facemesh_ros.ros.encodings import READERS, decode, picture
from facemesh_ros.types import Roi
from facemesh_ros.warp import cut, sampling_maps

RNG_SEED = 20240607
YUV_ROUNDING = 3
"""Levels of 255: one of rounded Y, Cb, Cr costs RGB up to 0.6, 1.0 and 0.8, and decoding rounds again."""


def padded(rows: np.ndarray, padding: int) -> tuple[bytes, int]:
    """Return rows of bytes, each followed by noise, and their step."""
    noise = np.random.default_rng(RNG_SEED).integers(0, 256, (len(rows), padding), np.uint8)
    return np.hstack([rows, noise]).tobytes(), rows.shape[1] + padding


def packed(order: str, depth: int = 8):
    """Return an encoder of interleaved samples; a letter of ``order`` names the channel, "a" is noise.

    16-bit samples get noise in the low byte that rounding to 8 bits takes off again.
    """

    def encode(rgb, is_bigendian):
        alpha = np.random.default_rng(RNG_SEED).integers(0, 256, rgb.shape[:2], np.uint8)
        channels = {"r": rgb[..., 0], "g": rgb[..., 1], "b": rgb[..., 2], "y": rgb[..., 1], "a": alpha}
        samples = np.stack([channels[letter] for letter in order], axis=-1)
        if depth == 16:
            noise = np.random.default_rng(RNG_SEED).integers(-128, 129, samples.shape)
            samples = (samples * 257.0 + noise).clip(0, 65535).astype(">u2" if is_bigendian else "<u2")
        return np.ascontiguousarray(samples).reshape(len(rgb), -1).view(np.uint8)

    return encode


def mosaic(pattern: str, depth: int = 8):
    """Return an encoder that keeps one channel of a pixel, which ``pattern`` (2 by 2, row by row) names."""

    def encode(rgb, is_bigendian):
        single = np.empty(rgb.shape[:2], np.uint8)
        for place, letter in enumerate(pattern):
            row, column = divmod(place, 2)
            single[row::2, column::2] = rgb[row::2, column::2, "rgb".index(letter)]
        return packed("y", depth)(np.dstack([single] * 3), is_bigendian)

    return encode


def bt601(rgb):
    """ITU-R BT.601, 8 bit, Y in 16..235."""
    to_yuv = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])
    return np.rint(rgb / 255.0 @ to_yuv.T + (16, 128, 128)).astype(np.uint8)


def yuv422(order: str):
    """Return an encoder of pixel pairs; ``order`` as in "uyvy"."""

    def encode(rgb, is_bigendian):
        yuv = bt601(rgb)
        luma = iter([yuv[:, 0::2, 0], yuv[:, 1::2, 0]])
        chroma = {"u": yuv[:, ::2, 1], "v": yuv[:, ::2, 2]}
        samples = [next(luma) if letter == "y" else chroma[letter] for letter in order]
        return np.stack(samples, axis=-1).reshape(len(rgb), -1)

    return encode


def yuv420(chroma: tuple[int, int]):
    """Return an encoder of a luma plane and one of interleaved chroma (channels of YUV)."""

    def encode(rgb, is_bigendian):
        yuv = bt601(rgb)
        return np.vstack([yuv[..., 0], yuv[::2, ::2, chroma].reshape(len(rgb) // 2, -1)])

    return encode


ENCODERS = {
    "rgb8": packed("rgb"),
    "bgr8": packed("bgr"),
    "mono8": packed("y"),
    "rgba8": packed("rgba"),
    "bgra8": packed("bgra"),
    "8UC1": packed("y"),
    "8UC3": packed("bgr"),
    "8UC4": packed("bgra"),
    "rgb16": packed("rgb", 16),
    "bgr16": packed("bgr", 16),
    "mono16": packed("y", 16),
    "rgba16": packed("rgba", 16),
    "bgra16": packed("bgra", 16),
    "yuv422": yuv422("uyvy"),
    "uyvy": yuv422("uyvy"),
    "yuv422_yuy2": yuv422("yuyv"),
    "yuyv": yuv422("yuyv"),
    "nv12": yuv420((1, 2)),
    "nv21": yuv420((2, 1)),
    "bayer_rggb8": mosaic("rggb"),
    "bayer_bggr8": mosaic("bggr"),
    "bayer_gbrg8": mosaic("gbrg"),
    "bayer_grbg8": mosaic("grbg"),
    "bayer_rggb16": mosaic("rggb", 16),
    "bayer_bggr16": mosaic("bggr", 16),
    "bayer_gbrg16": mosaic("gbrg", 16),
    "bayer_grbg16": mosaic("grbg", 16),
}
LOSSLESS = [name for name in ENCODERS if name.startswith(("rgb", "bgr", "mono", "8UC"))]
BAYER = [name for name in ENCODERS if name.startswith("bayer")]
YUV = [name for name in ENCODERS if name not in LOSSLESS + BAYER]


def random_rgb(rng, height, width, encoding):
    """Return a picture that the encoding can hold: grey, or with equal pixels where they share a colour."""
    rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
    if encoding.startswith(("mono", "8UC1")):
        rgb[:] = rgb[..., :1]
    if encoding in YUV:
        rgb[:, 1::2] = rgb[:, ::2]
    if encoding.startswith("nv"):
        rgb[1::2] = rgb[::2]
    return rgb


def message(encoding, rgb, padding=0, is_bigendian=False):
    """Return the arguments of ``decode`` for a picture."""
    data, step = padded(ENCODERS[encoding](rgb, is_bigendian), padding)
    return encoding, data, rgb.shape[0], rgb.shape[1], step, is_bigendian


def test_every_encoding_has_an_encoder_here():
    assert ENCODERS.keys() == READERS.keys()


@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize("padding", [0, 1, 7, 64])
@pytest.mark.parametrize("encoding", LOSSLESS)
def test_decoding_undoes_encoding(encoding, padding, is_bigendian):
    rng = np.random.default_rng(RNG_SEED + padding)
    for height, width in [(1, 1), (1, 7), (5, 1), *rng.integers(1, 70, (5, 2))]:
        rgb = random_rgb(rng, height, width, encoding)
        np.testing.assert_array_equal(decode(*message(encoding, rgb, padding, is_bigendian)), rgb)


@pytest.mark.parametrize("padding", [0, 1, 2, 64])
@pytest.mark.parametrize("encoding", YUV)
def test_decoding_undoes_encoding_up_to_the_rounding_of_yuv(encoding, padding):
    rng = np.random.default_rng(RNG_SEED + padding)
    for height, width in [(2, 2), *(2 * rng.integers(1, 40, (5, 2)))]:
        rgb = random_rgb(rng, height, width, encoding)
        got = decode(*message(encoding, rgb, padding)).astype(int)
        np.testing.assert_allclose(got, rgb, atol=YUV_ROUNDING)


@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize("padding", [0, 1, 64])
@pytest.mark.parametrize("encoding", BAYER)
def test_a_mosaic_of_linear_ramps_gives_them_back_inside(encoding, padding, is_bigendian):
    """Bilinear interpolation is exact on a ramp, so that a wrong pattern or shift shows in every pixel."""
    y, x = np.mgrid[0:12, 0:17]
    rgb = np.dstack([9 * x + 6 * y, 200 - 5 * x - 7 * y + 30, 40 + 3 * x + 12 * y]).astype(np.uint8)
    got = decode(*message(encoding, rgb, padding, is_bigendian)).astype(int)
    np.testing.assert_allclose(got[1:-1, 1:-1], rgb[1:-1, 1:-1], atol=1)


@pytest.mark.parametrize(
    ("sample", "byte"), [(0, 0), (128, 0), (129, 1), (257, 1), (32767, 127), (65406, 254), (65535, 255)]
)
def test_16_bits_round_to_the_nearest_8(sample, byte):
    assert decode("mono16", np.array([sample], "<u2").tobytes(), 1, 1, 2).tolist() == [[[byte] * 3]]


@pytest.mark.parametrize("encoding", sorted(READERS))
def test_a_picture_is_uint8_rgb_contiguous_and_read_only(encoding):
    rgb = decode(*message(encoding, random_rgb(np.random.default_rng(RNG_SEED), 4, 6, encoding), padding=4))
    assert (rgb.shape, rgb.dtype) == ((4, 6, 3), np.uint8)
    assert rgb.flags.c_contiguous
    assert not rgb.flags.writeable


@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize("padding", [0, 2, 64])
@pytest.mark.parametrize("encoding", sorted(READERS))
def test_a_cut_out_of_a_picture_is_that_out_of_all_of_it_in_rgb(encoding, padding, is_bigendian):
    rng = np.random.default_rng(RNG_SEED + padding)
    for height, width in [(4, 4), (4, 90), (90, 4), (66, 98), *(2 * rng.integers(2, 60, (5, 2)))]:
        arguments = message(encoding, random_rgb(rng, height, width, encoding), padding, is_bigendian)
        rgb = decode(*arguments)
        for size in rng.uniform(2.0, 60.0, 8):
            roi = Roi(rng.uniform([-40, -40], [width + 40, height + 40]), size, rng.uniform(-4.0, 4.0))
            maps = sampling_maps(image_from_crop(roi, 24), 24)
            for border in (cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT):
                np.testing.assert_array_equal(picture(*arguments).cut(maps, border), cut(rgb, maps, border))


@pytest.mark.parametrize("encoding", sorted(READERS))
def test_far_outside_of_a_picture_there_is_its_edge_or_nothing(encoding):
    arguments = message(encoding, random_rgb(np.random.default_rng(RNG_SEED), 64, 98, encoding))
    rgb = decode(*arguments)
    for center_xy in [(-5e4, 30.0), (5e4, 30.0), (60.0, -4e4), (60.0, 4e4), (-32760.0, 32760.0)]:
        maps = sampling_maps(image_from_crop(Roi(center_xy, 50.0, 0.3), 24), 24)
        for border in (cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT):
            np.testing.assert_array_equal(picture(*arguments).cut(maps, border), cut(rgb, maps, border))


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, lambda data: array("B", data)])
def test_any_buffer_serves(wrap):
    rgb = random_rgb(np.random.default_rng(RNG_SEED), 4, 6, "bgr16")
    name, data, *layout = message("bgr16", rgb)
    np.testing.assert_array_equal(decode(name, wrap(data), *layout), rgb)


def test_unpadded_rgb8_is_a_view_and_padded_a_copy():
    rgb = random_rgb(np.random.default_rng(RNG_SEED), 4, 6, "rgb8")
    for padding, is_view in [(0, True), (1, False)]:
        arguments = message("rgb8", rgb, padding)
        assert np.shares_memory(decode(*arguments), np.frombuffer(arguments[1], np.uint8)) is is_view


def test_the_padding_of_the_last_row_may_be_missing():
    rgb = random_rgb(np.random.default_rng(RNG_SEED), 4, 6, "bgr8")
    name, data, *layout = message("bgr8", rgb, padding=5)
    np.testing.assert_array_equal(decode(name, data[:-5], *layout), rgb)


@pytest.mark.parametrize("encoding", sorted(READERS))
def test_data_cut_short_by_one_byte_is_refused(encoding):
    name, data, *layout = message(encoding, np.zeros((4, 6, 3), np.uint8))
    complaint = f"{encoding} image of 6x4 px: data has {len(data) - 1} bytes; {len(data)} are needed"
    with pytest.raises(InputError, match=complaint):
        decode(name, data[:-1], *layout)


@pytest.mark.parametrize("encoding", sorted(READERS))
def test_a_step_below_the_row_is_refused(encoding):
    name, data, height, width, step, order = message(encoding, np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(InputError, match=rf"step is {step - 1} bytes; a row takes at least {step}"):
        decode(name, data, height, width, step - 1, order)


@pytest.mark.parametrize(
    ("encoding", "width", "height", "complaint"),
    [
        *[(encoding, *size, "must be positive") for encoding in sorted(READERS) for size in [(0, 0), (0, 4), (4, 0)]],
        *[(encoding, 5, 4, "must be even") for encoding in YUV],
        *[(encoding, 4, 5, "must be even") for encoding in ("nv12", "nv21")],
        *[(encoding, *size, "at least 3x3") for encoding in BAYER for size in [(2, 3), (3, 2)]],
        ("16UC1", 4, 4, "depth"),
        ("32FC1", 4, 4, "depth"),
        ("h264", 4, 4, "rgb8, bgr8, mono8"),
        ("", 4, 4, "rgb8, bgr8, mono8"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(encoding, width, height, complaint):
    with pytest.raises(InputError, match=complaint):
        decode(encoding, bytes(1000), height, width, 50)
