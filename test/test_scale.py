import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facemesh_ros.head import HEAD_FROM_REFERENCE, head_points
from facemesh_ros.lens import project, rays
from facemesh_ros.pose import solve, visibility
from facemesh_ros.scale import (
    DEPTH,
    HEAD_SIZE_SD,
    IRIS_M,
    IRISES,
    MEMORY,
    RunningScale,
    assumed,
    depth_factor,
    iris_factor,
)
from facemesh_ros.topology import RIGID, face_topology
from facemesh_ros.types import Camera

CAMERA = Camera.from_matrix([[900, 0, 640], [0, 900, 360], [0, 0, 1]], [-0.1, 0.02, 0, 0, 0], (1280, 720))
POSITION = np.array([0.1, 0.05, 0.7])


UPRIGHT = Rotation.identity()


def a_head(size=1.0, yaw=0.0, iris_m=IRIS_M, position=POSITION, turn=None, eyes=UPRIGHT):
    """A (478, 3) mesh of a head of some size with irises of an absolute one, its rays, and the pose.

    It is turned by degrees of yaw, or by any turn, from looking against the camera's axis, the irises by a further one.
    """
    turn = Rotation.from_euler("y", yaw, degrees=True) if turn is None else turn
    surface = size * head_points() @ (turn.as_matrix() @ HEAD_FROM_REFERENCE.T).T + position
    topology, irises = face_topology(), np.zeros((10, 3))
    iris_sizes_m = np.broadcast_to(iris_m, 2)
    for side, size_m in zip(("right", "left"), iris_sizes_m, strict=True):
        middle = surface[topology.loops[f"{side}_eye"]].mean(axis=0)
        rim = (turn * eyes).apply([[0, 0, 0], [1, 0, 0], [0, -1, 0], [-1, 0, 0], [0, 1, 0]])
        irises[topology.groups[f"{side}_iris"].astype(int) - 468] = middle + 0.5 * size_m * rim
    points = np.concatenate([surface, irises])
    relief = (points[:, 2] - points[:, 2].mean()) * CAMERA.matrix[0, 0] / position[2]
    mesh = np.column_stack([project(CAMERA, points), relief]).astype(np.float32)
    seen = rays(CAMERA, mesh[:, :2])
    return mesh, seen, solve(mesh, seen, CAMERA)


@pytest.mark.parametrize("size", [0.8, 1.0, 1.15])
def test_irises_tell_the_size_of_the_head(size):
    assert iris_factor(*a_head(size)) == pytest.approx(size, rel=0.02)


@pytest.mark.parametrize("distance", [0.3, 0.6, 1.2])
def test_the_distance_by_irises_does_not_depend_on_the_assumed_size(distance):
    position = np.array([0.05, 0.0, distance])
    mesh, seen, solution = a_head(0.85, position=position)
    assert iris_factor(mesh, seen, solution) * solution.position == pytest.approx(position, rel=0.02, abs=2e-3)


AHEAD = np.array([0.0, 0.0, 0.7])


@pytest.mark.parametrize(
    ("angles", "roll"), [((0, 0), 0), ((29, 0), 0), ((-29, 0), 40), ((0, 28), 0), ((20, 20), 0), ((-20, 20), 160)]
)
def test_an_iris_tells_the_same_size_whichever_way_the_head_is_turned(angles, roll):
    turn = Rotation.from_euler("ZYX", [roll, *angles], degrees=True)
    mesh, seen, solution = a_head(0.9, turn=turn, position=AHEAD)
    assert iris_factor(mesh, seen, solution) == pytest.approx(0.9, rel=0.01)


@pytest.mark.parametrize("angles", [(25, 0), (0, 25), (25, 15), (-15, 25)])
def test_an_iris_tells_the_same_size_whichever_way_it_looks(angles):
    eyes = Rotation.from_euler("YX", angles, degrees=True)
    assert iris_factor(*a_head(0.9, eyes=eyes, position=AHEAD)) == pytest.approx(0.9, rel=0.01)


def closed(mesh):
    lids = face_topology().loops["left_eye"]
    mesh = mesh.copy()
    mesh[lids[9:16], 1] = mesh[lids[[7, 6, 5, 4, 3, 2, 1]], 1] + 1.0
    return mesh


def test_an_iris_that_is_not_seen_well_tells_nothing():
    mesh, seen, solution = a_head()
    assert iris_factor(mesh[:468], seen[:468], solution) is None
    assert iris_factor(closed(mesh), seen, solution) is None
    assert iris_factor(*a_head(yaw=40)) is None
    assert iris_factor(*a_head(position=POSITION * 10)) is None  # 1.5 px
    seen[470] = np.nan
    assert iris_factor(mesh, seen, solution) is None


def test_irises_of_no_size_tell_nothing():
    mesh, seen, solution = a_head(iris_m=0.0)
    assert iris_factor(mesh, seen, solution) is None


@pytest.mark.parametrize(
    ("right", "left", "is_told"), [(1.0, 1.1, True), (1.1, 1.0, True), (1, 1.2, False), (1.2, 1, False)]
)
def test_irises_that_are_not_alike_tell_nothing(right, left, is_told):
    reading = iris_factor(*a_head(iris_m=[right * IRIS_M, left * IRIS_M]))
    assert (reading is not None) == is_told
    assert not is_told or reading == pytest.approx(1 / 1.05, rel=0.02)


ADULT = assumed(1.0)


def after(readings, measure=DEPTH, otherwise=ADULT):
    """What is held of a track after readings, None being an image without one."""
    scale, running = otherwise, RunningScale(measure)
    for reading in readings:
        scale = running.updated(reading, otherwise)
    return scale


@pytest.mark.parametrize("measure", [IRISES, DEPTH])
def test_before_the_first_reading_the_size_is_what_it_would_be_otherwise(measure):
    for readings in ([], [None], [None] * 100):
        assert after(readings, measure) is ADULT


@pytest.mark.parametrize("measure", [IRISES, DEPTH])
def test_once_measured_a_size_stays_measured_however_long_nothing_is_seen(measure):
    measured = after([0.9], measure)
    assert (measured.factor, measured.source) == (0.9, measure.source)
    assert after([0.9] + [None] * 500, measure) == measured


@pytest.mark.parametrize("outlier", [0.3, 0.95, 1.4, 40.0])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 60, 61, 200])
def test_an_outlier_does_not_move_a_head_that_was_measured_before(count, outlier):
    assert after([1.1] * count + [outlier]).factor == 1.1
    assert after([1.1] * count + [outlier, 1.1]).factor == 1.1
    if count > 3:
        assert after([1.1] * count + [outlier]) == after([1.1] * count), "nor makes it less sure"


@pytest.mark.parametrize("wild", [0.2, 3.0])
def test_of_two_readings_the_one_that_is_expected_is_believed(wild):
    assert after([1.1, wild]).factor == after([wild, 1.1]).factor == 1.1
    assert after([1.1, wild]).relative_sd > 0.3


def test_noise_of_single_images_is_smoothed():
    noisy = np.random.default_rng(0).normal(0.9, 0.02, 300)
    held = [after(noisy[:count]).factor for count in range(MEMORY, 300)]
    assert np.std(held) < 0.005 and np.mean(held) == pytest.approx(0.9, abs=0.005)


def test_a_wrong_beginning_is_put_right_within_the_memory():
    wall, head = [1.6] * 1000, 0.95
    assert after(wall).disagrees
    half = MEMORY // 2 + 1
    assert after(wall + [head] * (half - 1)).factor == 1.6
    assert (after(wall + [head] * half).factor, after(wall + [head] * half).disagrees) == (head, False)
    assert after(wall + [head] * half).relative_sd > 0.3, "as long as half of the readings say otherwise"
    assert after(wall + [head] * MEMORY) == after([head])


def test_a_measured_size_is_as_unsure_as_its_readings_differ():
    assert after([0.99, 1.0, 1.01] * 20).relative_sd == DEPTH.sd
    assert after([0.9, 1.0, 1.1] * 20).relative_sd == pytest.approx(0.2 / 1.349, rel=0.01)


def test_the_doubt_about_a_size_by_irises_falls_with_the_readings_to_that_of_irises():
    doubts = [after([0.9] * count, IRISES).relative_sd for count in (1, 6, 7, 30, 61, 200)]
    assert doubts[0] == doubts[1] == pytest.approx(np.hypot(0.043, 0.052)), "readings that follow each other err alike"
    assert doubts[1] > doubts[2] > doubts[3] > doubts[4] == doubts[5] > IRISES.sd
    assert doubts[-1] == pytest.approx(IRISES.sd, rel=0.1)


def test_depth_disagrees_with_what_is_held_otherwise_and_irises_with_nothing():
    child = after([0.7], IRISES)
    assert (child.factor, child.disagrees) == (0.7, False) and child.relative_sd < 0.1
    assert after([0.7]).disagrees and after([0.7]).relative_sd * 0.7 == pytest.approx(1.0 - 0.7)
    assert after([99.0]).disagrees and after([99.0]).relative_sd < 1.0
    assert not after([0.7], otherwise=child).disagrees
    assert after([1.0], otherwise=child).disagrees


def test_the_size_held_otherwise_may_change():
    running = RunningScale(DEPTH)
    assert running.updated(0.6, assumed(1.0)).disagrees
    assert not running.updated(None, assumed(0.6)).disagrees


def test_the_assumed_size_is_as_unsure_as_heads_differ():
    assert assumed(0.9).factor == 0.9 and assumed(0.9).relative_sd == HEAD_SIZE_SD
    assert assumed(0.9).source == "assumed" and not assumed(0.9).disagrees


def depth_of(solution, size=1.0, background=3.0):
    """(720, 1280) float32: a crude depth image of the head, each pixel as deep as the nearest point of the mesh."""
    points = size * solution.points()
    places = np.rint(project(CAMERA, points)).astype(int)
    depth = np.full((720, 1280), background, np.float32)
    for (x, y), z in sorted(zip(places.tolist(), points[:, 2].tolist(), strict=True), key=lambda one: -one[1]):
        depth[y - 3 : y + 4, x - 3 : x + 4] = z
    return depth


@pytest.mark.parametrize("size", [0.85, 1.0, 1.2])
def test_depth_tells_the_size_of_the_head(size):
    _, _, solution = a_head(yaw=15)
    assert depth_factor(depth_of(solution, size), CAMERA, solution) == pytest.approx(size, rel=0.01)


@pytest.mark.parametrize("hole", [0.0, np.nan, np.inf, -1.0])
def test_holes_flying_pixels_and_outliers_do_not_matter(hole):
    random, (_, _, solution) = np.random.default_rng(0), a_head()
    noisy = depth_of(solution, 1.1) + random.normal(0, 0.003, (720, 1280)).astype(np.float32)
    noisy[random.random(noisy.shape) < 0.2] = hole
    noisy[random.random(noisy.shape) < 0.02] = 2.0
    assert depth_factor(noisy, CAMERA, solution) == pytest.approx(1.1, rel=0.02)


def test_a_depth_image_without_the_head_tells_nothing():
    _, _, solution = a_head()
    for empty in (np.zeros((720, 1280), np.float32), np.full((720, 1280), np.nan, np.float32)):
        assert depth_factor(empty, CAMERA, solution) is None
    assert depth_factor(np.ones((2, 2), np.float32), CAMERA, solution) is None


def test_a_wall_where_a_head_should_be_disagrees_and_is_not_held_for_certain():
    _, _, solution = a_head()
    head, wall = (after([depth_factor(depth_of(solution, size), CAMERA, solution)]) for size in (1.0, 4.0))
    assert wall.disagrees and not head.disagrees
    assert wall.relative_sd > 10 * head.relative_sd


def places_of(solution, points):
    return np.rint(project(CAMERA, solution.points()[points])).astype(int)


def test_hidden_points_are_not_asked():
    _, _, solution = a_head(yaw=60)
    depth, seen = depth_of(solution), visibility(solution)[RIGID] >= 1.0
    for points, factor in ((RIGID[seen][8:], 0.0), (RIGID[~seen], 0.9)):  # more are hidden than are left
        for x, y in places_of(solution, points):
            depth[y - 2 : y + 3, x - 2 : x + 3] *= factor
    assert depth_factor(depth, CAMERA, solution) == pytest.approx(1.0, rel=0.01)


def test_pixels_that_fly_are_not_asked_even_if_most_do():
    _, _, solution = a_head()
    depth = depth_of(solution)
    for x, y in places_of(solution, RIGID[::3].tolist() + RIGID[1::3].tolist()):
        depth[y, x] *= 1.08
    assert depth_factor(depth, CAMERA, solution) == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("absurd", [1e30, float(np.finfo(np.float32).max), 0.001, -1.0])
def test_depths_that_no_head_has_are_holes(absurd):
    _, _, solution = a_head()
    depth = depth_of(solution, 1.0)
    assert depth_factor(np.full_like(depth, absurd), CAMERA, solution) is None
