"""The moving face: smooth, endless, in view, and the same bytes wherever it is made."""

from __future__ import annotations

import importlib.util
import zlib
from pathlib import Path

import numpy as np
import pytest

from facemesh_ros.errors import FaceMeshError, InputError
from facemesh_ros.tools import moving_face
from facemesh_ros.tools.moving_face import (
    FACE_CENTRE_XY,
    PERIOD_FRAMES,
    MovingFace,
    picture_bgr,
    render_bgr,
    similarity,
)

DATA = Path(__file__).parents[1] / "data"
SIZES_WH = [(640, 480), (1280, 720), (480, 640), (320, 240)]
MARGIN_LEVELS = 3.0
"""Mean grey levels by which the picture drawn at its own size may differ: it is sampled twice."""
ROUNDING_LEVELS = 2
"""Grey levels that the rounding of positions to 1/32 px may cost."""
FACE_BOX_XYXY = (178.3, 72.0, 271.9, 175.5)
"""Box of the peer's mesh on the picture, px (test/data/still_468.npz)."""

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("skimage") is None,
    reason="scikit-image, which carries the picture, is not installed",
)


def transformed(affine: np.ndarray, points_xy: np.ndarray) -> np.ndarray:
    return points_xy @ affine[:, :2].T + affine[:, 2]


def face_corners(affine: np.ndarray) -> np.ndarray:
    left, top, right, bottom = FACE_BOX_XYXY
    return transformed(affine, np.array([(left, top), (right, top), (right, bottom), (left, bottom)]))


def test_frames_repeat_after_a_period_without_a_seam() -> None:
    film = MovingFace()
    np.testing.assert_array_equal(film.frame_bgr(3), film.frame_bgr(3 + PERIOD_FRAMES))
    corners = np.stack([face_corners(film.frame_from_picture(i)) for i in range(PERIOD_FRAMES + 1)])
    steps = np.linalg.norm(np.diff(corners, axis=0), axis=-1)
    assert steps[-1].max() < 1.5 * np.median(steps, axis=0).max() + 1.0
    assert steps.max() < 10.0


@pytest.mark.parametrize("size_wh", SIZES_WH)
def test_the_whole_face_stays_in_every_frame(size_wh: tuple[int, int]) -> None:
    film = MovingFace(size_wh)
    corners = np.stack([face_corners(film.frame_from_picture(i)) for i in range(PERIOD_FRAMES)])
    assert corners.min() > 0.0
    assert (corners.max(axis=(0, 1)) < np.array(size_wh) - 1.0).all()
    assert film.frame_bgr(0).shape == (size_wh[1], size_wh[0], 3)


def test_the_face_is_turned_panned_and_zoomed() -> None:
    film = MovingFace()
    affines = np.stack([film.frame_from_picture(i) for i in range(PERIOD_FRAMES)])
    rolls = np.degrees(np.arctan2(affines[:, 1, 0], affines[:, 0, 0]))
    widths = np.hypot(affines[:, 0, 0], affines[:, 1, 0]) * (FACE_BOX_XYXY[2] - FACE_BOX_XYXY[0])
    centres = np.stack([transformed(affine, np.array(FACE_CENTRE_XY)) for affine in affines])
    np.testing.assert_allclose([rolls.min(), rolls.max()], [-20.0, 20.0], atol=0.1)
    assert 150.0 < widths.min() < 170.0
    assert 235.0 < widths.max() < 260.0
    assert np.ptp(centres, axis=0).min() > 30.0


def test_the_identity_shows_the_picture_where_it_is() -> None:
    picture = picture_bgr().astype(int)
    shown = render_bgr(np.eye(2, 3), (512, 512)).astype(int)
    errors = {
        (dx, dy): np.abs(np.roll(shown, (dy, dx), (0, 1)) - picture).mean() for dx in (-1, 0, 1) for dy in (-1, 0, 1)
    }
    assert min(errors, key=errors.__getitem__) == (0, 0)
    assert errors[0, 0] < MARGIN_LEVELS


def test_moving_the_affine_by_whole_pixels_moves_the_frame() -> None:
    still = render_bgr(similarity(2.0, 0.3, FACE_CENTRE_XY, (160.0, 120.0)), (320, 240))
    moved = render_bgr(similarity(2.0, 0.3, FACE_CENTRE_XY, (165.0, 127.0)), (320, 240))
    np.testing.assert_allclose(moved[7:, 5:].astype(int), still[:-7, :-5], atol=ROUNDING_LEVELS)


def test_a_similarity_takes_its_source_to_its_target_and_turns_x_towards_y() -> None:
    affine = similarity(2.0, np.pi / 2.0, (10.0, 20.0), (100.0, 50.0))
    np.testing.assert_allclose(transformed(affine, np.array([(10.0, 20.0), (11.0, 20.0)])), [(100, 50), (100, 52)])


def test_no_border_is_black_or_blank() -> None:
    film = MovingFace()
    for index in range(0, PERIOD_FRAMES, 15):
        top_row = film.frame_bgr(index)[0].astype(int)
        assert 5 < top_row.mean() < 250
        assert np.ptp(top_row.sum(axis=1)) > 10


@pytest.mark.parametrize("golden", ["tracking_468", "tracking_478"])
def test_frames_are_the_bytes_that_the_peer_saw(golden: str) -> None:
    stored = np.load(DATA / f"{golden}.npz")
    film = MovingFace(tuple(stored["size_wh"].tolist()))
    assert stored["frame_from_picture"].shape == (90, 2, 3)
    for index in (0, 1, 44, 89):
        np.testing.assert_allclose(film.frame_from_picture(index), stored["frame_from_picture"][index], atol=1e-9)
        assert zlib.crc32(film.frame_bgr(index).tobytes()) == stored["crc32"][index]


@pytest.mark.parametrize("size_wh", [(0, 480), (640, -1)])
def test_an_empty_frame_is_refused(size_wh: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="at least 1 px"):
        MovingFace(size_wh)


def test_reading_the_picture_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    picture_bgr()
    assert capfd.readouterr() == ("", "")


def test_without_scikit_image_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving_face.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(FaceMeshError, match="pip install scikit-image"):
        picture_bgr()


def test_a_damaged_picture_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "astronaut.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    monkeypatch.setattr(moving_face, "_picture_path", lambda: path)
    with pytest.raises(FaceMeshError, match=r"astronaut.png is not the 512×512 .* pip install --force-reinstall"):
        picture_bgr()
