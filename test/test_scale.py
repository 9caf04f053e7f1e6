import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facemesh_ros.head import HEAD_FROM_REFERENCE, head_points
from facemesh_ros.lens import project, rays
from facemesh_ros.pose import solve, visibility
from facemesh_ros.scale import HEAD_SIZE_SD, IRIS_M, IrisScale, assumed, iris_factor, scaled_by_depth
from facemesh_ros.topology import RIGID, face_topology
from facemesh_ros.types import Camera

CAMERA = Camera.from_matrix([[900, 0, 640], [0, 900, 360], [0, 0, 1]], [-0.1, 0.02, 0, 0, 0], (1280, 720))
POSITION = np.array([0.1, 0.05, 0.7])


def a_head(size=1.0, yaw=0.0, iris_m=IRIS_M, position=POSITION):
    """A (478, 3) mesh of a head of some size with irises of an absolute one, its rays, and the pose."""
    rotation = Rotation.from_euler("y", yaw, degrees=True).as_matrix() @ HEAD_FROM_REFERENCE.T
    surface = size * head_points() @ rotation.T + position
    topology, irises = face_topology(), np.zeros((10, 3))
    for side in ("right", "left"):
        middle = surface[topology.loops[f"{side}_eye"]].mean(axis=0)
        rim = [[1, 0, 0], [0, -1, 0], [-1, 0, 0], [0, 1, 0]]
        irises[topology.groups[f"{side}_iris"].astype(int) - 468] = middle + 0.5 * iris_m * np.array([[0, 0, 0], *rim])
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
    assert iris_factor(mesh, seen, solution) * solution.position == pytest.approx(position, rel=0.02, abs=1e-4)


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


def test_a_track_keeps_the_median_of_its_irises():
    irises, good = IrisScale(), a_head(0.9)
    assert irises.updated(*a_head(yaw=40)) is None
    for _ in range(5):
        irises.updated(*good)
    scale = irises.updated(*a_head(iris_m=0.02))
    assert scale.factor == pytest.approx(0.9, rel=0.02) and scale.source == "iris"
    assert irises.updated(*a_head(yaw=40)) == scale, "it stays while the irises are not seen"


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
    scale = scaled_by_depth(depth_of(solution, size), CAMERA, solution)
    assert scale.factor == pytest.approx(size, rel=0.01) and scale.source == "depth" and not scale.disagrees


@pytest.mark.parametrize("hole", [0.0, np.nan, np.inf, -1.0])
def test_holes_flying_pixels_and_outliers_do_not_matter(hole):
    random, (_, _, solution) = np.random.default_rng(0), a_head()
    noisy = depth_of(solution, 1.1) + random.normal(0, 0.003, (720, 1280)).astype(np.float32)
    noisy[random.random(noisy.shape) < 0.2] = hole
    noisy[random.random(noisy.shape) < 0.02] = 2.0
    assert scaled_by_depth(noisy, CAMERA, solution).factor == pytest.approx(1.1, rel=0.02)


def test_a_depth_image_without_the_head_tells_nothing():
    _, _, solution = a_head()
    for empty in (np.zeros((720, 1280), np.float32), np.full((720, 1280), np.nan, np.float32)):
        assert scaled_by_depth(empty, CAMERA, solution) is None
    assert scaled_by_depth(np.ones((2, 2), np.float32), CAMERA, solution) is None


def test_a_wall_where_a_head_should_be_disagrees():
    _, _, solution = a_head()
    assert scaled_by_depth(np.full((720, 1280), 2.0, np.float32), CAMERA, solution).disagrees
    assert not scaled_by_depth(depth_of(solution), CAMERA, solution).disagrees
    assert scaled_by_depth(depth_of(solution), CAMERA, solution, head_scale=0.6).disagrees


def places_of(solution, points):
    return np.rint(project(CAMERA, solution.points()[points])).astype(int)


def test_hidden_points_are_not_asked():
    _, _, solution = a_head(yaw=60)
    depth, seen = depth_of(solution), visibility(solution)[RIGID] >= 1.0
    for points, factor in ((RIGID[seen][8:], 0.0), (RIGID[~seen], 0.9)):  # more are hidden than are left
        for x, y in places_of(solution, points):
            depth[y - 2 : y + 3, x - 2 : x + 3] *= factor
    assert scaled_by_depth(depth, CAMERA, solution).factor == pytest.approx(1.0, rel=0.01)


def test_pixels_that_fly_are_not_asked_even_if_most_do():
    _, _, solution = a_head()
    depth = depth_of(solution)
    for x, y in places_of(solution, RIGID[::3].tolist() + RIGID[1::3].tolist()):
        depth[y, x] *= 1.08
    assert scaled_by_depth(depth, CAMERA, solution).factor == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("absurd", [1e30, float(np.finfo(np.float32).max), 0.001, -1.0])
def test_depths_that_no_head_has_are_holes(absurd):
    _, _, solution = a_head()
    depth = depth_of(solution, 1.0)
    assert scaled_by_depth(np.full_like(depth, absurd), CAMERA, solution) is None


def test_a_depth_that_disagrees_is_not_held_for_certain():
    _, _, solution = a_head()
    near, wall = (scaled_by_depth(depth_of(solution, factor), CAMERA, solution) for factor in (1.0, 4.0))
    assert not near.disagrees and wall.disagrees
    assert wall.relative_sd > 10 * near.relative_sd
