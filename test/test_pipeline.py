from contextlib import contextmanager, nullcontext
from pathlib import Path

import cv2
import numpy as np
import pytest

from facemesh_ros import Camera, Config, FaceMesher
from facemesh_ros.candidates import Candidates
from facemesh_ros.errors import ConfigError, InputError
from facemesh_ros.filters import OneEuroFilter
from facemesh_ros.finder import mean_mesh
from facemesh_ros.geometry import roi_from_points
from facemesh_ros.picture import Interleaved, Picture
from facemesh_ros.pipeline import LONGEST_SIDE_PX
from facemesh_ros.tools.moving_face import FACE_CENTRE_XY, render_bgr, similarity
from facemesh_ros.types import Mesh


def frames(moving_face, count, start=0):
    return [np.ascontiguousarray(moving_face.frame_bgr(i)[..., ::-1]) for i in range(start, start + count)]


@pytest.fixture(scope="module")
def mesher(networks):
    return FaceMesher(Config.from_dotted({"device": "cpu"}))


@pytest.fixture(autouse=True)
def _forget(request):
    yield
    if "mesher" in request.fixturenames:
        request.getfixturevalue("mesher").reset()


def test_no_face_gives_an_empty_tuple(mesher):
    assert mesher.process(np.zeros((480, 640, 3), np.uint8), 0.0) == ()
    assert mesher.process_still(np.zeros((480, 640, 3), np.uint8)) == ()


def test_the_same_images_and_stamps_give_the_same_bits(networks, moving_face):
    def run():
        mesher = FaceMesher(Config.from_dotted({"device": "cpu"}))
        return [mesher.process(frame, i / 30) for i, frame in enumerate(frames(moving_face, 8))]

    for one, other in zip(run(), run(), strict=True):
        assert [f.track_id for f in one] == [f.track_id for f in other]
        assert all(np.array_equal(a.smoothed.points, b.smoothed.points) for a, b in zip(one, other, strict=True))


def test_smoothing_never_feeds_back(networks, moving_face):
    raw = []
    for enabled in (True, False):
        mesher = FaceMesher(Config.from_dotted({"filter.enabled": enabled, "device": "cpu"}))
        raw.append([mesher.process(frame, i / 30)[0] for i, frame in enumerate(frames(moving_face, 8))])
    assert all(np.array_equal(a.mesh.points, b.mesh.points) for a, b in zip(*raw, strict=True))
    assert all(face.smoothed is face.mesh for face in raw[1])
    assert not np.array_equal(raw[0][-1].smoothed.points, raw[0][-1].mesh.points)


def test_a_still_picture_neither_uses_nor_changes_the_stream(mesher, moving_face):
    first, second = frames(moving_face, 2)
    (before,) = mesher.process(first, 0.0)
    (still,) = mesher.process_still(second[:, ::-1])
    assert still.smoothed is still.mesh
    (after,) = mesher.process(second, 0.03)
    assert after.track_id == before.track_id


def test_a_still_picture_needs_no_second_image_to_confirm_its_faces(networks, face_rgb):
    mesher = FaceMesher(Config.from_dotted({"tracker.min_hits": 3, "device": "cpu"}))
    assert [len(mesher.process(face_rgb, i / 30)) for i in range(3)] == [0, 0, 1]
    assert len(mesher.process_still(face_rgb)) == 1


def test_a_face_that_is_gone_for_a_moment_keeps_its_id(mesher, face_rgb):
    (before,) = mesher.process(face_rgb, 0.0)
    assert mesher.process(np.zeros_like(face_rgb), 0.5) == ()
    (after,) = mesher.process(face_rgb, 1.0)
    assert after.track_id == before.track_id


def test_after_a_reset_the_same_face_has_a_new_id_at_once(mesher, face_rgb):
    (before,) = mesher.process(face_rgb, 0.0)
    mesher.reset()
    (after,) = mesher.process(face_rgb, 0.03)
    assert after.track_id > before.track_id


def test_a_mesher_that_takes_the_place_of_another_goes_on_with_its_ids(mesher, face_rgb):
    (before,) = mesher.process(face_rgb, 0.0)
    other = FaceMesher(mesher.config, first_id=mesher.next_id)
    (after,) = other.process(face_rgb, 0.0)
    assert (after.track_id, other.next_id) == (before.track_id + 1, before.track_id + 2)
    assert [face.track_id for face in other.process_still(face_rgb)] == [1]


@pytest.mark.parametrize("first_id", [0, -1, 1.0, True, "1", None])
def test_a_first_id_that_is_none_is_refused(first_id):
    with pytest.raises(ConfigError, match="first_id"):
        FaceMesher(first_id=first_id)


def test_two_faces_get_two_ids_and_keep_them(networks, moving_face):
    mesher = FaceMesher(Config.from_dotted({"device": "cpu"}))
    left_ids = set()
    for index, frame in enumerate(frames(moving_face, 10)):
        faces = mesher.process(np.hstack([frame, frame]), index / 30)
        assert [face.track_id for face in faces] == [1, 2]
        left_ids.add(min(faces, key=lambda face: face.roi.center_xy[0]).track_id)
    assert len(left_ids) == 1


def test_each_of_two_faces_is_smoothed_by_a_filter_of_its_own(networks, moving_face):
    mesher = FaceMesher(Config.from_dotted({"device": "cpu"}))
    alone = {1: OneEuroFilter(mesher.config.filter), 2: OneEuroFilter(mesher.config.filter)}
    film = zip(frames(moving_face, 8), frames(moving_face, 8, start=100), strict=True)
    for index, (left, right) in enumerate(film):
        faces = mesher.process(np.hstack([left, right]), index / 30)
        assert [face.track_id for face in faces] == [1, 2]
        for face in faces:
            expected = alone[face.track_id](face.mesh.points, index / 30)
            assert np.array_equal(face.smoothed.points, expected)
            assert index == 0 or not np.array_equal(expected, face.mesh.points)


def test_shifting_the_image_by_whole_detector_cells_shifts_the_mesh(mesher, face_rgb):
    (before,) = mesher.process_still(face_rgb)
    (after,) = mesher.process_still(np.roll(face_rgb, 40, axis=1))
    moved = after.mesh.points - before.mesh.points
    assert np.abs(moved.mean(axis=0) - [40, 0, 0]).max() < 0.5


def test_the_image_is_not_changed_and_any_strides_are_taken(mesher, face_rgb):
    (face,) = mesher.process_still(face_rgb)
    bgr = np.ascontiguousarray(face_rgb[..., ::-1])
    (view,) = mesher.process_still(bgr[..., ::-1])
    assert np.array_equal(face.mesh.points, view.mesh.points)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (None, "NoneType"),
        ([[0]], "list"),
        (np.zeros((480, 640), np.uint8), r"\(480, 640\)"),
        (np.zeros((480, 640, 4), np.uint8), r"\(480, 640, 4\)"),
        (np.zeros((480, 640, 3), np.float32), "float32"),
        (np.zeros((0, 640, 3), np.uint8), r"\(0, 640, 3\)"),
        (np.zeros((1, LONGEST_SIDE_PX + 1, 3), np.uint8), "32767.*from 1 to 32766"),
    ],
)
def test_a_bad_image_is_refused_and_the_tracks_stay(mesher, face_rgb, image, said):
    (before,) = mesher.process(face_rgb, 0.0)
    with pytest.raises(InputError, match=said):
        mesher.process(image, 0.03)
    (after,) = mesher.process(face_rgb, 0.06)
    assert after.track_id == before.track_id


@pytest.mark.parametrize("shape", [(1, LONGEST_SIDE_PX, 3), (LONGEST_SIDE_PX, 1, 3), (1, 1, 3)])
def test_the_longest_and_the_smallest_images_are_taken(mesher, shape):
    assert mesher.process(np.zeros(shape, np.uint8), 0.0) == ()


@pytest.mark.parametrize("stamp", [float("nan"), float("inf"), None, "0"])
def test_a_stamp_that_is_no_time_is_refused(mesher, face_rgb, stamp):
    with pytest.raises(InputError, match="stamp is"):
        mesher.process(face_rgb, stamp)


def test_a_camera_of_another_size_is_refused(mesher, face_rgb):
    mesher.process(face_rgb, 0.0, Camera.from_fov((640, 480), 1.0))
    with pytest.raises(InputError, match="1280x720.*640x480"):
        mesher.process(face_rgb, 0.03, Camera.from_fov((1280, 720), 1.0))


@pytest.mark.parametrize(
    "wrong", [{"camera": "x"}, {"target_m": "abc"}, {"target_m": [[1], [2, 3]]}, {"depth_m": [[1.0], [2.0, 3.0]]}]
)
def test_what_is_no_camera_target_or_depth_is_refused_and_the_tracks_stay(mesher, face_rgb, wrong):
    (before,) = mesher.process(face_rgb, 0.0)
    with pytest.raises(InputError, match=next(iter(wrong))):
        mesher.process(face_rgb, 0.03, **wrong)
    (after,) = mesher.process(face_rgb, 0.06)
    assert after.track_id == before.track_id


def test_a_live_size_of_heads_and_a_reset_reach_the_poses(networks, face_rgb):
    mesher, camera = FaceMesher(Config(device="cpu")), Camera.from_fov((640, 480), 1.0)
    (before,) = mesher.process(face_rgb, 0.0, camera)
    mesher.configure(mesher.config.with_dotted({"pose.head_scale": 0.5}))
    (after,) = mesher.process(face_rgb, 0.03, camera)
    assert after.pose.camera_from_head[2, 3] == pytest.approx(0.5 * before.pose.camera_from_head[2, 3], rel=0.05)
    assert len(mesher._heads._known) == 1
    mesher.reset()
    assert len(mesher._heads._known) == 0


def test_a_pose_is_that_of_the_smoothed_mesh(networks, moving_face):
    mesher, camera = FaceMesher(Config(device="cpu", max_faces=1)), Camera.from_fov((640, 480), 1.0)
    for index, frame in enumerate(frames(moving_face, 8)):
        (face,) = mesher.process(frame, index / 30, camera)
    pixels = camera.matrix @ face.points_m.T.astype(np.float64)
    seen = (pixels[:2] / pixels[2]).T
    assert np.abs(seen - face.smoothed.points[:, :2]).max() < 0.01
    assert np.abs(face.smoothed.points - face.mesh.points)[:, :2].max() > 0.05


def far_face(moving_face):
    """(720, 1280, 3) RGB: a face of about 75 px, out of the short range's reach."""
    image = np.full((720, 1280, 3), 128, np.uint8)
    image[300:492, 640:896] = cv2.resize(frames(moving_face, 1)[0], (256, 192), interpolation=cv2.INTER_AREA)
    return image


@pytest.mark.parametrize(("reach", "faces"), [("short", 0), ("full", 1), ("auto", 1)])
def test_the_full_range_sees_what_the_short_range_does_not_and_auto_tries_both(networks, moving_face, reach, faces):
    mesher = FaceMesher(Config.from_dotted({"detector.range": reach, "device": "cpu"}))
    assert len(mesher.process_still(far_face(moving_face))) == faces
    assert len(mesher.process(far_face(moving_face), 0.0)) == faces


def test_auto_goes_on_to_the_far_face_beside_a_near_one(networks, moving_face):
    image = far_face(moving_face)
    image[240:720, :480] = frames(moving_face, 1)[0][:, 80:560]
    assert [len(FaceMesher(Config(max_faces=n, device="cpu")).process_still(image)) for n in (1, 2)] == [1, 2]


def test_one_face_whose_numbers_are_not_finite_costs_no_other_face(networks, moving_face):
    mesher = FaceMesher(Config(device="cpu"))
    pair = np.hstack([frames(moving_face, 1)[0]] * 2)
    assert len(mesher.process(pair, 0.0)) == 2
    run = mesher._finder._mesh_net._session.run

    def spoilt(images, *outputs):
        points, logits = run(images, *outputs)
        points[1:] = np.nan
        return points, logits

    mesher._finder._mesh_net._session.run = spoilt
    # The second face of the batch is lost and, being looked for at once, found again as the only one of its batch.
    assert [face.track_id for face in mesher.process(pair, 0.03)] == [1, 2]


def test_fewer_faces_allowed_live_drops_the_youngest(mesher, moving_face):
    pair = np.hstack([frames(moving_face, 1)[0]] * 2)
    before = mesher.config
    both = mesher.process(pair, 0.0)
    mesher.configure(before.with_dotted({"max_faces": 1}))
    (one,) = mesher.process(pair, 0.03)
    mesher.configure(before)
    assert one.track_id == both[0].track_id


def test_a_stricter_presence_drops_faces_live(mesher, face_rgb):
    before = mesher.config
    assert len(mesher.process(face_rgb, 0.0)) == 1
    mesher.configure(before.with_dotted({"tracker.min_presence": 1.0}))
    assert mesher.process(face_rgb, 0.03) == ()
    mesher.configure(before)


def test_the_filters_strength_changes_live_and_keeps_its_state(networks, moving_face):
    def run(change):
        mesher = FaceMesher(Config(device="cpu"))
        for index, frame in enumerate(frames(moving_face, 6)):
            if index == 3:
                mesher.configure(mesher.config.with_dotted(change))
            (face,) = mesher.process(frame, index / 30)
        return np.abs(face.smoothed.points - face.mesh.points).mean()

    assert 0.0 < run({"filter.beta": 10000.0}) < run({}) < run({"filter.beta": 0.0})


def test_what_is_no_config_is_refused_with_the_remedy(mesher):
    for wrong in ({"max_faces": 1}, "auto"):
        with pytest.raises(ConfigError, match="Config.from_dotted"):
            FaceMesher(wrong)
    with pytest.raises(ConfigError, match="NoneType"):
        mesher.configure(None)


def test_a_still_picture_shows_no_face_twice(mesher, face_rgb):
    class Twice:
        networks = ("short", "full")

        def look(self, image, views):
            found = detector.look(image, views)
            aside = 0.12 * np.ptp(found.boxes_xyxy[:, ::2], axis=1)[:, np.newaxis]
            return Candidates.joined([found, Candidates(found.boxes_xyxy + aside, found.keypoints, 0.8 * found.scores)])

        def certainties(self, image, meshes):
            return detector.certainties(image, meshes)

    detector, mesher._finder._detector = mesher._finder._detector, Twice()
    try:
        assert len(mesher.process_still(face_rgb)) == 1
    finally:
        mesher._finder._detector = detector


def eye_distance(points):
    return np.linalg.norm(points[263] - points[33])


def turned(points_xy, quarters, size_wh):
    """Where points of an image lie after it was turned clockwise by quarters."""
    width, height = size_wh
    x, y = points_xy.T
    places = {0: (x, y), 1: (height - 1 - y, x), 2: (width - 1 - x, height - 1 - y), 3: (y, width - 1 - x)}
    return np.stack(places[quarters], axis=1)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_face_turned_by_quarters_has_the_same_mesh_turned(mesher, face_rgb, quarters):
    (upright,) = mesher.process_still(face_rgb)
    (face,) = mesher.process_still(np.ascontiguousarray(np.rot90(face_rgb, -quarters)))
    expected = turned(upright.mesh.points[:, :2], quarters, (640, 480))
    error = np.linalg.norm(face.mesh.points[:, :2] - expected, axis=1).mean()
    assert error <= 0.05 * eye_distance(upright.mesh.points)


@pytest.mark.parametrize("roll_deg", range(0, 360, 30))
def test_a_face_at_any_roll_is_found_in_a_picture_and_within_a_few_images_of_a_stream(networks, roll_deg):
    affine = similarity(2.0, np.radians(roll_deg), FACE_CENTRE_XY, (320.0, 240.0))
    image_rgb = np.ascontiguousarray(render_bgr(affine, (640, 480))[..., ::-1])
    mesher = FaceMesher(Config(device="cpu"))
    (still,) = mesher.process_still(image_rgb)
    eyes = (still.mesh.points[263] - still.mesh.points[33])[:2]
    assert np.cos(np.arctan2(eyes[1], eyes[0]) - np.radians(roll_deg)) > np.cos(np.radians(12))
    stream = [mesher.process(image_rgb, i / 30) for i in range(4)]
    assert len(stream[-1]) == 1
    distance = np.linalg.norm(stream[-1][0].mesh.points - still.mesh.points, axis=1).mean()
    assert distance < 0.05 * eye_distance(still.mesh.points)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_camera_that_is_mounted_turned_sees_as_well(networks, moving_face, rotation):
    far_rgb = np.ascontiguousarray(np.rot90(far_face(moving_face), -rotation // 90))
    mesher = FaceMesher(Config.from_dotted({"camera.rotation": float(rotation), "device": "cpu"}))
    assert len(mesher.process_still(far_rgb)) == 1
    assert len(mesher.process(far_rgb, 0.0)) == 1, "in the first image, since it is upright for this camera"


def tiny_face(face_px):
    """(720, 1280, 3) RGB: a face that is ``face_px`` from eyebrows to chin, on grey with a little noise."""
    scale = face_px / 92.0  # of the picture, where it is 92 px
    patch = render_bgr(similarity(scale, 0.1, FACE_CENTRE_XY, (60.0, 60.0)), (120, 120))[..., ::-1]
    image = np.random.default_rng(0).integers(100, 110, (720, 1280, 3)).astype(np.uint8)
    image[500:620, 930:1050] = patch
    return image


def test_a_face_of_24_px_is_found_in_a_picture_and_in_a_stream(networks, moving_face):
    image_rgb = tiny_face(24.0)
    mesher = FaceMesher(Config(device="cpu"))
    (still,) = mesher.process_still(image_rgb)
    assert still.mesh.points[:, :2].mean(axis=0) == pytest.approx([990, 560], abs=8)
    for index in range(200):  # a round of all tiles
        faces = mesher.process(image_rgb, index / 30)
        if faces:
            break
    assert np.abs(faces[0].mesh.points - still.mesh.points)[:, :2].max() < 0.1 * eye_distance(still.mesh.points)
    assert len(mesher.process(image_rgb, (index + 1) / 30)) == 1


@pytest.mark.parametrize("light", [0.06, 0.03])
def test_a_dark_face_is_found_where_it_is(networks, mesher, face_rgb, light):
    (bright,) = mesher.process_still(face_rgb)
    rng = np.random.default_rng(0)
    dark_rgb = np.clip(np.round(face_rgb * light + rng.normal(0, 1, face_rgb.shape)), 0, 255).astype(np.uint8)
    (dark,) = mesher.process_still(dark_rgb)
    error = np.linalg.norm(dark.mesh.points - bright.mesh.points, axis=1)[:468].mean()
    assert error < 0.06 * eye_distance(bright.mesh.points)


@pytest.mark.parametrize("name", ["brick.png", "grass.png", "gravel.png", "chelsea.png", "coffee.png", "page.png"])
def test_no_face_is_seen_in_patterns_a_cat_or_a_cup(mesher, moving_face, name):
    skimage = pytest.importorskip("skimage")
    picture = cv2.imread(str(Path(skimage.__file__).parent / "data" / name))
    assert picture is not None
    for image_rgb in (picture, np.ascontiguousarray(picture[::-1])):
        assert mesher.process_still(image_rgb) == ()


def test_what_the_detector_does_not_confirm_is_no_face(mesher, face_rgb):
    before = mesher.config
    try:
        mesher.configure(before.with_dotted({"detector.min_certainty": 1.0}))
        assert mesher.process_still(face_rgb) == ()
    finally:
        mesher.configure(before)


def test_the_second_pass_looks_where_the_first_mesh_lies(networks, face_rgb):
    plain = {"mesh.averaged": False, "device": "cpu"}
    once, twice = (
        FaceMesher(Config.from_dotted({**plain, "mesh.second_pass": second})).process_still(face_rgb)[0]
        for second in (False, True)
    )
    own = roi_from_points(once.mesh.points)
    assert twice.roi.center_xy == pytest.approx(own.center_xy) and twice.roi.size == pytest.approx(own.size)
    assert once.roi.size != pytest.approx(own.size, rel=1e-3)


def test_the_mesh_of_a_picture_is_the_mean_of_four_and_close_to_that_of_a_stream(networks, face_rgb):
    def still(**settings):
        dotted = {"device": "cpu", "max_faces": 1, **{f"mesh.{name}": value for name, value in settings.items()}}
        return FaceMesher(Config.from_dotted(dotted)).process_still(face_rgb)[0]

    net = FaceMesher(Config(device="cpu"))._finder._mesh_net
    once, twice, mean = still(averaged=False, second_pass=False), still(averaged=False), still()
    mirrored = net.run_mirrored(face_rgb, [once.roi, twice.roi])
    expected = np.mean([once.mesh.points, twice.mesh.points, *(mesh.points for mesh in mirrored)], axis=0)
    assert mean.mesh.points == pytest.approx(expected, abs=1e-3)
    assert mean.mesh.presence == twice.mesh.presence
    assert np.linalg.norm(mean.mesh.points - twice.mesh.points, axis=1).mean() < 0.02 * eye_distance(expected)


def test_the_mean_of_meshes_leaves_out_what_is_none():
    mesh, other = (Mesh(np.full((468, 3), value, np.float32), 0.1 * value) for value in (1.0, 4.0))
    assert mean_mesh(mesh, None).points == pytest.approx(mesh.points)
    assert mean_mesh(mesh, None, other).points == pytest.approx(np.full((468, 3), 2.5))
    assert mean_mesh(mesh, other).presence == mesh.presence


@pytest.mark.parametrize("still", [False, True])
def test_a_calibrated_face_beside_the_axis_is_seen_through_a_virtual_camera_unless_that_is_off(
    networks, moving_face, still
):
    image = np.zeros((960, 1280, 3), np.uint8)
    image[480:, 640:] = moving_face.frame_bgr(0)[..., ::-1]
    camera = Camera.from_fov((1280, 960), np.radians(100.0))

    def points(on, camera):
        mesher = FaceMesher(Config.from_dotted({"mesh.virtual_camera": on, "device": "cpu"}))
        if still:
            return mesher.process_still(image, camera)[0].mesh.points
        new, followed = (mesher.process(image, stamp, camera)[0].mesh.points for stamp in (0.0, 0.04))
        assert np.linalg.norm(followed - new, axis=1).mean() < 2.0
        return followed

    flat, virtual = points(True, None), points(True, camera)
    assert np.array_equal(points(False, camera), flat)
    assert 3.0 < np.linalg.norm(virtual - flat, axis=1).mean() < 20.0


def test_what_has_not_the_shape_of_a_face_is_not_published(networks, face_rgb):
    mesher = FaceMesher(Config(device="cpu"))
    assert len(mesher.process(face_rgb, 0.0)) == 1
    run = mesher._finder._mesh_net._session.run

    def squashed(images, *outputs):
        points, logits = run(images, *outputs)
        points[..., 1] = 96 + 0.2 * (points[..., 1] - 96)
        return points, logits

    mesher._finder._mesh_net._session.run = squashed
    assert mesher.process(face_rgb, 0.03) == ()


def test_live_settings_change_without_losing_tracks(mesher, face_rgb):
    (before,) = mesher.process(face_rgb, 0.0)
    mesher.configure(mesher.config.with_dotted({"filter.enabled": False, "detector.min_score": 0.7}))
    (after,) = mesher.process(face_rgb, 0.03)
    assert after.track_id == before.track_id and after.smoothed is after.mesh
    mesher.configure(Config.from_dotted({"device": "cpu"}))


def test_the_detectors_threshold_changes_live(mesher, face_rgb):
    before = mesher.config
    mesher.configure(before.with_dotted({"detector.min_score": 1.0}))
    assert mesher.process_still(face_rgb) == ()
    mesher.configure(before)
    assert len(mesher.process_still(face_rgb)) == 1


def test_what_the_network_does_not_take_for_a_face_is_no_face(networks, face_rgb):
    strict = FaceMesher(Config.from_dotted({"tracker.min_presence": 1.0, "device": "cpu"}))
    assert strict.process_still(face_rgb) == ()
    assert strict.process(face_rgb, 0.0) == ()


def test_the_filters_of_faces_that_left_are_freed_when_they_cannot_return(mesher, face_rgb):
    mesher.process(face_rgb, 0.0)
    mesher.process(np.zeros_like(face_rgb), 0.1)
    assert len(mesher._filters) == 1
    mesher.process(np.zeros_like(face_rgb), 0.2 + mesher.config.tracker.reacquire_s)
    assert len(mesher._filters) == 0


def test_one_missed_image_does_not_begin_the_filter_anew(networks, moving_face):
    mesher = FaceMesher(Config(device="cpu", max_faces=1))
    images = frames(moving_face, 8)
    for index in range(6):
        mesher.process(images[index], index / 30)
    assert mesher.process(np.zeros_like(images[0]), 6 / 30) == ()
    (back,) = mesher.process(images[7], 7 / 30)
    assert back.track_id == 1 and not np.array_equal(back.smoothed.points, back.mesh.points)


@pytest.mark.parametrize("name", ["brick.png", "color.png", "coffee.png"])
def test_a_face_does_not_live_on_in_a_pattern(networks, moving_face, name):
    picture = cv2.imread(str(Path(pytest.importorskip("skimage").__file__).parent / "data" / name))
    pattern_rgb = np.ascontiguousarray(cv2.resize(picture, (640, 480))[..., ::-1])
    mesher = FaceMesher(Config(device="cpu"))
    for start in range(0, 300, 60):
        mesher.reset()
        faces = [mesher.process(image, i / 30) for i, image in enumerate(frames(moving_face, 3, start))]
        assert all(len(one) == 1 for one in faces)
        assert sum(len(mesher.process(pattern_rgb, (3 + i) / 30)) for i in range(12)) == 0


def test_a_face_that_the_detector_does_not_see_any_more_is_lost_when_it_is_due(mesher, face_rgb, monkeypatch):
    detector = mesher._finder._detector
    for index in range(10):
        assert len(mesher.process(face_rgb, index / 10)) == 1
    monkeypatch.setattr(detector, "glances", lambda _, meshes: [0.0] * len(meshes))
    monkeypatch.setattr(detector, "certainties", lambda _, meshes: [0.0] * len(meshes))
    assert mesher.process(face_rgb, 1.0) == ()


def test_a_second_face_upside_down_is_found_while_another_is_followed(networks, moving_face):
    upright = frames(moving_face, 1)[0]
    image_rgb = np.hstack([upright, upright[::-1, ::-1]])
    mesher = FaceMesher(Config(device="cpu"))
    for index in range(20):
        faces = mesher.process(np.ascontiguousarray(image_rgb), 0.5 * index)
        if len(faces) == 2:
            break
    assert len(faces) == 2


def test_live_settings_reach_the_search_and_a_reset_too(mesher, face_rgb):
    before = mesher.config
    mesher.configure(before.with_dotted({"camera.rotation": 90.0}))
    assert mesher._search.config.camera.rotation == 90.0
    mesher.configure(before)
    mesher.process(face_rgb, 0.0)
    mesher.process(face_rgb, 0.5)
    mesher.reset()
    assert mesher._search.stages((640, 480), 0.51, mesher._tracker), "looks at once after a reset"


def test_a_setting_that_is_read_at_loading_cannot_change_later(mesher):
    before = mesher.config
    with pytest.raises(ConfigError, match=r"mesh.network.*new FaceMesher"):
        mesher.configure(before.with_dotted({"mesh.network": "mesh", "max_faces": 1}))
    assert mesher.config == before


def test_the_stages_are_announced_to_whoever_times_them(networks, face_rgb):
    entered = []

    @contextmanager
    def stage(name):
        entered.append(name)
        yield

    mesher = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 1}), stage=stage)
    mesher.process(face_rgb, 0.0)
    assert "detect" in entered
    entered.clear()
    mesher.process(face_rgb, 0.03)
    assert entered == ["mesh", "crop", "network", "post", "pose"]


def test_the_parts_of_a_mesh_lie_inside_it_one_after_the_other(networks, face_rgb):
    within, seen = [], set()

    @contextmanager
    def stage(name):
        seen.add((*within, name))
        within.append(name)
        yield
        within.pop()

    mesher = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 2}), stage=stage)
    mesher.process(face_rgb, 0.0)
    mesher.process_still(face_rgb)
    inside = {("mesh", part) for part in ("crop", "network", "post")}
    assert seen == {("detect",), ("mesh",), ("pose",)} | inside


def test_stages_that_are_not_gone_through_are_not_announced(networks):
    entered = set()

    def stage(name):
        entered.add(name)
        return nullcontext()

    FaceMesher(Config.from_dotted({"device": "cpu"}), stage=stage).process(np.zeros((480, 640, 3), np.uint8), 0.0)
    assert entered == {"detect", "mesh", "pose"}


def test_a_face_that_left_is_possible_where_it_was_until_it_may_not_return(mesher, face_rgb):
    (face,) = mesher.process(face_rgb, 0.0)
    assert mesher.possible_rois == ()
    mesher.process(np.zeros_like(face_rgb), 0.1)
    (roi,) = mesher.possible_rois
    away = np.abs(face.mesh.points[:, :2] - roi.center_xy).max()
    assert away < 0.5 * roi.size
    mesher.process(np.zeros_like(face_rgb), 3.0)
    assert mesher.possible_rois == ()


def test_the_camera_of_an_image_is_its_own_or_the_assumed_one(networks):
    given = Camera.from_fov((640, 480), 1.0)
    mesher = FaceMesher(Config.from_dotted({"device": "cpu"}))
    assert mesher.camera_of(given, (640, 480)) is given
    assert mesher.camera_of(None, (640, 480)) is None
    mesher.configure(Config.from_dotted({"device": "cpu", "camera.assume_fov_deg": 60.0}))
    assumed = mesher.camera_of(None, (640, 480))
    assert assumed.size_wh == (640, 480)
    assert mesher.camera_of(given, (640, 480)) is given


@pytest.mark.parametrize("encoding", ["rgb8", "bgra8", "padded"])
def test_a_picture_gives_the_faces_of_its_rgb(mesher, face_rgb, encoding):
    padded = np.pad(face_rgb, ((0, 0), (0, 8), (0, 0)))[:, :-8]
    picture = {
        "rgb8": Picture.of(face_rgb),
        "bgra8": Interleaved(cv2.cvtColor(face_rgb, cv2.COLOR_RGB2BGRA), cv2.COLOR_BGRA2RGB),
        "padded": padded,
    }[encoding]
    (face,), (wanted,) = mesher.process_still(picture), mesher.process_still(face_rgb)
    assert np.array_equal(face.mesh.points, wanted.mesh.points)


def test_a_picture_that_is_too_long_is_refused(mesher):
    with pytest.raises(InputError, match="32767x1 px; its sides must be from 1 to 32766"):
        mesher.process(Picture.of(np.zeros((1, LONGEST_SIDE_PX + 1, 3), np.uint8)), 0.0)
