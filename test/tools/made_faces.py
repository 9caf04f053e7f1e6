"""Meshes and subjects made up for the tests of the evaluation: every figure can be told by hand."""

import json

import cv2
import numpy as np

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools.evaluation.ibug68 import Ibug68
from facemesh_ros.tools.evaluation.subjects import Found, Result, Subject
from facemesh_ros.topology import face_topology

EYE_SHARE = 0.6
"""Distance of the outer corners of the eyes, as a share of the size."""


def mesh_at(center_xy=(50.0, 50.0), size=100.0):
    """(468, 3) float32: a round outline as wide as ``size`` px, the rest inside, the nose in the middle."""
    topology = face_topology(468)
    grid = np.stack(np.meshgrid(np.linspace(-0.3, 0.3, 26), np.linspace(-0.3, 0.3, 18)), axis=-1).reshape(-1, 2)
    points = np.concatenate([grid, np.zeros((468, 1))], axis=1)
    angles = np.linspace(0.0, 2.0 * np.pi, 36, endpoint=False)
    points[topology.loops["face_oval"], :2] = 0.5 * np.stack([np.sin(angles), -np.cos(angles)], axis=1)
    points[topology.points["nose_tip"], :2] = 0.0
    points[33, :2], points[263, :2] = (-EYE_SHARE / 2.0, -0.1), (EYE_SHARE / 2.0, -0.1)
    return (points * size + [*center_xy, 0.0]).astype(np.float32)


def points68_at(center_xy=(50.0, 50.0), size=100.0):
    """(68, 2): the annotation that a mesh there fits exactly."""
    return Ibug68().points(mesh_at(center_xy, size))


def found(center_xy=(50.0, 50.0), size=100.0, identity=None):
    return Found(mesh_at(center_xy, size), identity=identity)


def result(*faces, ms=1.0):
    return Result(tuple(faces), ms)


class Scripted(Subject):
    """Answers with the results that it was given, one after the other; an error among them is raised."""

    def __init__(self, name="scripted", stills=(), frames=()):
        self.name = name
        self._stills, self._frames = iter(stills), list(frames)
        self._next = iter(())
        self.stamps = []

    def still(self, image_rgb):
        return self._answer(self._stills)

    def begin_stream(self):
        self._next = iter(self._frames)

    def frame(self, image_rgb, stamp):
        self.stamps.append(stamp)
        return self._answer(self._next)

    def about(self):
        return {"version": "made up"}

    @staticmethod
    def _answer(supply):
        answer = next(supply)
        if isinstance(answer, FaceMeshError):
            raise answer
        return answer


def write_image(path, image=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((120, 160, 3), 90, np.uint8) if image is None else image)


def write_gt(folder, items):
    """Write gt/gt.json of (image, source, complete, faces) and a picture for each."""
    names = ("image", "source", "complete", "faces")
    (folder / "gt").mkdir(parents=True, exist_ok=True)
    table = {"items": [dict(zip(names, item, strict=True)) for item in items]}
    (folder / "gt" / "gt.json").write_text(json.dumps(table))
    for name, *_ in items:
        write_image(folder / name)


def annotated(center_xy=(50.0, 50.0), size=100.0, **more):
    return {"pts68": points68_at(center_xy, size).tolist(), **more}


def write_counted(folder, items):
    """Write images/images.json of (file, n_faces, tags) and a picture for each."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    table = [dict(zip(("file", "n_faces", "tags"), item, strict=True)) for item in items]
    (folder / "images" / "images.json").write_text(json.dumps(table))
    for name, *_ in items:
        write_image(folder / name)


def write_clip_of(folder, frames, name="clip.avi", rate_hz=10.0, frame_bgr=None):
    path = folder / "video" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate_hz, (160, 120))
    for index in range(frames):
        writer.write(np.full((120, 160, 3), 90, np.uint8) if frame_bgr is None else frame_bgr(index))
    writer.release()
    return path


def write_motion(path, present, affines=None):
    identity = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    rows = ["frame,present,a00,a01,a02,a10,a11,a12,brightness"]
    for frame, here in enumerate(present):
        values = identity if affines is None else affines[frame]
        rows.append(",".join(map(str, (frame, int(here), *values, 1.0))))
    path.write_text("\n".join(rows) + "\n")
