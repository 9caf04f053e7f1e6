"""Who is who over whole videos of the evaluation data, which are not part of the repository."""

import itertools

import cv2
import numpy as np

from facemesh_ros import Config, FaceMesher


def clip(path):
    """Yield the images of a video, RGB."""
    video = cv2.VideoCapture(str(path))
    while (image := video.read()[1]) is not None:
        yield np.ascontiguousarray(image[..., ::-1])


def test_a_person_who_is_absent_jumps_and_gets_dark_keeps_one_id(networks, shared_data):
    """Absent for half a second (images 150 to 164), a jump of one face width at 225, almost dark from 240 to 269."""
    mesher = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 4}))
    published = [
        [face.track_id for face in mesher.process(image, index / 30)]
        for index, image in enumerate(clip(shared_data / "video" / "synth_motion_dev.mp4"))
    ]
    assert published == [[] if 150 <= index < 165 else [1] for index in range(300)]


def test_a_crowd_that_the_camera_passes_has_one_id_a_person(networks, shared_data):
    """A person is told by where the face is: no two images in a row show one id at places far apart."""
    mesher = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 10}))
    (path,) = (shared_data / "video").glob("yakhyo*.mp4")
    places = {}
    for index, image in enumerate(clip(path)):
        for face in mesher.process(image, index / 30):
            places.setdefault(face.track_id, []).append((index, face.mesh.points[:, :2].mean(axis=0)))
    for steps in places.values():
        for (before, xy), (after, later_xy) in itertools.pairwise(steps):
            assert np.abs(later_xy - xy).max() < 12.0 * (after - before), "px in one image: a twelfth of a face"
    assert len(places) == 7
