"""The method: follow the known faces; when it is time, look for new ones; name, smooth and return them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import ArrayLike

from facemesh_ros.checks import frozen_array
from facemesh_ros.config import Config
from facemesh_ros.detector import Detector
from facemesh_ros.errors import ConfigError, InputError
from facemesh_ros.expressions import TrackExpressions
from facemesh_ros.filters import TrackFilters
from facemesh_ros.finder import Finder
from facemesh_ros.heads import Depth, Heads
from facemesh_ros.mesh_net import MeshNet
from facemesh_ros.networks import Networks
from facemesh_ros.picture import AnyImage, Picture
from facemesh_ros.search import Search, still_stages
from facemesh_ros.target import Target, TargetPlace
from facemesh_ros.track import Track
from facemesh_ros.tracker import Tracker
from facemesh_ros.types import Camera, Face, Mesh, Roi, UInt8

LONGEST_SIDE_PX = 32766
"""OpenCV's warps address pixels in 16 bits: sides must be shorter than SHRT_MAX."""


class FaceMesher:
    """Face meshes with identity from a stream of images, or from single pictures.

    Not for use from several threads at once; make one per camera, and let them share the ``networks``.
    """

    def __init__(
        self,
        config: Config | None = None,
        stage: Callable[[str], AbstractContextManager[object]] = nullcontext,
        networks: Networks | None = None,
        first_id: int = 1,
    ) -> None:
        """Take the networks, or load and warm them up.

        Args:
            config: None for the defaults.
            stage: called with "detect", "mesh" or "pose" and entered around that work, and inside "mesh" with "crop",
                "network" and "post": for timing, as the library has no clock.
            networks: opened before, such as those of another camera; None to open one's own.
            first_id: of the first new face in a stream; the ``next_id`` of a FaceMesher in the place of which this one
                comes goes on with its ids, so that none is used again.

        Raises:
            ConfigError: ``config`` is no Config, ``networks`` are not those that it asks for, or ``first_id`` is no
                positive whole number.
            ModelError: a network is not installed (remedy: ``facemesh models install``), altered or unreadable.
            DeviceError: ``require_device`` is set and the device cannot be used here.
        """
        self.config = _checked_config(Config() if config is None else config)
        self._tracker = Tracker(self.config, _checked_id(first_id))
        if networks is None:
            networks = Networks.open(self.config)
        networks.check_fit(self.config)
        self.device = networks.device
        """What the networks run on: cpu, cuda or tensorrt."""
        self.fallback = networks.fallback
        """Why that is not the device asked for, or a GPU that is there; None where it is."""
        detector = Detector(networks.detectors, self.config.detector.min_score)
        self._finder = Finder(self.config, detector, MeshNet(networks.mesh, stage), stage)
        self._search = Search(self.config)
        self._filters = TrackFilters(self.config.filter)
        self._heads = Heads(self.config)
        self._expressions = TrackExpressions(self.config)
        self._stage = stage

    @property
    def next_id(self) -> int:
        """The id of the next new face in the stream: larger than any that was given so far."""
        return self._tracker.next_id

    @property
    def possible_rois(self) -> tuple[Roi, ...]:
        """Where in the last image of the stream faces may be that were not returned: unconfirmed ones, and lost ones.

        Each region holds a whole head with some room. A face counts as lost for ``tracker.reacquire_s``, and its region
        grows meanwhile.
        """
        return self._tracker.possible_rois

    def camera_of(self, camera: Camera | None, size_wh: tuple[int, int]) -> Camera | None:
        """Return the camera by which an image of this size (px) gets its poses: this, else the assumed one, if any."""
        return self._heads.camera_of(camera, size_wh)

    def process(
        self,
        image_rgb: AnyImage,
        stamp: float,
        camera: Camera | None = None,
        depth_m: Depth | None = None,
        target_m: ArrayLike | TargetPlace | None = None,
    ) -> tuple[Face, ...]:
        """Return the faces in the next image of a stream, sorted by track id.

        The same images and stamps give the same faces, bit for bit.

        Args:
            image_rgb: (H, W, 3) uint8, RGB, or a :class:`facemesh_ros.picture.Picture`; it is not kept or changed. It
                is read where it lies, so rows may have gaps, and ``bgr[..., ::-1]`` costs nothing.
            stamp: the image's time, s. It should increase; where it does not, the raw mesh is returned unsmoothed.
            camera: the calibration of the image; its size must be the image's. Without it there are no metric poses.
            depth_m: (H, W) float32, m along the optical axis, aligned with the image; 0 and NaN are holes. It tells how
                large the heads are.
            target_m: (3,), m in the camera's optical frame: what attention is measured against; None for the camera,
                TargetPlace.UNKNOWN where it is a point whose place is not known at present.

        Raises:
            InputError: an argument is not as above; the tracks stay as they were.
            DeviceError: the GPU fails or, a StuckDeviceError, hangs; the message says what to do.
        """
        picture, target_m = _checked(image_rgb, stamp, camera, depth_m), _checked_target(target_m)
        tracker, finder = self._tracker, self._finder
        tracker.follow(finder.meshes(picture, tracker.rois(stamp), camera), stamp)
        tracker.confirm(finder.still_faces(picture, tracker.unsure))
        stages = self._search.stages(picture.size_wh, stamp, tracker)
        finder.find_new(tracker, picture, stages, stamp, camera)
        self._keep(tracker.known_ids)
        faces = [self._face(track, stamp) for track in tracker.tracks]
        with self._stage("pose"):
            posed = self._heads.posed(faces, camera, picture.size_wh, depth_m)
            return self._expressions.read(posed, stamp, target_m)

    def process_still(
        self,
        image_rgb: AnyImage,
        camera: Camera | None = None,
        depth_m: Depth | None = None,
        target_m: ArrayLike | TargetPlace | None = None,
    ) -> tuple[Face, ...]:
        """Return the faces in one picture, unsmoothed, numbered from 1 as found: near ones first, then the surest.

        The stream's tracks neither matter nor change. Arguments and errors as for :meth:`process`.
        """
        picture, target_m = _checked(image_rgb, 0.0, camera, depth_m), _checked_target(target_m)
        tracker = Tracker(self.config.with_dotted({"tracker.min_hits": 1}))
        self._finder.find_all(tracker, picture, still_stages(self.config, picture.size_wh), camera)
        faces = [Face(track.track_id, track.roi, track.mesh, track.mesh) for track in tracker.tracks]
        with self._stage("pose"):
            posed = Heads(self.config).posed(faces, camera, picture.size_wh, depth_m)
            return TrackExpressions(self.config).read(posed, 0.0, target_m)

    def reset(self) -> None:
        """Forget all tracks. Their ids are not used again."""
        self._tracker.reset()
        self._search.reset()
        self._keep(())

    def configure(self, config: Config) -> None:
        """Go on with other live settings; the tracks are kept.

        Raises:
            ConfigError: a setting differs that is read only when the networks are loaded; nothing is changed.
        """
        old, new = self.config.to_dotted(), _checked_config(config).to_dotted()
        fixed = [t.name for t in Config.tunables() if not t.live and old[t.name] != new[t.name]]
        if fixed:
            raise ConfigError(f"{', '.join(fixed)} cannot change while the networks are loaded: make a new FaceMesher")
        self.config = self._tracker.config = self._search.config = config
        self._heads.config = self._expressions.config = config
        self._finder.configure(config)
        self._filters.configure(config.filter)

    def _keep(self, track_ids: Sequence[int]) -> None:
        """Forget what is remembered of every other track."""
        self._filters.keep(track_ids)
        self._heads.keep(track_ids)
        self._expressions.keep(track_ids)

    def _face(self, track: Track, stamp: float) -> Face:
        mesh = track.mesh
        smooth = self._filters.smooth(track.track_id, mesh.points, stamp)
        smoothed = mesh if smooth is mesh.points else Mesh(smooth, mesh.presence)
        return Face(track.track_id, track.roi, mesh, smoothed)


def _checked_config(config: Config) -> Config:
    if not isinstance(config, Config):
        raise ConfigError(f"config is a {type(config).__name__}; it must be a Config: use Config.from_dotted({{...}})")
    return config


def _checked_id(first_id: int) -> int:
    if not isinstance(first_id, (int, np.integer)) or isinstance(first_id, bool) or first_id < 1:
        raise ConfigError(
            f"first_id is {first_id!r}; it must be a whole number from 1: pass another FaceMesher's next_id"
        )
    return int(first_id)


def _checked_target(target_m: ArrayLike | TargetPlace | None) -> Target:
    if target_m is None or isinstance(target_m, TargetPlace):
        return target_m
    return frozen_array(target_m, (3,), np.float64, "target_m")


def _is_time(stamp: object) -> bool:
    return isinstance(stamp, (int, float, np.integer, np.floating)) and math.isfinite(stamp)


def _checked(image: AnyImage, stamp: float, camera: Camera | None, depth_m: Depth | None) -> Picture:
    """Return the image as a picture, or raise InputError."""
    picture = _checked_image(image)
    if not _is_time(stamp):
        raise InputError(f"stamp is {stamp!r}; it must be a finite number of seconds, as a float")
    width, height = picture.size_wh
    if camera is not None and not isinstance(camera, Camera):
        raise InputError(f"camera is a {type(camera).__name__}; it must be a Camera: use Camera.from_matrix")
    if camera is not None and camera.size_wh != (width, height):
        raise InputError(
            f"the camera is calibrated for {camera.size_wh[0]}x{camera.size_wh[1]} images and this one is "
            f"{width}x{height}: pass the matching calibration, or camera=None"
        )
    depth_is = (getattr(depth_m, "shape", None), getattr(depth_m, "dtype", None))
    if depth_m is not None and depth_is != ((height, width), np.float32):
        raise InputError(
            f"depth_m has shape {depth_is[0]} and dtype {depth_is[1]}; it must be "
            f"({height}, {width}) float32, in m and aligned with the image: convert it first"
        )
    return picture


def _checked_image(image: AnyImage) -> Picture:
    picture = image if isinstance(image, Picture) else Picture.of(_checked_array(image))
    width, height = picture.size_wh
    if not 0 < min(width, height) <= max(width, height) <= LONGEST_SIDE_PX:
        raise InputError(f"the image is {width}x{height} px; its sides must be from 1 to {LONGEST_SIDE_PX}: resize it")
    return picture


def _checked_array(image: UInt8) -> UInt8:
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"the image is a {type(image).__name__}; it must be an (H, W, 3) uint8 array in RGB order, or a Picture"
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InputError(
            f"the image has shape {image.shape} and dtype {image.dtype}; it must be (H, W, 3) uint8 in RGB order, "
            f"with H and W from 1 to {LONGEST_SIDE_PX}: convert it first"
        )
    return image
