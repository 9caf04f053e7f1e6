"""Image and regions → meshes in image pixels. Crop coordinates do not leave this file.

The network is the face mesh of arXiv 1907.06724 or its attention form, arXiv 2006.10962.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from facemesh_ros.exposure import exposed
from facemesh_ros.geometry import image_from_crop, to_image
from facemesh_ros.session import Session
from facemesh_ros.topology import mirror_points
from facemesh_ros.types import Float32, Mesh, Roi, UInt8
from facemesh_ros.warp import cut, sampling_maps


class MeshNet:
    """The landmark network on crops of an image."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def run(self, image_rgb: UInt8, rois: Sequence[Roi]) -> tuple[Mesh | None, ...]:
        """Return one mesh a region, in the order of the regions; all regions are one batch.

        None stands where the network gave numbers that are not finite.

        Args:
            image_rgb: (H, W, 3) uint8.
            rois: regions in px of the image; they may reach outside it.
        """
        if not rois:
            return ()
        return self._placed(rois, *self._session.run(self._crops(image_rgb, rois), "points", "presence_logit"))

    def run_mirrored(self, image_rgb: UInt8, rois: Sequence[Roi]) -> tuple[Mesh | None, ...]:
        """Return the meshes that the network sees in the regions' mirror images, laid back: it is not quite symmetric.

        Arguments and None as for :meth:`run`.
        """
        if not rois:
            return ()
        crops = np.ascontiguousarray(self._crops(image_rgb, rois)[:, :, ::-1])
        points, logits = self._session.run(crops, "points", "presence_logit")
        laid_back = points[:, mirror_points(points.shape[1])]
        laid_back[..., 0] = (self._session.input_size - 1) - laid_back[..., 0]
        return self._placed(rois, laid_back, logits)

    def _crops(self, image_rgb: UInt8, rois: Sequence[Roi]) -> UInt8:
        return np.stack([exposed(crop(image_rgb, roi, self._session.input_size)) for roi in rois])

    def _placed(self, rois: Sequence[Roi], points: Float32, logits: Float32) -> tuple[Mesh | None, ...]:
        size = self._session.input_size
        sound = np.isfinite(points).all(axis=(1, 2)) & ~np.isnan(logits)
        return tuple(
            Mesh(uncrop(one, roi, size), presence(float(logit))) if is_sound else None
            for one, roi, logit, is_sound in zip(points, rois, logits, sound, strict=True)
        )


def crop(image_rgb: UInt8, roi: Roi, size: int) -> UInt8:
    """Return the (size, size, 3) picture of a region: bilinear, the image's edge repeated outside it."""
    return cut(image_rgb, sampling_maps(image_from_crop(roi, size), size), cv2.BORDER_REPLICATE)


def uncrop(points: Float32, roi: Roi, size: int) -> Float32:
    """Take (P, 3) points from px of the crop to px of the image; z grows with the region as x and y do."""
    in_image = np.empty_like(points)
    in_image[:, :2] = to_image(points[:, :2].astype(np.float64), image_from_crop(roi, size))
    in_image[:, 2] = points[:, 2] * (roi.size / size)
    return in_image


def presence(logit: float) -> float:
    """Return the logistic function of the network's face flag, 0..1, without overflow."""
    return float(0.5 * (1.0 + np.tanh(0.5 * logit)))
