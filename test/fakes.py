"""Stand-ins with no weights, for scenarios that pictures cannot give: who is who when faces cross, leave and return."""

from dataclasses import dataclass

import numpy as np

from facemesh_ros.types import Detection, Mesh

OVAL = np.stack([np.cos(np.linspace(0, 2 * np.pi, 468)), np.sin(np.linspace(0, 2 * np.pi, 468)), np.zeros(468)], axis=1)
RELIEF = 0.5
"""Of the depth of a face, in half widths: two people differ by more than one ever changes (test_identity.py)."""


def face_points(center_xy, size=100.0, angle=0.0, person=0):
    """(468, 3) float32: an oval as wide as ``size`` px, its outer eye corners level at ``angle`` rad.

    People differ in depth alone, so that their regions do not.
    """
    points = OVAL.copy()
    points[:, 2] = RELIEF * np.random.default_rng(person).normal(size=468)
    points[33], points[263] = [-0.6, -0.2, 0.0], [0.6, -0.2, 0.0]
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return ((points @ turn.T) * size / 2 + [*center_xy, 0.0]).astype(np.float32)


def face_mesh(center_xy, size=100.0, presence=0.99, angle=0.0, person=0):
    return Mesh(face_points(center_xy, size, angle, person), presence)


def face_detection(center_xy, size=100.0, score=0.9):
    x, y = center_xy
    half = size / 2
    eyes = [[x - 20, y], [x + 20, y]]
    return Detection(np.array([x - half, y - half, x + half, y + half]), np.array(eyes + [[x, y]] * 4), score)


@dataclass(frozen=True)
class Person:
    """Somebody in front of the camera."""

    center_xy: tuple[float, float]
    person: int = 0
    """Who: gives the face its shape."""
    size: float = 100.0
    presence: float = 0.99
    """What the mesh network says of this face."""
    depth: float = 1.0
    """The nearer hides the farther where half of the face is covered."""
    score: float = 0.9
    """What the detector says of this face; 0 when it overlooks it."""

    def distance(self, xy):
        return float(np.abs(np.subtract(self.center_xy, xy)).max())


def in_sight(people):
    """Return those whose faces are not hidden behind others."""
    hidden = {q for p in people for q in people if p.depth < q.depth and q.distance(p.center_xy) < p.size / 2}
    return [person for person in people if person not in hidden]


def meshes_of(rois, people):
    """Do as the mesh network does: return the face that is nearest to the middle of each region, or a poor mesh."""
    return [_mesh_of(roi, in_sight(people)) for roi in rois]


def _mesh_of(roi, people):
    near = [person for person in people if person.distance(roi.center_xy) < roi.size / 3]
    if not near:
        return face_mesh(roi.center_xy, roi.size / 1.5, presence=0.0)
    one = min(near, key=lambda person: person.distance(roi.center_xy))
    return face_mesh(one.center_xy, one.size, one.presence, person=one.person)


def detections_of(people):
    """Do as the detector does: return the faces in sight, the best first."""
    seen = sorted(in_sight(people), key=lambda person: -person.score)
    return [face_detection(person.center_xy, person.size, person.score) for person in seen if person.score > 0.0]
