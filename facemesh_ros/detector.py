"""Find faces in views of an image: square, network, anchors, decode.

Normalised coordinates do not leave this file. Source of the constants: MediaPipe 0.10.21, face_detection modules
(Apache-2.0); the network is BlazeFace, arXiv 1907.05047.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros.buckets import chunks
from facemesh_ros.candidates import NO_CANDIDATES, Candidates, merged
from facemesh_ros.errors import ModelError
from facemesh_ros.exposure import exposed
from facemesh_ros.geometry import (
    LEFT_EYE_OUTER_CORNER,
    RIGHT_EYE_OUTER_CORNER,
    image_from_crop,
    roi_from_points,
    to_image,
)
from facemesh_ros.picture import AnyImage, Picture
from facemesh_ros.session import Session
from facemesh_ros.spread import each
from facemesh_ros.types import Detection, Float32, Float64, Mesh, Roi, UInt8
from facemesh_ros.views import View
from facemesh_ros.warp import Maps, sampling_maps

CUT_OFF = 0.1
"""Share of a box that may lie outside of the view."""
CLOSE_UP = {"short": 1.6, "full": 3.0}
"""Side of the square in which a mesh is confirmed over that of its region: where each network is at its best."""
AGREEMENT = 0.2
"""Mean distance of the keypoints of detection and mesh over that of the outer eye corners. Measured on 65 labelled
faces: up to 0.17; on pictures without faces: from 0.1 on, mostly over 0.2."""
LOWEST_CERTAINTY = 0.05
"""Scores below it are not looked at."""
_KEYPOINTS = ((33, 133), (362, 263), (4,), (13, 14))
"""Mesh points whose mean is a keypoint: eye corners, nose tip, the inner lips."""
_GRIDS = {896: ((16, 2), (8, 6)), 2304: ((48, 1),)}
"""Number of anchors → (cells a side, anchors a cell) of each grid: short range, full range."""


class Detector:
    """The detection networks, looking at any views of an image."""

    def __init__(self, sessions: Mapping[str, Session], min_score: float) -> None:
        """Take the networks by the names that views call them: short, full.

        Raises:
            ModelError: a network has a number of anchors that no known grid gives.
        """
        self._networks = {name: (session, _anchors_of(session)) for name, session in sessions.items()}
        self._threads = min(session.threads for session in sessions.values())
        """At which views are looked at the same time."""
        self.min_score = min_score

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks at hand."""
        return tuple(self._networks)

    def detect(self, image: AnyImage, views: Iterable[View]) -> tuple[Detection, ...]:
        """Return the faces in views of an image, merged, best score first."""
        return merged(self.look(image, views))

    def look(self, image: AnyImage, views: Iterable[View], min_score: float | None = None) -> Candidates:
        """Return what the networks see in the views, px of the image, not yet merged.

        Args:
            image: a picture, or (H, W, 3) uint8 RGB.
            views: of the image; what a view cuts off is dropped, for another view shows it whole.
            min_score: in the place of the detector's own.
        """
        limit = self.min_score if min_score is None else min_score
        return Candidates.joined(self._each(Picture.of(image), list(views), limit))

    def certainties(self, image: AnyImage, meshes: Sequence[Mesh]) -> list[float]:
        """Return for each mesh how surely the networks see, close up, just the face that it shows, 0..1.

        Each looks at the mesh's own region, upright; the mean of their best scores counts. 0 where one of them sees no
        face there whose eyes, nose and mouth are the mesh's.

        Raises:
            InputError: all points of a mesh coincide.
        """
        by_network = self._close_up(image, meshes, self.networks)
        return [float(np.mean(scores)) if min(scores) > 0.0 else 0.0 for scores in zip(*by_network, strict=True)]

    def glances(self, image: AnyImage, meshes: Sequence[Mesh]) -> list[float]:
        """Return the same from the first network alone, which is the quickest.

        Raises:
            InputError: all points of a mesh coincide.
        """
        (scores,) = self._close_up(image, meshes, self.networks[:1])
        return scores

    def _close_up(self, image: AnyImage, meshes: Sequence[Mesh], networks: Sequence[str]) -> list[list[float]]:
        """Return the scores, network by network, mesh by mesh."""
        regions = [roi_from_points(mesh.points) for mesh in meshes]
        views = [
            View(name, Roi(roi.center_xy, CLOSE_UP[name] * roi.size, roi.angle)) for name in networks for roi in regions
        ]
        seen = iter(self._each(Picture.of(image), views, LOWEST_CERTAINTY))
        return [[_best_score(next(seen), mesh) for mesh in meshes] for _ in networks]

    def _each(self, picture: Picture, views: Sequence[View], min_score: float) -> list[Candidates]:
        """Return what the networks see in each view: on a CPU by threads that share them, on a GPU in batches."""
        batches = []
        for network, (session, _) in self._networks.items():
            places = [place for place, view in enumerate(views) if view.network == network]
            batches += [places[part] for part in chunks(len(places), session.at_once)] if places else []
        looks = each(
            lambda places: self._batch(picture, [views[place] for place in places], min_score), batches, self._threads
        )
        found: dict[int, Candidates] = {}
        for places, look in zip(batches, looks, strict=True):
            found.update(zip(places, look, strict=True))
        return [found[place] for place in range(len(views))]

    def _batch(self, picture: Picture, views: Sequence[View], min_score: float) -> list[Candidates]:
        """Return what one network, which all these views name, sees in each of them."""
        session, anchors = self._networks[views[0].network]
        side = session.input_size
        outputs = session.run(network_input(picture, [view.roi for view in views], side), "regressors", "logits")
        found = []
        for regressors, logits, view in zip(*outputs, views, strict=True):
            likely, scores = _likely(logits, min_score)
            placed = _placed(regressors[likely], anchors[likely] * side, scores, view.roi, side, picture.size_wh)
            found.append(placed)
        return found


def _placed(
    regressors: Float32, anchors_px: Float64, scores: Float64, roi: Roi, side: int, size_wh: tuple[int, int]
) -> Candidates:
    """Return what (K, 16) regressors say, px of the image, but for what the view cuts off."""
    if not len(scores):
        return NO_CANDIDATES
    boxes, keypoints = decode(regressors, anchors_px)
    image_from_input = image_from_crop(roi, side)
    kept = _whole_in_view(boxes, *_image_in_view(*_key(roi), side, *size_wh), side)
    boxes, keypoints = _boxes_to_image(boxes[kept], image_from_input), to_image(keypoints[kept], image_from_input)
    return Candidates(boxes, keypoints, scores[kept])


def _best_score(seen: Candidates, mesh: Mesh) -> float:
    """Return the best score of what has eyes, nose and mouth where the mesh has them; 0 if nothing has."""
    marks = keypoints_of(mesh.points)
    eyes = mesh.points[LEFT_EYE_OUTER_CORNER] - mesh.points[RIGHT_EYE_OUTER_CORNER]
    distances_px = np.linalg.norm(seen.keypoints[:, : len(marks)] - marks, axis=2).mean(axis=1)
    return float(seen.scores[distances_px <= AGREEMENT * float(np.linalg.norm(eyes))].max(initial=0.0))


def _anchors_of(session: Session) -> Float64:
    count = session.output_shapes["regressors"][1]
    if count not in _GRIDS:
        known = ", ".join(map(str, _GRIDS))
        raise ModelError(f"{session.name} gives {count} anchors; known detectors give {known}: install one of them")
    return anchor_centers(count)


@lru_cache
def anchor_centers(count: int) -> Float64:
    """Return the (count, 2) anchor centres, 0..1 of the input square: row by row, all anchors of a cell together."""
    grids = []
    for cells, repeats in _GRIDS[count]:
        ticks = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(ticks, ticks, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeats, axis=0))
    centers = np.concatenate(grids)
    centers.flags.writeable = False  # all detectors share them
    return centers


def keypoints_of(points: Float32) -> Float64:
    """Return where a (468 | 478, 3) mesh has a detection's first four keypoints: eyes, nose tip, mouth; (4, 2) px."""
    xy = points[:, :2].astype(np.float64)
    return np.stack([xy[list(ids)].mean(axis=0) for ids in _KEYPOINTS])


def network_input(picture: Picture, rois: Sequence[Roi], side: int) -> UInt8:
    """Return squares of the image, (N, S, S, 3), bilinear, black outside the image."""
    batch = np.empty((len(rois), side, side, 3), np.uint8)
    for place, roi in zip(batch, rois, strict=True):
        shown = exposed(_square(picture, roi, place), image_from_crop(roi, side), picture.size_wh)
        if shown is not place:
            np.copyto(place, shown)
    return batch


def _square(picture: Picture, roi: Roi, out: UInt8) -> UInt8:
    return picture.cut(_maps(*_key(roi), len(out)), cv2.BORDER_CONSTANT, out)


@lru_cache(maxsize=16)
def _maps(x: float, y: float, size: float, angle: float, side: int) -> Maps:
    return sampling_maps(image_from_crop(Roi(np.array([x, y]), size, angle), side), side)


def _key(roi: Roi) -> tuple[float, float, float, float]:
    """Return a region as numbers by which what is known of it can be looked up."""
    x, y = roi.center_xy.tolist()
    return x, y, roi.size, roi.angle


def _likely(logits: Float32, min_score: float) -> tuple[NDArray[np.intp], Float64]:
    """Return which of the (A,) anchors have at least ``min_score``, and their scores, 0..1."""
    least = math.log(min_score / (1.0 - min_score)) - 1e-3 if 0.0 < min_score < 1.0 else -math.inf
    near = np.flatnonzero(logits >= least)  # the logistic function of a few takes a tenth of the time
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits[near].astype(np.float64), -100.0, 100.0)))
    is_likely = scores >= min_score
    return near[is_likely], scores[is_likely]


def _boxes_to_image(boxes_xyxy: Float64, image_from_input: Float64) -> Float64:
    """Map (K, 4) boxes; a square one keeps its side at any turn of the view."""
    corners = to_image(boxes_xyxy.reshape(-1, 2, 2), image_from_input)
    linear = np.abs(image_from_input[:, :2])
    half = 0.5 * (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) @ linear.T
    scale = math.hypot(*image_from_input[:, 0])
    half *= scale / linear[0].sum()
    center = corners.mean(axis=1)
    return np.concatenate([center - half, center + half], axis=1)


@lru_cache(maxsize=16)
def _image_in_view(
    x: float, y: float, size: float, angle: float, side: int, width: int, height: int
) -> tuple[Float64, Float64]:
    """Return the least and the largest x, y, (2,) each, of the image's corners in a view; read-only."""
    image_from_input = image_from_crop(Roi(np.array([x, y]), size, angle), side)
    image_corners = np.array([[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]])
    corners = (image_corners - image_from_input[:, 2]) @ np.linalg.inv(image_from_input[:, :2]).T
    low, high = corners.min(axis=0), corners.max(axis=0)
    low.flags.writeable = high.flags.writeable = False  # all looks share them
    return low, high


def _whole_in_view(boxes: Float64, low: Float64, high: Float64, side: int) -> NDArray[np.bool_]:
    """Tell which (K, 4) boxes, as far as they lie in the image, lie in the view as well; (K,)."""
    slack = CUT_OFF * (boxes[:, 2:] - boxes[:, :2])
    inside = np.maximum(boxes[:, :2], low) >= -slack
    inside &= np.minimum(boxes[:, 2:], high) <= side + slack
    return np.asarray(inside.all(axis=1), np.bool_)


def decode(regressors: Float32, anchors_px: Float64) -> tuple[Float64, Float64]:
    """Turn (K, 16) regressors and (K, 2) anchor centres into (K, 4) boxes xyxy and (K, 6, 2) keypoints, input px."""
    raw = regressors.astype(np.float64).reshape(-1, 8, 2)
    center, extent = raw[:, 0] + anchors_px, raw[:, 1]
    boxes = np.concatenate([center - 0.5 * extent, center + 0.5 * extent], axis=1)
    return boxes, raw[:, 2:] + anchors_px[:, np.newaxis]
