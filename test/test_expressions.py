import numpy as np
import pytest
from made_heads import face, flat, head_m, look, turned
from scipy.spatial.transform import Rotation

from facemesh_ros import Camera, Config, FaceMesher, HeadPose, TargetPlace
from facemesh_ros.errors import InputError
from facemesh_ros.expressions import CLOSED_BELOW, LONGEST_BLINK_S, OPEN_ABOVE, TrackExpressions
from facemesh_ros.gaze import EYES, HEAD_FROM_REFERENCE
from facemesh_ros.heads import Heads
from facemesh_ros.lens import project, turn_to
from facemesh_ros.topology import reference_face

RATE_HZ = 30.0
OPEN, SHUT = flat(head_m()), flat(head_m(shut=(True, True)))
CAMERA = Camera.from_fov((640, 480), 1.0)
SIZE_WH = (1280, 960)


def tracks(**changes):
    return TrackExpressions(Config.from_dotted({name.replace("__", "."): value for name, value in changes.items()}))


def film(meshes, expressions=None, start_s=0.0, rate_hz=RATE_HZ):
    """Return what is read of one track's meshes, image after image."""
    expressions = tracks() if expressions is None else expressions
    return [expressions.read([face(mesh)], start_s + i / rate_hz)[0] for i, mesh in enumerate(meshes)]


def lids(openness):
    """A mesh of which both eyes are open so far."""
    points = head_m()
    for eye in EYES:
        width = np.linalg.norm(points[eye[0]] - points[eye[1]])
        points[eye[5:8], 1] = points[eye[2:5], 1] + openness * width
    return flat(points)


def pose_at(position_m, turn):
    camera_from_head = np.eye(4)
    camera_from_head[:3, :3] = turn.as_matrix() @ HEAD_FROM_REFERENCE.T
    camera_from_head[:3, 3] = position_m
    return HeadPose(camera_from_head, 0.0, np.eye(6))


def test_no_faces_give_none():
    assert tracks().read([], 0.0) == ()


def test_a_face_gets_eyes_mouth_and_gaze_and_keeps_the_rest():
    before = face(OPEN, track_id=7)
    (after,) = tracks().read([before], 0.0)
    assert (after.track_id, after.mesh, after.smoothed) == (7, before.mesh, before.smoothed)
    assert after.gaze.source == "iris" and after.gaze.is_looking and not after.eyes.blink
    assert after.gaze.direction == pytest.approx([0, 0, -1], abs=1e-4)
    assert after.gaze.right_direction == pytest.approx(after.gaze.left_direction, abs=1e-4)


def test_switched_off_the_face_stays_as_it_is():
    before = face(OPEN)
    expressions = tracks(gaze__enabled=False)
    assert expressions.read([before], 0.0) == (before,)
    assert before.gaze is None and len(expressions) == 0


def test_without_attention_there_is_a_gaze_but_no_angle():
    (one,) = film([OPEN], tracks(attention__enabled=False))
    assert one.gaze.source == "iris" and one.gaze.angle_rad is None and not one.gaze.is_looking


@pytest.mark.parametrize("shut_images", [1, 3, 10, 15])
def test_a_blink_is_told_once_when_it_ends_with_its_duration(shut_images):
    told = film([OPEN] * 3 + [SHUT] * shut_images + [OPEN] * 3)
    assert [one.eyes.blink for one in told] == [False] * (3 + shut_images) + [True, False, False]
    assert told[3 + shut_images].eyes.blink_duration_s == pytest.approx(shut_images / RATE_HZ)
    assert sum(one.eyes.blink_duration_s for one in told) == told[3 + shut_images].eyes.blink_duration_s


@pytest.mark.parametrize("rate_hz", [15, 30, 60, 120])
def test_time_is_the_stamp_s_not_the_number_of_images(rate_hz):
    count = round(0.2 * rate_hz)
    told = film([OPEN] + [SHUT] * count + [OPEN], rate_hz=rate_hz)
    assert told[-1].eyes.blink and told[-1].eyes.blink_duration_s == pytest.approx(0.2)
    count = round((LONGEST_BLINK_S + 0.1) * rate_hz)
    assert not film([OPEN] + [SHUT] * count + [OPEN], rate_hz=rate_hz)[-1].eyes.blink


def test_one_eye_that_is_shut_is_no_blink_and_the_other_gives_the_gaze():
    wink = flat(head_m(look(10, 0), shut=(True, False)))
    told = film([OPEN, wink, OPEN])
    assert told[1].eyes.right_is_closed and not told[1].eyes.left_is_closed
    assert told[1].gaze.source == "iris" and told[1].gaze.right_direction is None
    assert told[1].gaze.direction == pytest.approx(told[1].gaze.left_direction)
    assert not any(one.eyes.blink for one in told)


def test_of_a_face_that_is_turned_aside_the_eye_in_sight_blinks():
    aside = turned(65)
    shut = flat(head_m(shut=(True, False)), aside)  # the left eye is out of sight
    told = film([flat(head_m(), aside), shut, flat(head_m(), aside)])
    assert told[0].gaze.left_direction is None
    assert told[1].gaze.source == "head" and told[2].eyes.blink


def test_closed_eyes_fall_back_to_the_head_s_axis():
    (one,) = film([flat(head_m(look(20, 0), shut=(True, True)), turned(10, 5))])
    assert one.gaze.source == "head" and one.gaze.right_direction is None and one.gaze.left_direction is None
    assert one.gaze.head_direction == pytest.approx([1, 0, 0], abs=1e-6)
    assert one.gaze.direction == pytest.approx(turned(10, 5).apply([0, 0, -1]), abs=1e-3)


def test_eyes_that_are_turned_away_fall_back_to_the_head_s_axis():
    (one,) = film([flat(head_m(), turned(0, -80))])
    assert one.gaze.source == "head"


def test_a_mesh_without_irises_falls_back_to_the_head_s_axis_and_still_blinks():
    told = film([OPEN[:468], SHUT[:468], OPEN[:468]])
    assert [one.gaze.source for one in told] == ["head"] * 3
    assert [one.eyes.blink for one in told] == [False, False, True]
    assert all(one.gaze.is_looking for one in told)


def test_lids_near_a_threshold_do_not_flicker():
    rng = np.random.default_rng(0)
    middle = 0.5 * (CLOSED_BELOW + OPEN_ABOVE)
    noise = rng.uniform(-0.4, 0.4, 60) * (OPEN_ABOVE - CLOSED_BELOW)
    open_first = film([OPEN] + [lids(middle + n) for n in noise])
    shut_first = film([SHUT] + [lids(middle + n) for n in noise])
    assert not any(one.eyes.right_is_closed for one in open_first)
    assert all(one.eyes.right_is_closed for one in shut_first)


def test_attention_near_a_threshold_does_not_flicker():
    between = [flat(head_m(look(angle, 0))) for angle in np.random.default_rng(0).uniform(16, 19, 30)]
    assert all(one.gaze.is_looking for one in film([OPEN, *between]))
    assert not any(one.gaze.is_looking for one in film([flat(head_m(look(30, 0))), *between])[1:])
    assert not film([OPEN, flat(head_m(look(21, 0)))])[-1].gaze.is_looking


def test_a_release_angle_below_the_angle_counts_as_the_angle():
    expressions = tracks(attention__angle_deg=15.0, attention__release_deg=5.0)
    assert all(one.gaze.is_looking for one in film([flat(head_m(look(10, 0)))] * 5, expressions))


def test_who_blinks_goes_on_looking_and_who_sleeps_does_not():
    shut_aside = flat(head_m(shut=(True, True)), turned(30))
    count = round(LONGEST_BLINK_S * RATE_HZ)
    told = film([OPEN] + [shut_aside] * (count + 1) + [SHUT] * 3)
    assert [one.gaze.is_looking for one in told] == [True] * (count + 2) + [False] * 3
    assert not film([SHUT])[0].gaze.is_looking


def test_a_change_of_settings_counts_from_the_next_image_on():
    expressions = tracks()
    aside = flat(head_m(look(30, 0)))
    assert not film([aside], expressions)[0].gaze.is_looking
    expressions.config = Config.from_dotted({"attention.angle_deg": 40.0})
    assert film([aside], expressions, start_s=0.1)[0].gaze.is_looking


@pytest.mark.parametrize("stamp", [0.2, 0.15])
def test_a_stamp_that_stands_still_or_steps_back_ends_no_blink_and_changes_nothing(stamp):
    one, other = tracks(), tracks()
    for expressions in (one, other):
        film([OPEN, SHUT, SHUT], expressions, rate_hz=10.0)
    (odd,) = one.read([face(OPEN)], stamp)
    assert not odd.eyes.blink
    (after,), (expected,) = one.read([face(OPEN)], 0.3), other.read([face(OPEN)], 0.3)
    assert after.eyes == expected.eyes and after.eyes.blink


@pytest.mark.parametrize("stamp", [-5.0, 5.0])
def test_a_jump_in_stamps_starts_anew(stamp):
    expressions = tracks()
    film([OPEN, SHUT], expressions)
    (one,) = expressions.read([face(OPEN)], stamp)
    assert not one.eyes.blink
    (one,) = expressions.read([face(SHUT)], stamp + 0.1)
    (one,) = expressions.read([face(OPEN)], stamp + 0.2)
    assert one.eyes.blink and one.eyes.blink_duration_s == pytest.approx(0.1)


def test_each_track_has_a_memory_of_its_own():
    expressions = tracks()
    for index, (one, two) in enumerate([(OPEN, OPEN), (SHUT, OPEN), (OPEN, SHUT), (OPEN, OPEN)]):
        told = expressions.read([face(one, 1), face(two, 2)], index / RATE_HZ)
        assert [each.eyes.blink for each in told] == [index == 2, index == 3]
    assert len(expressions) == 2


def test_a_track_that_is_gone_is_forgotten():
    expressions = tracks()
    film([OPEN, SHUT], expressions)
    expressions.read([face(OPEN, 2)], 0.07)
    assert len(expressions) == 2, "one may return"
    expressions.keep([2])
    assert len(expressions) == 1
    assert not expressions.read([face(OPEN)], 0.1)[0].eyes.blink
    expressions.keep(())
    assert len(expressions) == 0


def test_the_same_film_gives_the_same_values_bit_for_bit():
    rng = np.random.default_rng(1)
    meshes = [OPEN + rng.normal(0, 2, OPEN.shape).astype(np.float32) for _ in range(20)]
    for one, other in zip(film(meshes), film(meshes), strict=True):
        assert one.eyes == other.eyes and one.mouth == other.mouth
        assert np.array_equal(one.gaze.direction, other.gaze.direction) and one.gaze.angle_rad == other.gaze.angle_rad


def test_with_a_pose_the_gaze_starts_at_the_sellion_and_meets_its_target():
    turn, position, target = turned(10, 5), np.array([0.0, 0.0, 0.8]), np.array([0.3, -0.1, 0.2])
    way = (target - position) / np.linalg.norm(target - position)
    points = flat(head_m(turn.inv().apply(way)), turn, px_a_metre=CAMERA.matrix[0, 0] / 0.8, at_xy=(319.5, 239.5))
    posed = face(points, pose=pose_at(position, turn), camera=CAMERA)
    (one,) = tracks().read([posed], 0.0, target)
    assert one.gaze.origin_m == pytest.approx(position)
    assert np.degrees(one.gaze.angle_rad) < 2.0 and one.gaze.is_looking
    (other,) = tracks().read([posed], 0.0)
    assert np.degrees(other.gaze.angle_rad) == pytest.approx(np.degrees(np.arccos(way @ [0, 0, -1])), abs=2.0)
    assert not other.gaze.is_looking
    rotation = posed.pose.camera_from_head[:3, :3]
    assert rotation @ one.gaze.head_direction == pytest.approx(one.gaze.direction, abs=1e-9)


def test_a_target_in_metres_needs_a_pose():
    (one,) = tracks().read([face(OPEN)], 0.0, np.array([0.0, 0.0, 0.1]))
    assert one.gaze.angle_rad is None and not one.gaze.is_looking and one.gaze.origin_m is None


FISHEYE = Camera.from_matrix(
    [[420, 0, 640], [0, 420, 480], [0, 0, 1]], [-0.02, 0.003, 0.0, 0.0], SIZE_WH, "equidistant"
)
FOLDING = Camera.from_matrix([[600, 0, 640], [0, 600, 480], [0, 0, 1]], [-0.3, 0.0, 0.0, 0.0], SIZE_WH)
"""Its picture ends 46.5 degrees from the axis, where r - 0.3 r³ turns back."""


def drawn(camera, points_m):
    """(N, 2) px of points; what a lens bends back goes on straight outwards, as the network draws a face to its end."""
    reach = 1.0 if camera is FOLDING else 50.0
    ahead = points_m[:, :2] / points_m[:, 2:]
    away = np.hypot(*ahead.T)[:, None]
    inner = ahead * np.minimum(1.0, reach / away)
    return project(camera, np.column_stack([inner, np.ones(len(inner))])) + 100.0 * (ahead - inner)


def who_looks_into(camera, bearing_deg, distance_m=1.2):
    """A face whose head and eyes look into the camera from a bearing, and the way from it to the camera."""
    position = distance_m * Rotation.from_euler("zy", [20.0, bearing_deg], degrees=True).apply([0.0, 0.0, 1.0])
    way = -position / distance_m
    towards = Rotation.from_matrix(turn_to(position))
    points_m = towards.apply(head_m()) + position
    px_a_metre = 420.0 / distance_m
    return face(np.column_stack([drawn(camera, points_m), px_a_metre * head_m()[:, 2]]).astype(np.float32)), way


@pytest.mark.parametrize(
    ("camera", "bearing_deg", "source"),
    [(FISHEYE, 40, "iris"), (FISHEYE, 77, "iris"), (FISHEYE, 79, "iris"), (FISHEYE, 83, "head"), (FOLDING, 30, "iris")]
    + [(FOLDING, 44, "head")],
)
def test_who_looks_into_the_camera_does_so_as_far_aside_as_there_is_a_pose(camera, bearing_deg, source):
    before, way = who_looks_into(camera, bearing_deg)
    (posed,) = Heads(Config()).posed([before], camera, SIZE_WH, None)
    (one,) = tracks().read([posed], 0.0)
    assert np.isfinite(posed.rays).all() == (source == "iris")
    assert np.degrees(np.arccos(posed.pose.camera_from_head[:3, 0] @ way)) < 2.0
    assert one.gaze.source == source and one.gaze.is_looking
    assert np.degrees(np.arccos(one.gaze.direction @ way)) < 3.0
    assert np.degrees(one.gaze.angle_rad) < 3.0 and one.eyes.right_openness > 0.2


def test_where_neither_rays_nor_a_pose_tell_there_is_no_gaze():
    without = Config.from_dotted({"pose.enabled": False})
    (seen,) = Heads(without).posed([who_looks_into(FISHEYE, 83)[0]], FISHEYE, SIZE_WH, None)
    (one,) = tracks().read([seen], 0.0)
    assert one.gaze is None and one.eyes.right_openness > 0.2 and one.mouth is not None
    (seen,) = Heads(without).posed([who_looks_into(FISHEYE, 70)[0]], FISHEYE, SIZE_WH, None)
    (one,) = tracks().read([seen], 0.0)
    assert one.gaze.source == "iris" and np.degrees(one.gaze.angle_rad) < 3.0


POSED = face(OPEN, pose=pose_at((0.0, 0.0, 0.8), turned(0, 0)))
"""Looks into the camera, from 0.8 m."""


def target_beside(degrees):
    """Return a point so far beside the gaze of POSED."""
    angle = np.radians(degrees)
    return np.array([0.5 * np.sin(angle), 0.0, 0.8 - 0.5 * np.cos(angle)])


def looks(*targets_m, **changes):
    """Return whether POSED is said to look at the last target, after the others in the images before."""
    expressions, one = tracks(**changes), POSED
    for number, target_m in enumerate(targets_m):
        (one,) = expressions.read([POSED], number / RATE_HZ, target_m)
    return one.gaze.is_looking


@pytest.mark.parametrize("gap", [1, 3])
def test_an_unknown_target_is_not_told_of_and_leaves_what_is_remembered_as_it_was(gap):
    unknown = [TargetPlace.UNKNOWN] * gap
    (one,) = tracks().read([POSED], 0.0, TargetPlace.UNKNOWN)
    assert one.gaze.angle_rad is None and not one.gaze.is_looking and one.gaze.source == "iris"
    between = target_beside(17)  # attention begins at 15 degrees and ends at 20
    assert not looks(between) and not looks(*unknown, between)
    assert looks(target_beside(5), between) and looks(target_beside(5), *unknown, between)
    assert not looks(target_beside(25), *unknown, between)


def test_a_face_without_a_pose_for_an_image_goes_on_looking_at_its_target():
    expressions, between = tracks(), target_beside(17)
    expressions.read([POSED], 0.0, target_beside(5))
    (lost,) = expressions.read([face(OPEN)], 1 / RATE_HZ, between)
    (back,) = expressions.read([POSED], 2 / RATE_HZ, between)
    assert (lost.gaze.is_looking, back.gaze.is_looking) == (False, True)


def test_switching_attention_off_forgets_who_looked():
    expressions, between = tracks(), target_beside(17)
    expressions.read([POSED], 0.0, target_beside(5))
    on = expressions.config
    expressions.config = on.with_dotted({"attention.enabled": False})
    expressions.read([POSED], 1 / RATE_HZ, between)
    expressions.config = on
    (one,) = expressions.read([POSED], 2 / RATE_HZ, between)
    assert not one.gaze.is_looking


def test_values_are_read_only():
    (one,) = film([OPEN])
    with pytest.raises(ValueError, match="read-only"):
        one.gaze.direction[0] = 1.0


@pytest.mark.parametrize("points", [np.zeros((478, 3)), np.eye(468, 3), np.full((478, 3), -1e5)])
def test_odd_meshes_raise_nothing(points):
    told = film([points.astype(np.float32), OPEN[: len(points)], points.astype(np.float32)])
    assert all(np.isfinite(one.gaze.direction).all() for one in told)


def test_the_reference_face_itself_is_awake():
    (one,) = film([flat(reference_face())])
    assert not one.eyes.right_is_closed and not one.eyes.left_is_closed


@pytest.fixture(scope="module")
def mesher(networks):
    return FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 1}))


def rgb(moving_face, index):
    return np.ascontiguousarray(moving_face.frame_bgr(index)[..., ::-1])


def test_a_real_face_that_smiles_into_the_camera_looks_at_it_however_it_is_panned_and_rolled(mesher, moving_face):
    for index in range(0, 300, 15):  # the picture is flat: it looks into the camera from everywhere
        (one,) = mesher.process(rgb(moving_face, index), 1000.0 + index / RATE_HZ)
        assert one.gaze.source == "iris" and one.gaze.is_looking and one.gaze.angle_rad < np.radians(8.0)
        assert 0.25 < one.eyes.right_openness < 0.4 and 0.25 < one.eyes.left_openness < 0.4
        assert 0.1 < one.mouth.openness < 0.3 and not one.eyes.blink


def test_the_mirror_image_of_a_real_face_has_mirrored_eyes(mesher, face_rgb):
    (one,) = mesher.process_still(face_rgb)
    (other,) = mesher.process_still(np.ascontiguousarray(face_rgb[:, ::-1]))
    assert other.eyes.right_openness == pytest.approx(one.eyes.left_openness, abs=0.04)
    assert other.gaze.direction == pytest.approx(one.gaze.direction * [-1, 1, 1], abs=0.08)


def test_a_single_picture_has_eyes_mouth_and_gaze_but_no_blink_and_leaves_the_stream_alone(mesher, face_rgb):
    mesher.process(face_rgb, 2000.0)
    before = dict(mesher._expressions._memories)
    (one,) = mesher.process_still(face_rgb)
    assert one.gaze.source == "iris" and one.mouth.openness > 0.1 and not one.eyes.blink
    assert mesher._expressions._memories == before


def test_the_network_without_irises_gives_the_head_s_axis(networks, face_rgb):
    config = Config.from_dotted({"device": "cpu", "mesh.network": "mesh"})
    (one,) = FaceMesher(config).process_still(face_rgb)
    assert one.gaze.source == "head" and one.gaze.right_direction is None and not one.eyes.right_is_closed


def test_settings_reach_the_stream(mesher, face_rgb):
    before = mesher.config
    mesher.configure(before.with_dotted({"gaze.enabled": False}))
    (without,) = mesher.process(face_rgb, 3000.0)
    mesher.configure(before)
    (with_it,) = mesher.process(face_rgb, 3000.03)
    assert without.gaze is None and without.eyes is None and without.mouth is None
    assert with_it.gaze is not None


def test_a_reset_forgets_the_expressions_too(mesher, face_rgb):
    mesher.process(face_rgb, 4000.0)
    assert len(mesher._expressions) == 1
    mesher.reset()
    assert len(mesher._expressions) == 0


def test_a_target_may_be_unknown(mesher, face_rgb):
    for faces in (
        mesher.process(face_rgb, 4500.0, target_m=TargetPlace.UNKNOWN),
        mesher.process_still(face_rgb, target_m=TargetPlace.UNKNOWN),
    ):
        (one,) = faces
        assert one.gaze.angle_rad is None and not one.gaze.is_looking


@pytest.mark.parametrize("target", [[1.0, 2.0], [0.0, 0.0, np.nan]])
def test_a_target_that_is_no_point_is_refused(mesher, face_rgb, target):
    with pytest.raises(InputError, match="target_m"):
        mesher.process(face_rgb, 5000.0, target_m=target)
    with pytest.raises(InputError, match="target_m"):
        mesher.process_still(face_rgb, target_m=target)


def test_a_target_in_metres_is_compared_only_with_a_pose(mesher, face_rgb):
    target = [0.0, 0.0, 0.1]
    for (one,) in (mesher.process_still(face_rgb, target_m=target), mesher.process(face_rgb, 6000.0, target_m=target)):
        assert one.pose is None and one.gaze.angle_rad is None
