"""Image and regions → meshes in image pixels. Crop coordinates do not leave this file.

The network is the face mesh of arXiv 1907.06724 or its attention form, arXiv 2006.10962.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import cv2
import numpy as np

from facemesh_ros.errors import InputError
from facemesh_ros.exposure import exposed
from facemesh_ros.picture import AnyImage, Picture
from facemesh_ros.session import Session
from facemesh_ros.spread import each
from facemesh_ros.topology import mirror_points
from facemesh_ros.types import Camera, Float32, Mesh, Roi, UInt8
from facemesh_ros.virtual_camera import Window, window_on


class MeshNet:
    """The landmark network on crops of an image."""

    def __init__(self, session: Session, stage: Callable[[str], AbstractContextManager[object]] = nullcontext) -> None:
        """Take the network; ``stage`` is entered around "crop", "network" and "post"."""
        self._session = session
        self._stage = stage
        size = session.input_size
        self._batch = np.empty((0, size, size, 3), np.uint8)
        """What the network last looked at; as long as it ever was, so that nothing is allocated for an image."""

    def run(self, image: AnyImage, rois: Sequence[Roi], camera: Camera | None = None) -> tuple[Mesh | None, ...]:
        """Return one mesh a region, in the order of the regions; all regions are one batch.

        None stands where the network gave numbers that are not finite.

        Args:
            image: a picture, or (H, W, 3) uint8 RGB.
            rois: regions in px of the image; they may reach outside it.
            camera: the image's calibration, to look at each region through a virtual camera; None cuts flat squares.
        """
        if not rois:
            return ()
        with self._stage("crop"):
            windows = self._windows(rois, camera)
            crops = self._crops(image, windows)
        points, logits = self._seen(crops)
        with self._stage("post"):
            return _placed(windows, points, logits)

    def run_mirrored(
        self, image: AnyImage, rois: Sequence[Roi], camera: Camera | None = None
    ) -> tuple[Mesh | None, ...]:
        """Return the meshes that the network sees in the regions' mirror images, laid back: it is not quite symmetric.

        Arguments and None as for :meth:`run`.
        """
        if not rois:
            return ()
        with self._stage("crop"):
            windows = self._windows(rois, camera)
            crops = np.ascontiguousarray(self._crops(image, windows)[:, :, ::-1])
        points, logits = self._seen(crops)
        with self._stage("post"):
            laid_back = points[:, mirror_points(points.shape[1])]
            laid_back[..., 0] = (self._session.input_size - 1) - laid_back[..., 0]
            return _placed(windows, laid_back, logits)

    def _seen(self, crops: UInt8) -> tuple[Float32, Float32]:
        """Return what the network says of (N, S, S, 3) crops: (N, P, 3) points, px of the crop, and (N,) logits."""
        with self._stage("network"):
            points, logits = self._session.run(crops, "points", "presence_logit")
            return points, logits

    def _windows(self, rois: Sequence[Roi], camera: Camera | None) -> list[Window]:
        return [window_on(roi, self._session.input_size, camera) for roi in rois]

    def _crops(self, image: AnyImage, windows: Sequence[Window]) -> UInt8:
        """Return (N, S, S, 3), which holds until the next call."""
        if len(self._batch) < len(windows):
            self._batch = np.empty((len(windows), *self._batch.shape[1:]), np.uint8)
        picture, batch = Picture.of(image), self._batch[: len(windows)]

        def fill(place: UInt8, window: Window) -> None:
            shown = exposed(crop(picture, window, place))
            if shown is not place:
                np.copyto(place, shown)

        each(lambda pair: fill(*pair), list(zip(batch, windows, strict=True)), self._session.threads)
        return batch


def _placed(windows: Sequence[Window], points: Float32, logits: Float32) -> tuple[Mesh | None, ...]:
    return tuple(map(_mesh, windows, points, logits.tolist()))


def _mesh(window: Window, points: Float32, logit: float) -> Mesh | None:
    try:
        return Mesh(uncrop(points, window), presence(logit))
    except InputError:  # not all of it is finite
        return None


def crop(image: AnyImage, window: Window, out: UInt8 | None = None) -> UInt8:
    """Return the (S, S, 3) picture in a window, in ``out`` if given: bilinear, the image's edge repeated outside it."""
    return Picture.of(image).cut(window.maps(), cv2.BORDER_REPLICATE, out)


def uncrop(points: Float32, window: Window) -> Float32:
    """Take (P, 3) points from px of the crop to px of the image; z grows with the region as x and y do."""
    in_image = np.empty_like(points)
    in_image[:, :2] = window.to_image(np.asarray(points[:, :2], np.float64))
    in_image[:, 2] = points[:, 2] * (window.roi.size / window.size)
    return in_image


def presence(logit: float) -> float:
    """Return the logistic function of the network's face flag, 0..1, without overflow."""
    return 0.5 * (1.0 + math.tanh(0.5 * logit))
