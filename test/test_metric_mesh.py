import numpy as np
import pytest
from test_pose import CAMERA, LENSES, POSES, rendered, solved

from facemesh_ros.head import head_points
from facemesh_ros.lens import project, rays
from facemesh_ros.metric_mesh import metric_points
from facemesh_ros.topology import RIGID


def metric(mesh, camera=CAMERA):
    return metric_points(mesh, rays(camera, mesh[:, :2]), solved(mesh, camera))


@pytest.mark.parametrize("camera", LENSES, ids=lambda camera: f"{camera.model} {len(camera.distortion)}")
@pytest.mark.parametrize("pose", POSES)
def test_the_metric_mesh_is_drawn_where_the_mesh_is(pose, camera):
    mesh = rendered(*pose, camera, noise_px=1.0)
    assert project(camera, metric(mesh, camera)) == pytest.approx(mesh[:, :2], abs=1e-3)


@pytest.mark.parametrize(("rotation", "position"), POSES)
def test_the_metric_mesh_of_a_drawn_head_is_the_head(rotation, position):
    found = metric(rendered(rotation, position))
    truth = head_points() @ rotation.T + position
    assert np.linalg.norm(found - truth, axis=1).max() < 0.01 * position[2]


def test_an_open_mouth_is_open_in_the_metric_mesh():
    shape = head_points().copy()
    jaw = (shape[:, 2] < -0.06) & (np.abs(shape[:, 1]) < 0.04)
    shape[jaw] += [0.0, 0.0, -0.02]
    rotation, position = POSES[0]
    found = metric(rendered(rotation, position, shape=shape))
    truth = shape @ rotation.T + position
    assert np.linalg.norm((found - truth)[jaw], axis=1).max() < 0.006


def test_relief_of_another_scale_is_brought_to_that_of_the_face_and_none_gives_a_mask():
    mesh = rendered(*POSES[0])
    for factor in (0.0, 0.5, 2.0):
        found = metric(mesh * [1, 1, factor])
        assert factor == 0.0 or found == pytest.approx(metric(mesh), abs=5e-3)
        assert np.isfinite(found).all()
        assert found[RIGID, 2].mean() == pytest.approx(metric(mesh)[RIGID, 2].mean(), abs=5e-3)


def test_the_metric_mesh_is_at_the_pose():
    mesh = rendered(*POSES[1])
    assert metric(mesh)[168] == pytest.approx(solved(mesh).position, abs=3e-3)


def test_where_a_point_has_no_ray_there_is_no_metric_mesh():
    mesh = rendered(*POSES[0])
    seen = rays(CAMERA, mesh[:, :2])
    seen[3] = np.nan
    assert metric_points(mesh, seen, solved(mesh)) is None
