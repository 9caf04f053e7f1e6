"""When to look for faces, and where: at once where one was lost, and everywhere else in turn.

The detector looks through views (:mod:`facemesh_ros.views`). Near faces show in the whole image, far ones only in its
tiles, and turned ones only in turned views. A single picture is looked at stage by stage, until there are as many
faces as wanted. In a stream each look is cheap, and the views take turns from look to look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from facemesh_ros.config import Config
from facemesh_ros.types import Roi
from facemesh_ros.views import View, around, pyramid, whole

COST_MS = {"short": 0.7, "full": 2.3}
"""Nominal time of one view on one core of a plain CPU, whatever this one is, so that a stream can be repeated exactly.
Medians of `bench/networks.py`."""
TURNS = (0.5 * math.pi, math.pi, 1.5 * math.pi)
"""What else upright may be, rad from what it should be. The short-range network sees faces turned by up to 75° either
way, the full-range one by 45° (`bench/reach.py`)."""
Stages: TypeAlias = tuple[tuple[View, ...], ...]
"""Views that are looked at together, in order: later ones only while faces are wanted."""


def still_stages(config: Config, size_wh: tuple[int, int]) -> Stages:
    """Return how a single picture of ``size_wh`` is searched, in this order for as long as faces are wanted.

    Near faces and far ones in the whole image, small ones in its tiles, then turned ones in the whole image.
    """
    upright = math.radians(config.camera.rotation)
    near, far = near_and_far(config.detector.range)
    networks = tuple(dict.fromkeys((near, far)))
    tiles = pyramid(far, size_wh, config.detector.min_face_px, upright) if near != far else ()
    turned = tuple(whole(n, size_wh, upright + turn) for turn in TURNS for n in networks)
    return (*((whole(network, size_wh, upright),) for network in networks), tiles, turned)


def near_and_far(detector_range: str) -> tuple[str, str]:
    """Return the network that looks at every look, and the one that reaches far; the same where there is but one."""
    return ("short", "full") if detector_range == "auto" else (detector_range, detector_range)


class Faces(Protocol):
    """What the search asks of the tracker."""

    @property
    def followed(self) -> int:
        """How many faces were seen in this image."""

    @property
    def room(self) -> int:
        """How many more may be followed."""

    @property
    def lost_one(self) -> bool:
        """Whether one was lost a moment ago."""

    @property
    def missing(self) -> Sequence[Roi]:
        """Where those that were lost should be."""


class Search:
    """Whose turn it is in a stream."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._looked_at: float | None = None
        self._turn = 0

    def stages(self, size_wh: tuple[int, int], stamp: float, faces: Faces) -> Stages:
        """Return where to look for new faces in this image; nothing while there is no room or it is not yet time.

        While faces are followed and none is missing, it is time every ``detector.interval_s``, and then one view in
        turn is looked at. Otherwise every image is: as a whole for near faces, close up where one is missing, and then
        by views in turn for as long as the nominal cost stays within ``detector.budget_ms``.

        Args:
            size_wh: of the image, px.
            stamp: of the image, s.
            faces: the tracker, which has followed its faces into this image.
        """
        is_urgent = faces.followed == 0 or faces.lost_one
        if faces.room < 1 or not (is_urgent or self._is_time(stamp)):
            return ()
        self._looked_at = stamp
        views = self._round(size_wh, faces.followed)
        if not is_urgent:
            return (self._next(views, 0.0, most=1),)
        near, _ = near_and_far(self.config.detector.range)
        first = (whole(near, size_wh, self._upright), *self._close_ups(near, faces.missing))
        return first, self._next(views, sum(COST_MS[view.network] for view in first), most=len(views))

    def reset(self) -> None:
        """Begin anew."""
        self._looked_at = None
        self._turn = 0

    def _is_time(self, stamp: float) -> bool:
        last = self._looked_at
        return last is None or not 0.0 < stamp - last < self.config.detector.interval_s

    @property
    def _upright(self) -> float:
        return math.radians(self.config.camera.rotation)

    def _close_ups(self, near: str, missing: Sequence[Roi]) -> list[View]:
        """Return views of where faces are missing, as many as the budget allows, in turn, and at least one."""
        most = max(int(self.config.detector.budget_ms / COST_MS[near]) - 1, 1)
        begin = self._turn % max(len(missing), 1)
        return [around(near, roi) for roi in (*missing[begin:], *missing[:begin])[:most]]

    def _next(self, round_: Sequence[View], spent_ms: float, most: int) -> tuple[View, ...]:
        """Return the next views of the round that the budget allows, ``most`` at most, and at least one."""
        chosen: list[View] = []
        while len(chosen) < most:
            view = round_[self._turn % len(round_)]
            spent_ms += COST_MS[view.network]
            if chosen and spent_ms > self.config.detector.budget_ms:
                break
            chosen.append(view)
            self._turn += 1
        return tuple(chosen)

    def _round(self, size_wh: tuple[int, int], followed: int) -> list[View]:
        """Return what takes turns: the whole image for near faces, upright and turned, for far ones, and the tiles.

        While nobody is followed, near upright faces are looked for in every image anyway.
        """
        near, far = near_and_far(self.config.detector.range)
        smallest, upright = self.config.detector.min_face_px, self._upright
        turned = [whole(near, size_wh, upright + turn) for turn in TURNS]
        if followed > 0:
            turned = [view for one in turned for view in (whole(near, size_wh, upright), one)]
        lanes: list[Sequence[View]] = [turned]
        if near != far:
            lanes += [[whole(far, size_wh, upright)], pyramid(far, size_wh, smallest, upright)]
        lanes = [lane for lane in lanes if lane]
        return [lane[i % len(lane)] for i in range(max(map(len, lanes))) for lane in lanes]
