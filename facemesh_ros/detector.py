"""Find faces in a whole image: letterbox, network, anchors, decode, weighted non-maximum suppression.

Normalised coordinates do not leave this file. Source of the constants: MediaPipe 0.10.21, face_detection modules
(Apache-2.0); the network is BlazeFace, arXiv 1907.05047.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from facemesh_ros.errors import ModelError
from facemesh_ros.geometry import image_from_crop, letterbox_roi, overlaps, to_image
from facemesh_ros.session import Session
from facemesh_ros.types import Detection, Float32, Float64, UInt8
from facemesh_ros.warp import Maps, cut, sampling_maps

NMS_OVERLAP = 0.3
"""Detections that overlap more (intersection over union) are one face."""
_GRIDS = {896: ((16, 2), (8, 6)), 2304: ((48, 1),)}
"""Number of anchors → (cells a side, anchors a cell) of each grid: short range, full range."""


class Detector:
    """One or two detection networks tried in turn: the next looks when those before found fewer than wanted."""

    def __init__(self, sessions: Sequence[Session], min_score: float) -> None:
        """Take the networks in the order of their use.

        Raises:
            ModelError: a network has a number of anchors that no known grid gives.
        """
        self._networks = tuple((session, _anchors_of(session)) for session in sessions)
        self.min_score = min_score

    def detect(self, image_rgb: UInt8, wanted: int) -> tuple[Detection, ...]:
        """Return the faces in an (H, W, 3) RGB image, best score first; it may be more than ``wanted``."""
        found: tuple[Detection, ...] = ()
        for session, anchors in self._networks:
            if len(found) < wanted:
                found = _united(found, self._look(image_rgb, session, anchors))
        return tuple(sorted(found, key=lambda detection: -detection.score))

    def _look(self, image_rgb: UInt8, session: Session, anchors: Float64) -> tuple[Detection, ...]:
        height, width = image_rgb.shape[:2]
        image_from_input = image_from_crop(letterbox_roi((width, height)), session.input_size)
        network_input = letterboxed(image_rgb, session.input_size)[np.newaxis]
        regressors, logits = session.run(network_input, "regressors", "logits")
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits[0].astype(np.float64), -100.0, 100.0)))
        likely = np.flatnonzero(scores >= self.min_score)
        boxes, keypoints = decode(regressors[0, likely], anchors[likely] * session.input_size)
        boxes = to_image(boxes.reshape(-1, 2, 2), image_from_input).reshape(-1, 4)
        keypoints = to_image(keypoints, image_from_input)
        return suppress(boxes, keypoints, scores[likely])


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
    return np.concatenate(grids)


def letterboxed(image_rgb: UInt8, input_size: int) -> UInt8:
    """Return the (S, S, 3) network input: the whole image in the middle, bilinear, black outside it."""
    height, width = image_rgb.shape[:2]
    return cut(image_rgb, _letterbox_maps((width, height), input_size), cv2.BORDER_CONSTANT)


@lru_cache(maxsize=16)
def _letterbox_maps(size_wh: tuple[int, int], input_size: int) -> Maps:
    return sampling_maps(image_from_crop(letterbox_roi(size_wh), input_size), input_size)


def decode(regressors: Float32, anchors_px: Float64) -> tuple[Float64, Float64]:
    """Turn (K, 16) regressors and (K, 2) anchor centres into (K, 4) boxes xyxy and (K, 6, 2) keypoints, input px."""
    raw = regressors.astype(np.float64).reshape(-1, 8, 2)
    center, extent = raw[:, 0] + anchors_px, raw[:, 1]
    boxes = np.concatenate([center - 0.5 * extent, center + 0.5 * extent], axis=1)
    return boxes, raw[:, 2:] + anchors_px[:, np.newaxis]


def suppress(boxes_xyxy: Float64, keypoints: Float64, scores: Float64) -> tuple[Detection, ...]:
    """Merge overlapping detections: weighted non-maximum suppression.

    The best one takes all that overlap it by more than :data:`NMS_OVERLAP`; box and keypoints become the score-weighted
    mean of the group, the score stays the best. Boxes without extent, and what is not finite, are dropped.

    Args:
        boxes_xyxy: (K, 4) px.
        keypoints: (K, 6, 2) px.
        scores: (K,) 0..1.
    """
    sound = np.all(boxes_xyxy[:, 2:] > boxes_xyxy[:, :2], axis=1)
    sound &= np.isfinite(boxes_xyxy).all(axis=1) & np.isfinite(keypoints).all(axis=(1, 2))
    left = [i for i in np.argsort(-scores, kind="stable") if sound[i]]
    merged = []
    while left:
        near = overlaps(boxes_xyxy[left[0]], boxes_xyxy[left]) > NMS_OVERLAP
        group = [i for i, close in zip(left, near, strict=True) if close]
        left = [i for i, close in zip(left, near, strict=True) if not close]
        weights = scores[group] / scores[group].sum()
        merged.append(
            Detection(
                np.tensordot(weights, boxes_xyxy[group], 1),
                np.tensordot(weights, keypoints[group], 1),
                float(scores[group[0]]),
            )
        )
    return tuple(merged)


def _united(first: tuple[Detection, ...], second: tuple[Detection, ...]) -> tuple[Detection, ...]:
    """Add to ``first`` what only ``second`` has seen."""
    if not first:
        return second
    known = np.stack([detection.box_xyxy for detection in first]).astype(np.float64)
    new = (d for d in second if overlaps(d.box_xyxy.astype(np.float64), known).max() <= NMS_OVERLAP)
    return (*first, *new)
