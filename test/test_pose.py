"""Laws of the head pose, on rendered reference faces: no networks."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facemesh_ros import pose
from facemesh_ros.head import HEAD_FROM_REFERENCE, JAW, head_points, pose_points
from facemesh_ros.lens import project, rays
from facemesh_ros.likelihood import (
    NOISE_PX,
    RELIEF_TURN_SD,
    Guess,
    cost,
    noise2_of,
    normal_equations,
    placed,
    sight_of,
    weights_of,
)
from facemesh_ros.pose import solve, visibility
from facemesh_ros.shapes import LENGTH_M, LOPSIDED_SD_M, SYMMETRIC_SD_M
from facemesh_ros.topology import RIGID, mirror_points
from facemesh_ros.types import Camera

CAMERA = Camera.from_fov((1280, 720), 1.2)
FACING = HEAD_FROM_REFERENCE.T
"""camera_from_head of a head that looks against the camera's axis, upright."""
CHI2_95_OF_6, CHI2_95_OF_3 = 12.592, 7.815
LENSES = [
    CAMERA,
    Camera.from_matrix(CAMERA.matrix, [-0.25, 0.08, 0.001, -0.001, 0.0], (1280, 720)),
    Camera.from_matrix(
        CAMERA.matrix, [0.5, 0.2, 0.001, -0.001, 0.03, 0.8, 0.3, 0.1], (1280, 720), "rational_polynomial"
    ),
    Camera.from_matrix(CAMERA.matrix, [0.05, -0.01, 0.002, -0.001], (1280, 720), "equidistant"),
]


def turned(yaw=0.0, pitch=0.0, roll=0.0):
    """camera_from_head of a head turned by degrees about the camera's y, x and z."""
    return Rotation.from_euler("ZYX", [roll, yaw, pitch], degrees=True).as_matrix() @ FACING


def rendered(rotation, position, camera=CAMERA, noise_px=0.0, relief_turn=0.0, seed=0, shape=None):
    """(468, 3): a mesh as the network gives it, with z along the line of sight in px."""
    random = np.random.default_rng(seed)
    points = (head_points() if shape is None else shape) @ rotation.T + position
    spots = points[:, :2] / points[:, 2:]
    middle = points[:, 2].mean() * np.array([*0.5 * (spots.min(axis=0) + spots.max(axis=0)), 1.0])
    sight = middle / np.linalg.norm(middle)
    drawn, across = project(camera, points), points - np.outer(points @ sight, sight)
    px_per_m = np.sqrt(drawn.var(axis=0).sum() / across.var(axis=0).sum())
    wrong = Rotation.from_rotvec(random.normal(0.0, 1.0, 3) * relief_turn).as_matrix()
    mesh = np.column_stack([drawn, px_per_m * ((points - middle) @ wrong.T @ sight)])
    return mesh + random.normal(0.0, 1.0, mesh.shape) * noise_px


def somebody(seed, waves=40):
    """(468, 3) m: the reference face with smooth differences as large as between people, of its own size."""
    random = np.random.default_rng([1, seed])
    points, mirror = head_points(), np.array([1.0, -1.0, 1.0])

    def field():
        by = random.normal(0.0, 1.0 / LENGTH_M, (3, 3, waves))
        phases = random.uniform(0.0, 2.0 * np.pi, (3, 1, waves))
        return lambda at: np.sqrt(2.0 / waves) * np.cos(at @ by + phases).sum(axis=2).T

    alike, opposite = field(), field()
    shape = SYMMETRIC_SD_M * (alike(points) + mirror * alike(points * mirror)) / np.sqrt(2.0)
    shape += LOPSIDED_SD_M * (opposite(points) - mirror * opposite(points * mirror)) / np.sqrt(2.0)
    middle = points.mean(axis=0)
    growth = ((points - middle) * shape).sum() / ((points - middle) ** 2).sum()
    return points + shape - growth * (points - middle)


def solved(mesh, camera=CAMERA, start=None):
    return solve(mesh, rays(camera, mesh[:, :2]), camera, start)


def angle_deg(one, other):
    return np.degrees(Rotation.from_matrix(one @ other.T).magnitude())


POSES = [
    (turned(), [0.0, 0.0, 0.6]),
    (turned(yaw=45), [0.3, -0.1, 1.0]),
    (turned(yaw=-50, pitch=20, roll=-15), [-0.4, 0.2, 1.5]),
    (turned(pitch=30), [0.0, 0.3, 0.8]),
    (turned(pitch=-30, roll=170), [0.1, 0.1, 0.5]),
    (turned(yaw=20, roll=90), [2.0, 0.0, 4.0]),
]


@pytest.mark.parametrize(("rotation", "position"), POSES)
@pytest.mark.parametrize("camera", LENSES, ids=lambda camera: f"{camera.model} {len(camera.distortion)}")
def test_the_pose_of_a_drawn_head_is_found_again(rotation, position, camera):
    found = solved(rendered(rotation, position, camera), camera)
    assert angle_deg(found.rotation, rotation) < 0.2
    assert found.position == pytest.approx(position, abs=2e-3 * position[2])
    assert found.error_px < 0.3


def test_the_axes_are_out_of_the_face_to_its_left_and_to_the_scalp():
    found = solved(rendered(turned(), [0.0, 0.0, 0.7]))
    out, left, up = found.rotation.T
    assert out == pytest.approx([0, 0, -1], abs=1e-3)  # towards the camera
    assert left == pytest.approx([1, 0, 0], abs=1e-3)  # the person's left is the image's right
    assert up == pytest.approx([0, -1, 0], abs=1e-3)
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)


def test_the_origin_is_the_sellion():
    rotation, position = POSES[1]
    mesh = rendered(rotation, position)
    assert project(CAMERA, solved(mesh).position[None])[0] == pytest.approx(mesh[168, :2], abs=0.5)


@pytest.mark.parametrize("axis", [[0, 1, 0], [1, 0, 0], [0.6, 0.8, 0]])
def test_a_turn_of_the_camera_turns_the_pose(axis):
    rotation, position = POSES[1][0], np.array([0.0, 0.0, 1.0])
    turn = Rotation.from_rotvec(np.radians(15) * np.array(axis)).as_matrix()
    before, after = solved(rendered(rotation, position)), solved(rendered(turn @ rotation, turn @ position))
    assert angle_deg(after.rotation, turn @ before.rotation) < 0.2
    assert after.position == pytest.approx(turn @ before.position, abs=3e-3)


def test_a_larger_head_is_taken_for_a_nearer_one():
    rotation, position = POSES[1][0], np.array([0.1, 0.0, 1.2])
    found = solved(rendered(rotation, position, shape=1.1 * head_points()))
    assert found.position == pytest.approx(position / 1.1, rel=5e-3, abs=1e-4)


def test_a_mirrored_face_has_the_mirrored_pose():
    rotation, position = turned(yaw=25, pitch=10, roll=8), np.array([0.2, 0.1, 0.9])
    mesh = rendered(rotation, position, noise_px=0.5)
    mirrored = mesh[mirror_points()] * [-1, 1, 1] + [CAMERA.size_wh[0] - 1, 0, 0]
    one, other = solved(mesh), solved(mirrored)
    flip_camera, flip_head = np.diag([-1, 1, 1]), np.diag([1, -1, 1])
    assert angle_deg(other.rotation, flip_camera @ one.rotation @ flip_head) < 0.05
    assert other.position == pytest.approx(one.position * [-1, 1, 1], abs=1e-3)


def test_a_start_is_used():
    mesh = rendered(*POSES[1], noise_px=0.5, shape=somebody(3))
    before = solved(mesh)
    moved = mesh + [2.0, -1.0, 0.0]
    starts, candidates = [], pose._starts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pose, "_starts", lambda sight: starts.append(sight) or candidates(sight))
        warm = solved(moved, start=before)
        assert not starts
        cold = solved(moved)
    assert len(starts) == 1
    assert angle_deg(warm.rotation, cold.rotation) < 0.1
    assert warm.position == pytest.approx(cold.position, abs=1e-3)


def placings(*given, **named):
    """How often points are placed anew on the way to a pose."""
    count, placed = [], pose.placed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pose, "placed", lambda *some: count.append(some) or placed(*some))
        solved(*given, **named)
    return len(count)


def test_from_the_pose_before_few_steps_are_enough():
    for seed in range(10):
        mesh = rendered(*POSES[1], noise_px=0.5, shape=somebody(seed), seed=seed)
        assert placings(mesh + np.array([5.0, -3.0, 0.0]), start=solved(mesh)) <= 3


def test_a_face_that_keeps_still_takes_one_step():
    for seed in range(10):
        mesh = rendered(*POSES[1], noise_px=0.5, shape=somebody(seed), seed=seed)
        settled = solved(mesh, start=solved(mesh))
        assert placings(mesh, start=settled) == 2
        again = solved(mesh, start=settled)
        assert angle_deg(again.rotation, settled.rotation) < 0.1
        assert again.position == pytest.approx(settled.position, abs=1e-3)


def test_following_a_turning_head_leaves_little_of_what_more_steps_would_find(monkeypatch):
    shape, start = somebody(4), None
    for degrees in range(-40, 41, 10):  # 300 degrees a second at 30 Hz
        mesh = rendered(turned(yaw=degrees), [0.1, 0.0, 0.8], noise_px=0.3, seed=degrees + 40, shape=shape)
        start = solved(mesh, start=start)
        with monkeypatch.context() as patch:
            patch.setattr(pose, "SMALL_STEP", 1e-6)
            end = solved(mesh, start=start)
        assert angle_deg(start.rotation, end.rotation) < 0.5
        assert start.position == pytest.approx(end.position, abs=6e-3)


def a_placing():
    """A sight, the points of a guess beside the truth, and how they are weighed."""
    mesh = rendered(*POSES[1], noise_px=0.5)
    sight = sight_of(mesh, rays(CAMERA, mesh[:, :2]), CAMERA)
    guess = Guess.of_the_mean(turned(yaw=35, pitch=8), np.array([0.28, -0.12, 1.1]))
    at = placed(sight, guess)
    return sight, at, weights_of(sight, at, noise2_of(at))


def test_the_step_is_that_of_gauss_and_newton_and_the_covariance_a_part_of_the_inverse():
    sight, at, weights = a_placing()
    matrix, gradient = normal_equations(sight, at, weights)
    inverse = np.linalg.inv(matrix)
    step, covariance = pose._solved(matrix.copy(), gradient)
    assert step == pytest.approx(-inverse @ gradient, rel=0.02, abs=1e-3 * np.abs(inverse @ gradient).max())
    assert covariance == pytest.approx(inverse[:6, :6], rel=0.02, abs=1e-3 * np.abs(inverse[:6, :6]).max())


def test_a_matrix_that_is_not_positive_has_no_step():
    assert pose._solved(-np.eye(58), np.ones(58)) is None
    assert pose._solved(np.full((58, 58), np.nan), np.ones(58)) is None


@pytest.mark.parametrize("too_far", [1.0, 3.0, 10.0, -1.0])
def test_no_step_leads_up(too_far):
    sight, at, weights = a_placing()
    step, _ = pose._solved(*normal_equations(sight, at, weights))
    then = pose._lower(sight, at, weights, too_far * step)
    assert cost(then, weights) <= cost(at, weights)
    assert (then is at) == (too_far < 0.0)


def test_a_start_far_off_leads_to_the_same_pose():
    starts = [solved(rendered(*one)) for one in POSES]
    mesh = rendered(turned(yaw=10), [0.1, 0.0, 0.9], noise_px=0.5)
    cold = solved(mesh)
    for start in starts:
        warm = solved(mesh, start=start)
        assert angle_deg(warm.rotation, cold.rotation) < 0.1
        assert warm.position == pytest.approx(cold.position, abs=1e-3)


def test_small_faces_are_not_taken_for_their_mirror_images_in_depth():
    for seed in range(40):
        rotation = turned(yaw=(-1) ** seed * 15, pitch=10)
        found = solved(rendered(rotation, [0.2, 0.1, 4.0], noise_px=0.5, seed=seed))
        assert angle_deg(found.rotation, rotation) < 12


def test_points_that_are_far_off_hardly_matter():
    rotation, position = POSES[1]
    mesh = rendered(rotation, position, noise_px=0.3)
    mesh[pose_points()[::7]] += [40.0, -30.0, 0.0]
    found = solved(mesh)
    assert angle_deg(found.rotation, rotation) < 2.0
    assert found.position == pytest.approx(position, abs=0.02)


def test_points_on_the_far_side_hardly_matter():
    rotation, position = turned(yaw=50), [0.0, 0.0, 0.8]
    mesh = rendered(rotation, position, noise_px=0.3)
    hidden = visibility(solved(mesh)) == 0.0
    assert 20 < hidden.sum() < 250
    mesh[hidden, :2] += 3.0
    assert angle_deg(solved(mesh).rotation, rotation) < 0.7


def test_relief_that_is_wrong_turns_a_well_seen_face_little():
    rotation, position = turned(yaw=20), np.array([0.5, 0.1, 0.8])
    wrong = rendered(rotation, position, noise_px=NOISE_PX)
    wrong[:, 2] += 0.2 * (wrong[:, 0] - wrong[:, 0].mean())  # 11 degrees
    assert angle_deg(solved(wrong).rotation, rotation) < 2.0


def test_the_true_pose_lies_in_the_stated_region_as_often_as_stated():
    random, inside, turns = np.random.default_rng(5), [], []
    for seed in range(300):
        rotation = turned(*random.uniform([-50, -30, -20], [50, 30, 20]))
        position = np.array([*random.uniform(-0.3, 0.3, 2), 1.0]) * random.uniform(0.4, 3.0)
        camera = LENSES[seed % 4]
        mesh = rendered(rotation, position, camera, NOISE_PX, RELIEF_TURN_SD, seed, somebody(seed))
        found = solved(mesh, camera)
        turn = Rotation.from_matrix(rotation @ found.rotation.T).as_rotvec()
        off = np.concatenate([position - found.position, turn])
        inside.append(off @ np.linalg.solve(found.covariance, off) < CHI2_95_OF_6)
        turns.append(turn @ np.linalg.solve(found.covariance[3:, 3:], turn) < CHI2_95_OF_3)
    assert 0.90 <= np.mean(inside) <= 0.99
    assert 0.90 <= np.mean(turns) <= 0.99


def test_faces_of_other_shapes_have_the_same_pose():
    for seed in range(20):
        rotation = turned(*np.random.default_rng(seed).uniform([-50, -30, -20], [50, 30, 20]))
        mesh = rendered(rotation, [0.1, 0.05, 0.8], shape=somebody(seed))
        assert angle_deg(solved(mesh).rotation, rotation) < 3.5


def test_a_face_that_is_fitted_badly_is_less_sure():
    shape = head_points() + np.random.default_rng(0).normal(0, 0.003, (468, 3))
    sure, unsure = (solved(rendered(*POSES[0], shape=one)) for one in (None, shape))
    assert unsure.error_px > 3.0 * sure.error_px
    assert np.all(np.diag(unsure.covariance) > np.diag(sure.covariance))


@pytest.mark.parametrize(
    "mesh",
    [
        np.zeros((468, 3)),
        np.random.default_rng(0).normal(300, 100, (468, 3)),
        rendered(*POSES[0]) * [1, 0, 1],
        np.full((468, 3), 1e6),
        np.tile([[600.0, 300.0, 0.0]], (468, 1)),
    ],
    ids=["zero", "noise", "a line", "far outside", "one place"],
)
def test_what_is_no_face_has_no_pose_or_a_finite_one(mesh):
    for camera in LENSES:
        found = solved(mesh, camera)
        assert found is None or (np.isfinite(found.covariance).all() and np.isfinite(found.position).all())


@pytest.mark.parametrize("fov", [1.2, 3.1])
@pytest.mark.parametrize("spot", [[639.5, 359.5, 0.0], [640.0, 360.0, 0.0]])
def test_a_face_without_an_extent_has_no_pose(fov, spot):
    camera = Camera.from_fov((1280, 720), fov)
    assert solved(np.tile([spot], (468, 1)), camera) is None
    assert solved(np.tile([spot], (468, 1)) + np.random.default_rng(0).normal(0, 0.1, (468, 3)), camera) is None


def test_points_without_z_do_not_count_for_the_relief():
    mesh = rendered(*POSES[1])
    mesh[RIGID[::3], 2] = np.nan
    found = solved(mesh)
    assert angle_deg(found.rotation, POSES[1][0]) < 0.3 and np.isfinite(found.covariance).all()


def test_a_few_points_of_wrong_relief_and_an_open_jaw_hardly_turn_a_head():
    rotation, position = POSES[0]
    firm = np.setdiff1d(RIGID, JAW)
    for worst, most_deg in ((1, 0.6), (2, 1.6), (3, 2.4)):
        mesh = rendered(rotation, position, noise_px=0.3)
        mesh[firm[np.argsort(mesh[firm, 1])[-worst:]], 2] -= 30.0
        assert angle_deg(solved(mesh).rotation, rotation) < most_deg
    jaw = head_points()[:, 2] < -0.065
    hinge = np.array([-0.07, 0.0, -0.02])
    shape = head_points().copy()
    shape[jaw] = Rotation.from_euler("y", 22, degrees=True).apply(shape[jaw] - hinge) + hinge
    assert angle_deg(solved(rendered(rotation, position, shape=shape)).rotation, rotation) < 1.5


def test_noise_has_no_pose():
    assert solved(np.random.default_rng(0).normal(300, 100, (468, 3))) is None


def test_without_rays_there_is_no_pose():
    mesh = rendered(*POSES[0])
    assert solve(mesh, np.full((468, 2), np.nan), CAMERA) is None


def test_a_face_that_is_partly_beyond_the_lens_keeps_its_pose():
    off = []
    for seed in range(12):
        mesh = rendered(*POSES[0], shape=somebody(seed))
        seen = rays(CAMERA, mesh[:, :2])
        seen[mesh[:, 0] > mesh[:, 0].mean() + 40] = np.nan
        off.append(angle_deg(solve(mesh, seen, CAMERA).rotation, POSES[0][0]))
    assert np.median(off) < 1.5 and max(off) < 3.5


def test_no_pose_shows_a_face_from_behind_even_where_relief_is_upside_down():
    for seed in range(60):
        mesh = rendered(
            turned(*np.random.default_rng(seed).uniform(-30, 30, 3)), [0.2, 0.1, 4.0], noise_px=1.0, seed=seed
        )
        found = solved(mesh * [1, 1, -1])
        assert found is None or found.rotation[:, 0] @ found.position < 0.2 * np.linalg.norm(found.position)


def test_the_two_starts_are_mirror_images_along_the_line_of_sight():
    mesh = rendered(*POSES[1])
    sight = sight_of(mesh, rays(CAMERA, mesh[:, :2]), CAMERA)
    (one, place), (other, same_place) = pose._starts(sight)
    assert np.linalg.det(one) == pytest.approx(1.0) and np.linalg.det(other) == pytest.approx(1.0)
    assert place == pytest.approx(same_place) and place == pytest.approx(POSES[1][1], abs=0.1)
    assert angle_deg(one, POSES[1][0]) < 15
    assert other[:, 1:] == pytest.approx(one[:, 1:] - 2 * np.outer(sight.sight, sight.sight @ one[:, 1:]))
