"""This library as a subject."""

import numpy as np
import pytest
from made_faces import found, mesh_at, result

from facemesh_ros import Config, FaceMesher
from facemesh_ros.tools.evaluation.subjects import Found, Library


def test_a_shift_is_taken_off_x_and_y_of_raw_and_smoothed():
    face = Found(mesh_at((50, 50)), mesh_at((60, 50)), identity=4, presence=0.5)
    (shifted,) = result(face).shifted(0.5).faces
    np.testing.assert_allclose(shifted.points, face.points - [0.5, 0.5, 0.0])
    np.testing.assert_allclose(shifted.smoothed, face.smoothed - [0.5, 0.5, 0.0])
    assert (shifted.identity, shifted.presence) == (4, 0.5)


def test_no_shift_leaves_everything_as_it_is():
    one = result(found(), ms=3.0)
    assert one.shifted(0.0) is one
    assert one.shifted(1.0).ms == 3.0


@pytest.fixture(scope="module")
def library(networks):
    return Library(Config.from_dotted({"device": "cpu"}), still_faces=3, stream_faces=2, version="1.2.3")


@pytest.mark.models
def test_the_library_finds_the_face_in_a_picture_and_in_a_stream(library, face_rgb):
    (still,) = library.still(face_rgb).faces
    library.begin_stream()
    first = library.frame(face_rgb, 0.0)
    (second,) = library.frame(face_rgb, 0.1).faces
    assert first.ms > 0.0
    assert still.points.shape == second.points.shape == (478, 3)
    assert second.identity == first.faces[0].identity and second.smoothed is not None


@pytest.mark.models
def test_a_new_stream_knows_no_one(library, face_rgb):
    library.begin_stream()
    (before,) = library.frame(face_rgb, 0.0).faces
    library.begin_stream()
    (after,) = library.frame(face_rgb, 0.0).faces
    assert before.identity != after.identity


@pytest.mark.models
def test_the_library_says_what_it_is(library):
    about = library.about()
    assert (about["version"], about["device"]) == ("1.2.3", "cpu")
    assert about["threads"] >= 1
    assert (about["config"]["max_faces"], about["config"]["max_faces (stills)"]) == (2, 3)


def test_the_assumed_camera_of_a_picture_tells_its_pose_and_leaves_its_mesh_as_it_is(networks, face_rgb):
    config = Config.from_dotted({"device": "cpu"})
    (found,) = Library(config, 1, 1, "").still(face_rgb).faces
    (face,) = FaceMesher(config.with_dotted({"max_faces": 1})).process_still(face_rgb)
    assert found.camera_from_head is not None
    assert np.array_equal(found.points, face.mesh.points)
