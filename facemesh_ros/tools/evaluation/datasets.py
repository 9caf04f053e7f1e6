"""Folders with annotated pictures, pictures with a known number of faces, and clips.

    DATA/gt/gt.json           {"items": [{"image", "source", "complete", "faces": [{"pts68", ...}]}]}
    DATA/images/images.json   [{"file", "n_faces", "tags"}]
    DATA/video/*.mp4, ...     beside one, ``<stem>_gt.csv`` (frame, present, a00..a12) gives the motion of the picture
    DATA/mediapipe_expected/portrait.jpg   that picture
    DATA/mapping68.json       another choice of the 68 points

Any of the first three may be missing. Pictures are named relative to DATA.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.errors import InputError
from facemesh_ros.tools.evaluation.accuracy import eye_distance68, face_size
from facemesh_ros.tools.evaluation.ibug68 import Ibug68
from facemesh_ros.tools.evaluation.motion import Motion
from facemesh_ros.tools.evaluation.rotations import NAMES, Angles
from facemesh_ros.types import UInt8

KINDS = ("gt", "images", "videos")
GT, IMAGES, VIDEO = Path("gt/gt.json"), Path("images/images.json"), Path("video")
PICTURE = Path("mediapipe_expected/portrait.jpg")
MAPPING = Path("mapping68.json")
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
_UINT16_PER_UINT8 = 257.0
"""65535 / 255."""
_AFFINE = ("a00", "a01", "a02", "a10", "a11", "a12")

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class AnnotatedFace:
    """A face whose points are known."""

    points68: NDArray[np.float64]
    """(68, 2) px, iBUG order; the centre of the top-left pixel is (0, 0)."""
    size_px: float
    """√(width·height) of the points' box."""
    pose: Angles | None
    """Measured."""
    yaw: float | None
    """Degrees, for binning only: of the pose, else an estimate."""
    ignore: bool
    """Finding it and missing it are the same."""


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """A picture with annotated faces."""

    path: Path
    name: str
    """Relative to DATA."""
    source: str
    complete: bool
    """Every face is annotated, so that any other one found is false."""
    faces: tuple[AnnotatedFace, ...]


@dataclass(frozen=True)
class CountedImage:
    """A picture with a known number of faces."""

    path: Path
    name: str
    count: int | None
    """None: not counted."""
    tags: str


@dataclass(frozen=True)
class Clip:
    """A video."""

    path: Path
    name: str
    truth: Path | None
    """CSV with the motion of the picture."""


@dataclass(frozen=True)
class Data:
    """What a folder holds."""

    folder: Path
    annotated: tuple[AnnotatedImage, ...]
    counted: tuple[CountedImage, ...]
    clips: tuple[Clip, ...]
    picture: Path | None
    """What clips with known motion are made of."""
    mapping: Ibug68


def read_data(folder: Path, kinds: tuple[str, ...] = KINDS, limit: int | None = None) -> Data:
    """Read the tables of a folder; pictures are not opened yet.

    Args:
        folder: DATA.
        kinds: those of :data:`KINDS` that are wanted.
        limit: at most so many items of each kind, the first ones; None for all.

    Raises:
        InputError: the folder or everything wanted in it is missing, or a table is not as described above.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; DATA is a folder with {_described(KINDS)}: check the name")
    annotated = _table(folder / GT, lambda table: _annotated(folder, table)) if "gt" in kinds else []
    counted = _table(folder / IMAGES, lambda table: _counted(folder, table)) if "images" in kinds else []
    clips = _clips(folder) if "videos" in kinds else []
    if not (annotated or counted or clips):
        raise InputError(f"the folder {folder} has nothing to evaluate; looked for {_described(kinds)}: check the name")
    return Data(
        folder=folder,
        annotated=tuple(annotated[:limit]),
        counted=tuple(counted[:limit]),
        clips=tuple(clips[:limit]),
        picture=folder / PICTURE if (folder / PICTURE).is_file() else None,
        mapping=Ibug68.from_file(folder / MAPPING) if (folder / MAPPING).is_file() else Ibug68(),
    )


def _described(kinds: tuple[str, ...]) -> str:
    places = {"gt": str(GT), "images": str(IMAGES), "videos": f"{VIDEO}/*{{{','.join(sorted(VIDEO_SUFFIXES))}}}"}
    return " or ".join(places[kind] for kind in kinds)


def _table(path: Path, parse: Callable[[Any], list[T]]) -> list[T]:
    """Parse a JSON file; nothing where there is none."""
    if not path.is_file():
        return []
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not as it should be ({type(error).__name__}: {error}); the format is in docs/evaluation.md"
        ) from error


def _annotated(folder: Path, table: Any) -> list[AnnotatedImage]:
    return [
        AnnotatedImage(
            path=folder / item["image"],
            name=item["image"],
            source=str(item.get("source", "unnamed")),
            complete=bool(item.get("complete", False)),
            faces=tuple(_face(face) for face in item["faces"]),
        )
        for item in table["items"]
    ]


def _face(face: dict[str, Any]) -> AnnotatedFace:
    points = np.asarray(face["pts68"], np.float64)
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise ValueError(f"pts68 has shape {points.shape}; it must be 68 finite x, y")
    if eye_distance68(points) == 0.0:
        raise ValueError("the outer corners of the eyes, 36 and 45 of pts68, are the same point")
    pose = _angles(face.get("pose"))
    binned = pose if pose is not None else _angles(face.get("pose_approx"))
    return AnnotatedFace(
        points68=points,
        size_px=float(face.get("bbox_size", face_size(points))),
        pose=pose,
        yaw=None if binned is None else binned.yaw,
        ignore=bool(face.get("ignore", False)),
    )


def _angles(pose: dict[str, float] | None) -> Angles | None:
    return None if pose is None else Angles(**{name: float(pose[name]) for name in NAMES})


def _counted(folder: Path, table: Any) -> list[CountedImage]:
    return [
        CountedImage(
            path=folder / item["file"],
            name=item["file"],
            count=None if item["n_faces"] is None else int(item["n_faces"]),
            tags=str(item.get("tags", "")),
        )
        for item in table
    ]


def _clips(folder: Path) -> list[Clip]:
    videos = sorted(path for path in (folder / VIDEO).glob("*") if _is_video(path))
    truths = [path.with_name(f"{path.stem}_gt.csv") for path in videos]
    return [
        Clip(path, str(path.relative_to(folder)), truth if truth.is_file() else None)
        for path, truth in zip(videos, truths, strict=True)
    ]


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()


def read_motion(path: Path) -> Motion:
    """Read the CSV beside a clip.

    Raises:
        InputError: it lacks a column, has a value that is no number, or no row.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = sorted(csv.DictReader(file), key=lambda row: int(row["frame"]))
        present = np.array([int(row["present"]) != 0 for row in rows])
        affines = np.array([[float(row[name]) for name in _AFFINE] for row in rows]).reshape(len(rows), 2, 3)
        if [int(row["frame"]) for row in rows] != list(range(len(rows))) or not rows:
            raise ValueError("its frames must be 0, 1, 2, ...")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not as it should be ({type(error).__name__}: {error}); it must have the columns frame, "
            f"present, {', '.join(_AFFINE)}, with a row for every frame"
        ) from error
    return Motion(present, affines)


def read_image_rgb(path: Path) -> UInt8:
    """Read a picture as (H, W, 3) uint8 RGB, not turned by its EXIF tag, 16 bit rounded to 8, alpha dropped.

    Raises:
        InputError: there is no such file, or OpenCV cannot read it.
    """
    try:
        encoded = np.fromfile(path, np.uint8)
        image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if len(encoded) else None
    except (OSError, cv2.error) as error:
        raise InputError(f"the picture {path} cannot be read: {' '.join(str(error).split())}") from error
    if image is None:
        raise InputError(f"the picture {path} cannot be read: OpenCV does not know the format, or it is cut short")
    if image.dtype == np.uint16:
        image = np.round(image / _UINT16_PER_UINT8).astype(np.uint8)
    if image.dtype != np.uint8:
        raise InputError(f"the picture {path} has values of {image.dtype}; 8 and 16 bit are taken: convert it")
    channels = image[..., None].repeat(3, axis=2) if image.ndim == 2 else image[..., 2::-1]
    return np.ascontiguousarray(channels)
