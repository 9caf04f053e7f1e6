"""Tiles on pictures of plain colours: what is shown where, at which scale."""

import cv2
import numpy as np
import pytest
from made_faces import mesh_at, points68_at

from facemesh_ros.tools.evaluation.contact_sheet import (
    TILE_PX,
    Tile,
    around,
    contact_sheet,
    draw_tile,
    fitted,
    whole,
)

GREEN = np.array([60, 255, 90])


def picture(value=200, size_wh=(400, 300)):
    return np.full((size_wh[1], size_wh[0], 3), value, np.uint8)


def tile(image=None, center=(200.0, 150.0), side=160.0, meshes=(), truth=None, caption=(), labels=None):
    image = picture() if image is None else image
    labels = ("",) * len(meshes) if labels is None else labels
    return Tile(image, np.array(center), side, meshes, labels, truth, caption)


def test_around_is_a_square_about_the_middle():
    center, side = around(np.array([[10.0, 20.0, 5.0], [50.0, 40.0, 9.0]]), 2.0)
    assert (center.tolist(), side) == ([30.0, 30.0], 80.0)


def test_whole_is_a_square_that_holds_the_picture():
    center, side = whole(picture())
    assert (center.tolist(), side) == ([199.5, 149.5], 400.0)


def test_what_lies_outside_of_the_picture_is_dark():
    drawn = draw_tile(tile(center=(0.0, 150.0)))
    assert drawn.shape == (TILE_PX, TILE_PX, 3)
    assert drawn[:, : TILE_PX // 2 - 4].max() < 40 and drawn[:, TILE_PX // 2 + 4 :].min() > 190


def test_a_square_that_misses_the_picture_is_dark():
    assert draw_tile(tile(center=(-900.0, 0.0))).max() < 60


def test_a_huge_face_does_not_need_a_huge_square():
    drawn = draw_tile(tile(side=1e6))
    assert (drawn > 190).all(axis=2).mean() == pytest.approx(400 * 300 / 800**2, abs=0.02)


@pytest.mark.parametrize("side", [80.0, 160.0, 640.0])
def test_truth_is_drawn_where_the_picture_shows_it(side):
    """A dark dot in the picture, enlarged or reduced, ends up under the annotated point."""
    image = picture()
    cv2.circle(image, (220, 130), 12, (0, 0, 0), -1)
    plain = draw_tile(tile(image, side=side))
    marked = draw_tile(tile(image, side=side, truth=np.tile([220.0, 130.0], (68, 1))))
    shown = np.argwhere(np.abs(marked.astype(int) - GREEN).sum(axis=2) < 30).mean(axis=0)
    dark = np.argwhere(plain[..., 0] < 100)
    dark = dark[np.abs(dark - shown).max(axis=1) < 12 * TILE_PX / side + 4].mean(axis=0)
    assert np.abs(shown - dark).max() < 1.5


def test_meshes_are_drawn_and_the_picture_is_left_as_it_is():
    image = picture()
    drawn = draw_tile(tile(image, meshes=(mesh_at((200, 150)),)))
    assert np.abs(drawn.astype(int) - 200).max() > 100
    assert (image == 200).all()


def test_a_label_is_written_over_its_mesh():
    mesh = mesh_at((200, 180), size=60.0)
    plain, labelled = draw_tile(tile(meshes=(mesh,))), draw_tile(tile(meshes=(mesh,), labels=("17",)))
    rows = np.argwhere(np.any(plain != labelled, axis=2))[:, 0]
    assert 0 < rows.max() < TILE_PX / 2 + 2 * 30


def test_a_dark_picture_is_brightened():
    assert draw_tile(tile(picture(20), side=100.0)).mean() > 100
    assert draw_tile(tile(picture(0), side=100.0)).max() == 0
    assert draw_tile(tile(picture(100), side=100.0)).mean() == 100


@pytest.mark.parametrize(("number", "columns", "rows"), [(1, 1, 1), (4, 4, 1), (5, 4, 2), (16, 4, 4)])
def test_a_sheet_has_a_place_for_each_tile(number, columns, rows):
    sheet = contact_sheet([tile(caption=("file.jpg", "why", "more"))] * number)
    assert sheet.shape[1] // TILE_PX == columns and sheet.shape[0] // TILE_PX == rows
    bright = (sheet[..., 0] == 200).sum()
    assert bright >= number * TILE_PX * TILE_PX * 0.99


def test_a_wide_tile_comes_first_at_a_scale_of_its_own():
    wide = Tile(picture(100), np.array([200.0, 150.0]), 160.0, (), (), None, (), columns=4)
    sheet = contact_sheet([tile(), wide, tile()])
    assert sheet.shape[1] // TILE_PX == 4
    assert (sheet[..., 0] == 100).sum() == wide.shown_px**2 and wide.shown_px > 4 * TILE_PX
    first_small = np.argwhere(sheet[..., 0] == 200)[:, 0].min()
    assert first_small > np.argwhere(sheet[..., 0] == 100)[:, 0].max()


def test_captions_stand_under_their_tile():
    sheet, blank = contact_sheet([tile(caption=("file.jpg",))]), contact_sheet([tile()])
    changed = np.argwhere(np.any(sheet != blank, axis=2))
    assert len(changed) > 50 and changed[:, 0].min() > TILE_PX


def test_a_long_caption_is_cut_in_the_middle():
    assert fitted("short.jpg") == "short.jpg"
    cut = fitted("a_very_long_name_" * 8 + "end.jpg")
    assert cut.startswith("a_very_long") and cut.endswith("end.jpg") and ".." in cut
    assert cv2.getTextSize(cut, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)[0][0] <= TILE_PX
    assert fitted("20° – é") == "20? ? ?"


def test_annotated_points_fit_the_mesh_they_were_taken_from():
    """The same transform serves both: truth of a mesh lies on it."""
    drawn = draw_tile(tile(meshes=(mesh_at((200, 150)),), truth=points68_at((200, 150))))
    assert (np.abs(drawn.astype(int) - GREEN).sum(axis=2) < 30).sum() > 100
