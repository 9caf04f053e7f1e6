"""Agreement with MediaPipe 0.10.21 on the same pictures; test/data/PROVENANCE.md says how its results were recorded.

The reference meshes a face once, from the detector's region: what we do beyond that is off here.
"""

import os
import re
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from facemesh_ros import Config, FaceMesher
from facemesh_ros.tools.moving_face import MovingFace, picture_bgr

DATA = Path(__file__).parent / "data"
PORTRAIT = (
    Path(os.environ.get("FACEMESH_EVALUATION_DATA", Path(__file__).parents[2] / "shared" / "data"))
    / "mediapipe_expected"
)
POINTS_OF = {"mesh": "468", "attention": "478"}
STILL_MEAN_PX, TRACKING_MEAN_PX, TRACKING_WORST_PX, PORTRAIT_MEAN_PX = 0.01, 0.05, 0.5, 0.05
"""Tolerances of the parity with MediaPipe 0.10.21 that the project promises."""


AS_REFERENCE = {"mesh.second_pass": False, "mesh.averaged": False, "device": "cpu"}


def distance_px(points, recorded):
    return np.linalg.norm((points - recorded)[..., :2], axis=-1)


@pytest.mark.parametrize("network", POINTS_OF)
def test_a_still_picture_agrees_with_the_reference(networks, moving_face, network):
    golden = np.load(DATA / f"still_{POINTS_OF[network]}.npz")
    assert zlib.crc32(picture_bgr().tobytes()) == golden["crc32"][0]
    (face,) = FaceMesher(Config.from_dotted({"mesh.network": network, **AS_REFERENCE})).process_still(
        picture_bgr()[..., ::-1]
    )
    distances = distance_px(face.mesh.points, golden["points"])
    print(f"still, {network}: {distances.mean():.5f} px mean, {distances.max():.5f} px at worst")
    assert distances.mean() <= STILL_MEAN_PX
    assert np.abs(face.mesh.points[:, 2] - golden["points"][:, 2]).mean() <= STILL_MEAN_PX


@pytest.mark.parametrize("network", POINTS_OF)
def test_ninety_frames_of_a_moving_face_agree_with_the_reference(networks, moving_face, network):
    golden = np.load(DATA / f"tracking_{POINTS_OF[network]}.npz")
    mesher = FaceMesher(Config.from_dotted({"mesh.network": network, "max_faces": 1, **AS_REFERENCE}))
    points = []
    film = MovingFace(tuple(int(side) for side in golden["size_wh"]))
    for index in range(90):
        frame_bgr = film.frame_bgr(index)
        assert zlib.crc32(frame_bgr.tobytes()) == golden["crc32"][index]
        (face,) = mesher.process(frame_bgr[..., ::-1], index / 30)
        assert face.track_id == 1
        points.append(face.mesh.points)
    distances = distance_px(np.stack(points), golden["points"])
    print(f"90 frames, {network}: {distances.mean():.4f} px mean, {distances.max():.4f} px at worst")
    assert distances.mean() <= TRACKING_MEAN_PX
    assert distances.max() <= TRACKING_WORST_PX


@pytest.mark.skipif(not PORTRAIT.is_dir(), reason="no evaluation data: FACEMESH_EVALUATION_DATA names its folder")
def test_the_portrait_agrees_with_the_published_landmarks(networks):
    published = re.findall(
        r"landmark \{\s*x: (\S+)\s*y: (\S+)", (PORTRAIT / "portrait_expected_face_landmarks.pbtxt").read_text()
    )
    image = cv2.cvtColor(cv2.imread(str(PORTRAIT / "portrait.jpg")), cv2.COLOR_BGR2RGB)
    height, width = image.shape[:2]
    (face,) = FaceMesher(Config.from_dotted(AS_REFERENCE)).process_still(image)
    recorded = np.column_stack([np.array(published, float) * [width, height], face.mesh.points[:, 2]])
    assert recorded.shape == (478, 3)
    distances = distance_px(face.mesh.points, recorded)
    print(f"portrait: {distances.mean():.5f} px mean, {distances.max():.5f} px at worst")
    assert distances.mean() <= PORTRAIT_MEAN_PX
