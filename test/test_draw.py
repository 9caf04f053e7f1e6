"""Laws of the drawing, held by a real face's recorded mesh on plain backgrounds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facemesh_ros.directions import gaze_lines, head_axes
from facemesh_ros.draw import draw_faces
from facemesh_ros.errors import InputError
from facemesh_ros.types import Camera, Face, Gaze, HeadPose, Mesh, Roi

GOLDENS = Path(__file__).with_name("data")
HEIGHT, WIDTH = 360, 480
NEIGHBOURHOOD_PX = 2
LABEL_BACKING_RGB = (10, 20, 30)

BOTH = pytest.mark.parametrize("point_count", [468, 478])


def plain(level: int = 90, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    image = np.full((height, width, 3), level, np.uint8)
    image.flags.writeable = False
    return image


def face_at(center_xy=(240.0, 180.0), size_px=130.0, point_count=478, track_id=1) -> Face:
    """A recorded face, moved and scaled; positions are multiples of 1/16 px, so that shifts are exact."""
    points = np.load(GOLDENS / f"still_{point_count}.npz")["points"].astype(np.float64)
    points *= size_px / np.ptp(points[:, :2], axis=0).max()
    points[:, :2] += center_xy - 0.5 * (points[:, :2].min(axis=0) + points[:, :2].max(axis=0))
    mesh = Mesh(np.round(points * 16.0) / 16.0, 0.98)
    return Face(track_id, Roi(center_xy, 1.5 * size_px, 0.125), mesh, mesh)


def changed(image, drawn) -> np.ndarray:
    """(H, W) bool: where the drawing differs."""
    return np.any(image != drawn, axis=2)


def test_no_faces_give_an_identical_copy():
    image = plain()
    drawn = draw_faces(image, [], order="bgr")
    assert np.array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


@BOTH
def test_the_input_is_not_touched(point_count):
    image = plain().copy()
    draw_faces(image, [face_at(point_count=point_count)], order="bgr")
    assert np.array_equal(image, plain())


@BOTH
def test_shape_and_dtype_stay(point_count):
    drawn = draw_faces(plain(), [face_at(point_count=point_count)], order="rgb")
    assert drawn.shape == (HEIGHT, WIDTH, 3)
    assert drawn.dtype == np.uint8


@BOTH
@pytest.mark.parametrize("level", [0, 90, 255], ids=["black", "grey", "white"])
def test_pixels_at_landmarks_change_on_any_background(point_count, level):
    image, face = plain(level), face_at(point_count=point_count)
    touched = changed(image, draw_faces(image, [face], order="bgr"))
    iris_centres = (468, 473)
    for index, (x, y) in enumerate(np.round(face.mesh.points[:, :2]).astype(int)):
        around = touched[
            y - NEIGHBOURHOOD_PX : y + NEIGHBOURHOOD_PX + 1, x - NEIGHBOURHOOD_PX : x + NEIGHBOURHOOD_PX + 1
        ]
        assert around.any() or index in iris_centres, index


def test_pixels_away_from_face_region_and_label_stay():
    image, face = plain(), face_at()
    touched = changed(image, draw_faces(image, [face], order="bgr"))
    reach = int(0.75 * face.roi.size)  # half the diagonal of the square, and the line
    touched[180 - reach : 180 + reach, 240 - reach : 240 + reach] = False
    assert not touched[180:].any()
    assert not touched[:, :100].any()


def test_irises_are_drawn_where_the_mesh_has_them():
    face, image = face_at(), plain()
    surface = Mesh(face.mesh.points[:468], face.mesh.presence)
    without = draw_faces(image, [Face(face.track_id, face.roi, surface, surface)], order="bgr")
    ys, xs = np.nonzero(changed(without, draw_faces(image, [face], order="bgr")))
    for iris in (face.mesh.points[468:473, :2], face.mesh.points[473:478, :2]):
        distances = np.linalg.norm(np.stack([xs, ys], axis=1) - iris[0], axis=1)
        radius = np.linalg.norm(iris[1:] - iris[0], axis=1).mean()
        assert np.any(np.abs(distances - radius) < 1.0)


@BOTH
def test_whole_pixel_shifts_of_the_face_shift_the_drawing(point_count):
    image = plain()
    here = draw_faces(image, [face_at(point_count=point_count)], order="bgr")
    there = draw_faces(image, [face_at((240.0 + 17.0, 180.0 - 9.0), point_count=point_count)], order="bgr")
    assert np.array_equal(np.roll(here, (-9, 17), axis=(0, 1)), there)


def test_fractions_of_a_pixel_matter():
    image = plain()
    here = draw_faces(image, [face_at()], order="bgr")
    assert not np.array_equal(here, draw_faces(image, [face_at((240.25, 180.0))], order="bgr"))


def test_channel_orders_are_each_others_mirror():
    image, faces = plain(), [face_at()]
    assert np.array_equal(draw_faces(image, faces, order="rgb"), draw_faces(image, faces, order="bgr")[..., ::-1])


def test_labels_lie_over_the_lines_of_other_faces():
    def backing(faces):
        drawn = draw_faces(plain(), faces, order="rgb")
        return np.all(drawn == LABEL_BACKING_RGB, axis=2)

    # The region of the second face, but not the face itself, crosses the label of the first; the labels do not meet.
    first, second = face_at((240.0, 240.0)), face_at((190.0, 60.0), size_px=100.0, track_id=2)
    region = np.zeros((HEIGHT, WIDTH), bool)
    region[: 60 + 75, 190 - 75 : 190 + 75] = True
    assert np.any(backing([first]) & region)
    assert np.all(backing([first, second])[backing([first])])


def test_what_is_drawn_is_the_smoothed_mesh():
    face, elsewhere = face_at(), face_at((200.0, 150.0))
    mixed = Face(face.track_id, face.roi, elsewhere.mesh, face.smoothed)
    image = plain()
    assert np.array_equal(draw_faces(image, [mixed], order="bgr"), draw_faces(image, [face], order="bgr"))


def test_identities_have_colours_of_their_own():
    image = plain()
    first, second = (draw_faces(image, [face_at(track_id=n)], order="bgr") for n in (1, 2))
    x, y = np.round(face_at().roi.center_xy - [0.0, 0.5 * face_at().roi.size]).astype(int)
    corner = np.s_[y - 20 : y + 20, x - 120 : x + 120]
    assert not np.array_equal(first[corner], second[corner])


@pytest.mark.parametrize(
    "center_xy",
    [(0.0, 0.0), (479.0, 359.0), (240.0, -60.0), (-64.5, 180.0), (5e3, 5e3), (-1e9, 3e8)],
    ids=["corner", "other corner", "above", "left edge", "outside", "astronomic"],
)
@pytest.mark.parametrize("size_px", [3.0, 130.0, 2000.0, 1e7])
def test_faces_partly_or_wholly_outside_are_cut_off(center_xy, size_px):
    draw_faces(plain(), [face_at(center_xy, size_px)], order="bgr")


def test_a_face_out_of_sight_leaves_no_mark():
    image = plain()
    assert np.array_equal(draw_faces(image, [face_at((-400.0, 180.0))], order="bgr"), image)


@pytest.mark.parametrize("center_xy", [(30.0, 20.0), (460.0, 10.0), (470.0, 350.0), (2.0, 355.0)])
def test_the_label_of_a_face_at_the_edge_is_wholly_inside_the_image_and_by_the_face(center_xy):
    def backing(face):
        return np.argwhere(np.all(draw_faces(plain(), [face], order="rgb") == LABEL_BACKING_RGB, axis=2))

    whole, cut = backing(face_at((240.0, 180.0))), backing(face_at(center_xy))
    assert len(whole) > 400
    assert len(cut) > 0.9 * len(whole)
    assert np.all(np.abs(cut.mean(axis=0)[::-1] - center_xy) < face_at().roi.size)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 300), (300, 8)])
def test_images_too_small_for_a_label_are_drawn_without(height, width):
    image = plain(height=height, width=width)
    assert draw_faces(image, [face_at((4.0, 4.0))], order="bgr").shape == image.shape


def test_views_with_gaps_between_rows_are_taken():
    wide = plain(width=2 * WIDTH)
    drawn = draw_faces(wide[:, ::2], [face_at()], order="bgr")
    assert np.array_equal(drawn, draw_faces(plain(), [face_at()], order="bgr"))


@pytest.mark.parametrize(
    ("image", "order", "reason"),
    [
        (np.zeros((4, 4), np.uint8), "bgr", r"uint8 \(4, 4\); it must be uint8 \(H, W, 3\)"),
        (np.zeros((4, 4, 3), np.float32), "bgr", r"float32 \(4, 4, 3\)"),
        (np.zeros((0, 0, 3), np.uint8), "bgr", r"uint8 \(0, 0, 3\)"),
        (None, "bgr", "NoneType"),
        (np.zeros((4, 4, 3), np.uint8), "gbr", "order is 'gbr'; it must be rgb or bgr"),
    ],
    ids=["grey image", "float image", "empty image", "no image", "unknown order"],
)
def test_bad_arguments_are_refused_with_the_reason(image, order, reason):
    with pytest.raises(InputError, match=reason):
        draw_faces(image, [], order=order)


CAMERA = Camera.from_fov((WIDTH, HEIGHT), np.radians(60.0))


def with_directions(face: Face, looks=(0.6, 0.0, -0.8)) -> Face:
    """A head turned by about 35°, 0.6 m away at the middle of the image, and its gaze to the image's right."""
    camera_from_head = np.eye(4)
    camera_from_head[:3, :3] = [[0.57, 0.82, 0.0], [0.0, 0.0, -1.0], [-0.82, 0.57, 0.0]]
    camera_from_head[:3, 3] = [0.0, 0.0, 0.6]
    gaze = Gaze(looks, (1.0, 0.0, 0.0), "iris", looks, looks)
    return replace(face, pose=HeadPose(camera_from_head, 1.0, np.eye(6)), gaze=gaze)


def test_axes_have_their_colours_where_the_camera_sees_them():
    face = with_directions(face_at((240.0, 180.0)))
    drawn = draw_faces(plain(), [face], order="rgb", camera=CAMERA)
    for name, line in head_axes(face.pose, CAMERA).items():
        channel = "xyz".index(name)
        x, y = np.round(line[-2]).astype(int)
        around = drawn[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).astype(int)
        other = np.delete(around, channel, axis=1).max(axis=1)
        assert (around[:, channel] - other).max() > 60, name


def test_without_a_camera_there_are_no_axes_and_the_gaze_is_drawn_all_the_same():
    face = with_directions(face_at((240.0, 180.0)))
    without = draw_faces(plain(), [replace(face, pose=None)], order="rgb")
    assert np.array_equal(
        draw_faces(plain(), [replace(face, gaze=None)], order="rgb"),
        draw_faces(plain(), [replace(face, gaze=None, pose=None)], order="rgb", camera=CAMERA),
    )
    bare = draw_faces(plain(), [replace(face, gaze=None, pose=None)], order="rgb")
    touched = changed(bare, without)
    for _, end in gaze_lines(replace(face, pose=None)):
        x, y = np.round(end).astype(int)
        assert touched[y, x]
        assert without[y, x].astype(int)[2] < 150 < without[y, x].astype(int)[:2].min()  # yellow


def test_lines_widen_with_the_face():
    """Twice as large a face has about four times as much of the white of its oval, not twice."""
    image = plain(height=1200, width=1600)
    drawn = [draw_faces(image, [face_at((800.0, 600.0), size_px)], order="bgr") for size_px in (390.0, 780.0)]
    counts = [np.all(picture > 215, axis=2).sum() for picture in drawn]
    assert 2.5 < counts[1] / counts[0] < 5.0


@pytest.mark.parametrize("level", [0, 60, 130, 200, 255])
def test_contours_and_mesh_stand_out_from_skin_of_any_brightness(level):
    image, face = plain(level), face_at(size_px=240.0)
    drawn = draw_faces(image, [face], order="rgb").astype(int)
    contrast = np.abs(drawn - level).max(axis=2)
    x, y = np.round(face.smoothed.points[:468, :2].T).astype(int)
    around = [contrast[b - 2 : b + 3, a - 2 : a + 3].max() for a, b in zip(x, y, strict=True)]
    assert np.median(around) > 40


def test_a_label_leaves_the_face_of_another_alone():
    below, above = face_at((240.0, 240.0)), face_at((200.0, 110.0), track_id=2)
    drawn = draw_faces(plain(), [below, above], order="rgb")
    xs, ys = above.smoothed.points[:, 0], above.smoothed.points[:, 1]
    face = drawn[int(ys.min()) : int(ys.max()), int(xs.min()) : int(xs.max())]
    assert np.all(face == LABEL_BACKING_RGB, axis=2).sum() < 20  # the dark edges of lines
