"""What may be faces, from all views of an image: weighted non-maximum suppression makes one detection of each.

Source of the constants: MediaPipe 0.10.21, face_detection modules (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from facemesh_ros.checks import all_finite
from facemesh_ros.geometry import LEFT_EYE_KEYPOINT, RIGHT_EYE_KEYPOINT, overlaps
from facemesh_ros.types import Detection, Float64

NMS_OVERLAP = 0.3
"""Detections that overlap more (intersection over union) are one face, if they are turned alike."""
SAME_TURN_COS = 0.5
"""Cosine of 60°: a face that a network sees upright and upside down is two hypotheses, not one face."""


@dataclass(frozen=True)
class Candidates:
    """What the networks see, before what overlaps is merged."""

    boxes_xyxy: Float64
    """(K, 4) px of the image, without their turn."""
    keypoints: Float64
    """(K, 6, 2) px of the image."""
    scores: Float64
    """(K,) 0..1."""

    @classmethod
    def joined(cls, parts: Iterable[Candidates]) -> Candidates:
        """Return all of them, in their order."""
        every = [part for part in parts if len(part.scores)]
        if len(every) <= 1:
            return every[0] if every else NO_CANDIDATES
        return cls(
            np.concatenate([part.boxes_xyxy for part in every]),
            np.concatenate([part.keypoints for part in every]),
            np.concatenate([part.scores for part in every]),
        )


NO_CANDIDATES = Candidates(np.zeros((0, 4)), np.zeros((0, 6, 2)), np.zeros(0))


def merged(candidates: Candidates) -> tuple[Detection, ...]:
    """Merge what overlaps: weighted non-maximum suppression, over all views at once.

    The best one takes all that overlap it by more than :data:`NMS_OVERLAP` and stand upright the same way; box and
    keypoints become the score-weighted mean of the group, the score stays the best. Boxes without extent, and what is
    not finite, are dropped.
    """
    boxes, keypoints, scores = candidates.boxes_xyxy, candidates.keypoints, candidates.scores
    sound = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    if not (all_finite(boxes) and all_finite(keypoints)):
        sound &= np.isfinite(boxes).all(axis=1) & np.isfinite(keypoints).all(axis=(1, 2))
    eyes = keypoints[:, LEFT_EYE_KEYPOINT] - keypoints[:, RIGHT_EYE_KEYPOINT]
    rolls = np.arctan2(eyes[:, 1], eyes[:, 0])
    order = np.argsort(-scores, kind="stable")
    left = order[sound[order]]
    found = []
    while len(left):
        near = overlaps(boxes[left[0]], boxes[left]) > NMS_OVERLAP
        near &= np.cos(rolls[left] - rolls[left[0]]) > SAME_TURN_COS
        near[0] = True
        group, left = left[near], left[~near]
        weights = scores[group] / scores[group].sum()
        middle = (weights @ keypoints[group].reshape(len(group), -1)).reshape(-1, 2)
        found.append(Detection(weights @ boxes[group], middle, float(scores[group[0]])))
    return tuple(found)
