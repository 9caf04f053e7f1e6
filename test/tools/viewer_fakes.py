"""Faces, pictures and sources with no networks, for the tests of the web page."""

import threading
from dataclasses import replace

import cv2
import numpy as np

from facemesh_ros.types import Eyes, Face, Gaze, HeadPose, Mesh, Mouth, Roi

FOCAL_PX, CENTRE_XY = 500.0, (320.0, 240.0)


def a_face(track_id=1, points=478):
    raw = np.random.default_rng(track_id).normal(200.0, 30.0, (points, 3)).astype(np.float32)
    mesh = Mesh(raw, 0.75)
    return Face(track_id, Roi((200.0, 200.0), 150.0, 0.1), mesh, mesh)


def metric(face, distance_m=0.6):
    """Return the face with all that a calibrated camera gives: points in metres on its rays, a head pose, a gaze."""
    points = face.smoothed.points.astype(np.float64)
    z = distance_m + 1e-3 * np.random.default_rng(face.track_id).normal(0.0, 20.0, len(points))
    xy = (points[:, :2] - CENTRE_XY) / FOCAL_PX * z[:, None]
    camera_from_head = np.eye(4)
    camera_from_head[:3, :3] = [[0, 1, 0], [0, 0, -1], [-1, 0, 0]]  # it faces the camera
    camera_from_head[:3, 3] = 0.01, 0.02, distance_m
    return replace(
        face,
        pose=HeadPose(camera_from_head, 0.5, np.eye(6)),
        points_m=np.column_stack([xy, z]).astype(np.float32),
        eyes=Eyes(0.3, 0.1, False, True),
        mouth=Mouth(0.2),
        gaze=Gaze((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), "iris", origin_m=(0.01, 0.02, distance_m), is_looking=True),
    )


def a_jpeg(size_wh=(64, 48), value=90):
    return cv2.imencode(".jpg", np.full((size_wh[1], size_wh[0], 3), value, np.uint8))[1].tobytes()


class FakeMesher:
    """Finds one face in every picture, when it may."""

    def __init__(self):
        self.may_work = threading.Event()
        self.may_work.set()
        self.images = []

    def process(self, image_rgb, stamp):
        self.images.append(image_rgb)
        assert self.may_work.wait(20.0)
        return (a_face(),)
