"""Stand-ins with no weights, for scenarios that pictures cannot give: who is who when faces cross, leave and return."""

import numpy as np

from facemesh_ros.types import Detection, Mesh

OVAL = np.stack([np.cos(np.linspace(0, 2 * np.pi, 468)), np.sin(np.linspace(0, 2 * np.pi, 468)), np.zeros(468)], axis=1)


def face_points(center_xy, size=100.0, angle=0.0):
    """(468, 3) float32: an oval as wide as ``size`` px, its outer eye corners level at ``angle`` rad."""
    points = OVAL.copy()
    points[33], points[263] = [-0.6, -0.2, 0.0], [0.6, -0.2, 0.0]
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return ((points @ turn.T) * size / 2 + [*center_xy, 0.0]).astype(np.float32)


def face_mesh(center_xy, size=100.0, presence=0.99, angle=0.0):
    return Mesh(face_points(center_xy, size, angle), presence)


def face_detection(center_xy, size=100.0, score=0.9):
    x, y = center_xy
    half = size / 2
    eyes = [[x - 20, y], [x + 20, y]]
    return Detection(np.array([x - half, y - half, x + half, y + half]), np.array(eyes + [[x, y]] * 4), score)
