"""The 68 points from a mesh."""

import json

import numpy as np
import pytest

from facemesh_ros.errors import InputError
from facemesh_ros.tools.evaluation.ibug68 import INNER, Ibug68
from facemesh_ros.topology import face_topology, mirror_points, reference_face


def numbered_mesh():
    return np.stack([np.arange(478.0), -np.arange(478.0), np.zeros(478)], axis=1)


def test_each_of_the_68_is_one_point_of_the_surface_and_none_serves_twice():
    indices = [group[0] for group in Ibug68().groups]
    assert len(set(indices)) == 68 and max(indices) < 468


def test_the_builtin_mapping_agrees_with_the_topology_on_what_both_name():
    indices, topology = [group[0] for group in Ibug68().groups], face_topology(478)
    assert (indices[36], indices[45]) == (topology.points["right_eye_outer"], topology.points["left_eye_outer"])
    assert (indices[48], indices[54]) == (topology.points["mouth_right"], topology.points["mouth_left"])
    assert (indices[8], indices[30]) == (topology.points["chin"], topology.points["nose_tip"])
    assert set(indices[:17]) <= set(topology.loops["face_oval"].tolist()) | {234, 127}
    assert set(indices[36:42]) <= set(topology.loops["right_eye"].tolist())
    assert set(indices[60:68]) <= set(topology.loops["lips_inner"].tolist())


MIRRORED68 = [
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
]  # fmt: skip
"""Which point of iBUG-68 each one is in a mirror."""


def test_the_builtin_mapping_is_symmetric():
    indices = np.array([group[0] for group in Ibug68().groups])
    assert mirror_points()[indices].tolist() == indices[MIRRORED68].tolist()


def test_the_builtin_mapping_runs_over_a_face_as_the_annotation_does():
    """From the person's right to the left along the jaw, each eyebrow, the nostrils and the lips."""
    x, y = Ibug68().points(reference_face()).T
    for row in (x[:17], x[17:22], x[22:27], x[31:36], x[48:55], x[60:65], y[27:31]):
        assert (np.diff(row) > 0.0).all()
    for row in (x[54:60], x[64:68]):
        assert (np.diff(row) < 0.0).all()
    for eye in (36, 42):
        assert (np.diff(x[eye : eye + 4]) > 0.0).all() and y[eye + 1] < y[eye + 5] and y[eye + 2] < y[eye + 4]


def test_the_points_are_those_of_the_mesh_without_depth():
    points = Ibug68().points(numbered_mesh())
    assert points.shape == (68, 2)
    assert points[30].tolist() == [4.0, -4.0]
    assert len(points[INNER]) == 51


def test_several_indices_are_averaged():
    groups = ((10, 20),) + ((3,),) * 67
    assert Ibug68(groups).points(numbered_mesh())[:2].tolist() == [[15.0, -15.0], [3.0, -3.0]]


def test_a_mapping_is_read_from_a_file(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps({"maps": {"R": [[5, 7], 9] + [[1]] * 66}}))
    assert Ibug68.from_file(tmp_path / "m.json").groups[:3] == ((5, 7), (9,), (1,))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"maps": {}}', '{"maps": {"R": [[1]]}}', json.dumps({"maps": {"R": [[468]] * 68}})]
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(InputError, match=r"must (be JSON|have 68)"):
        Ibug68.from_file(tmp_path / "m.json")
