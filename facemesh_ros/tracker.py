"""Who is who, and where to look next.

The one place with state beside the filters and the search. It sees stamps, regions, detections and raw meshes; never
images or clocks. What makes two sights one face is in :mod:`facemesh_ros.identity`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from facemesh_ros.config import Config
from facemesh_ros.errors import InputError
from facemesh_ros.geometry import ROI_SCALE, claim_one_place, roi_from_detection, shows_same_face
from facemesh_ros.identity import IMPLAUSIBLE, Likeness, assign
from facemesh_ros.track import NEVER, UNCONFIRMED, Sight, Track
from facemesh_ros.types import Detection, Mesh, Roi

SPARE_REGIONS = 4
"""So many more regions than there is room for are tried when new faces are looked for: not every detection is one."""
LONGEST_STEP_S = 1.0
"""A face seen in the last image is followed over this gap even where reacquire_s is shorter (a camera at 1 Hz)."""
DOUBTFUL_COST = 0.5
"""A match that costs more is confirmed before it is believed: one in fifty of those of one face from image to image."""
RECHECK_S = 1.0
"""A face that is followed is confirmed this often all the same."""
LOST_FACES_PER_S, MOST_LOST_FACES = 1.0, 1.0
"""A face out of sight may go by so many of its sizes a second, any way, beyond where it was going, and by no more than
so many: what goes farther is found anew, or is gone."""
MUCH_LARGER = 1.5
"""So many times as large, of two sights of one face, one is taken for the face and the other for a part of it."""


class Tracker:
    """The faces in view, and those that left a moment ago."""

    def __init__(self, config: Config, first_id: int = 1) -> None:
        """Begin with nobody; new faces are numbered from ``first_id`` on."""
        self.config = config
        self._followed: tuple[Track, ...] = ()
        """Seen in the last image: by id, then those not confirmed yet in the order in which they were found."""
        self._lost: tuple[Track, ...] = ()
        """Confirmed ones that may return, by id."""
        self._stamp = 0.0
        self._place_free = False
        """A place was given up in the last image."""
        self._is_frozen = False
        """The stamp did not advance: how long a face has been lost is not known, and no place is kept."""
        self._offered: tuple[Roi, ...] = ()
        """Of the last call of :meth:`new_rois`."""
        self._refused: tuple[Roi, ...] = ()
        """Regions that were offered and turned out to be no faces."""
        self._doubtful: tuple[Roi, ...] = ()
        """Around meshes of the last image that were taken for no face."""
        self.next_id = first_id
        """Of the next new face."""

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The confirmed faces seen in the last image, sorted by id: what is published."""
        return tuple(track for track in self._followed if track.track_id != UNCONFIRMED)

    @property
    def room(self) -> int:
        """How many more faces may be followed."""
        return self.config.max_faces - len(self._followed)

    @property
    def followed(self) -> int:
        """How many faces were seen in the last image, confirmed or not."""
        return len(self._followed)

    @property
    def lost_one(self) -> bool:
        """Say whether a face has been lost, and its place is kept or was given up in the last image."""
        return self._place_free or bool(self._coasting(self._stamp))

    @property
    def known_ids(self) -> tuple[int, ...]:
        """The ids of the faces that are followed, or may return."""
        return tuple(track.track_id for track in (*self.tracks, *self._lost))

    @property
    def unsure(self) -> tuple[Track, ...]:
        """The faces of the last image that the detector is to confirm: those in doubt, and one that is due."""
        in_doubt = tuple(track for track in self.tracks if track.confirmed_s == NEVER)
        due = [t for t in self.tracks if t not in in_doubt and abs(self._stamp - t.confirmed_s) >= RECHECK_S]
        return (*in_doubt, *sorted(due, key=lambda track: track.confirmed_s)[:1])

    @property
    def missing(self) -> tuple[Roi, ...]:
        """Where the faces whose places are kept should be in the last image."""
        return tuple(self._ahead(track, self._stamp) for track in self._coasting(self._stamp))

    @property
    def possible_rois(self) -> tuple[Roi, ...]:
        """Where faces may be in the last image beside those of :attr:`tracks`: not confirmed yet, or lost."""
        unconfirmed = (track.next_roi for track in self._followed if track.track_id == UNCONFIRMED)
        return (*unconfirmed, *map(self._whereabouts, self._lost))

    def rois(self, stamp: float) -> tuple[Roi, ...]:
        """Return where to look for the known faces in the image of this time.

        For a face of the last image that is where its mesh says; for one lost a moment ago where it should be by now.
        """
        known = self._followed
        return tuple(t.next_roi if t in known else self._ahead(t, stamp) for t in self._sought(stamp))

    def follow(self, meshes: Sequence[Mesh | None], stamp: float) -> None:
        """Take the meshes found in :meth:`rois` of this time: say whose they are and which faces are gone."""
        sought, places = self._sought(stamp), self._places()
        sights = _distinct(self._sights(self.rois(stamp), meshes))
        self._is_frozen, self._stamp = stamp <= self._stamp and self._followed != (), stamp
        pairs = self._pairs(sought, sights)
        seen = {row: self._next(sought[row], sights[column]) for row, column in pairs}
        self._lost = tuple(track for track in self._lost if track not in sought)
        self._lose([track for row, track in enumerate(sought) if row not in seen])
        self._followed = tuple(seen.values())
        others = self._take_back(_others(sights, pairs))
        self._confirm()
        self._doubtful = tuple(sight.next_roi for sight in others)
        self._place_free = self._places() < places

    def confirm(self, track_ids: Iterable[int]) -> None:
        """Take the answer about :attr:`unsure`: these ids are faces, the others are lost."""
        asked, good = {track.track_id for track in self.unsure}, set(track_ids)
        bad = [track for track in self._followed if track.track_id in asked - good]
        places = self._places()
        self._followed = tuple(
            replace(track, confirmed_s=self._stamp) if track.track_id in good else track
            for track in self._followed
            if track not in bad
        )
        self._lose(bad)
        self._place_free = self._place_free or self._places() < places

    def new_rois(self, detections: Sequence[Detection]) -> tuple[Roi, ...]:
        """Return the regions of detections that no track covers: where lost faces may be first, then by score.

        There are a few more than there is room for, so that a detection that turns out to be no face costs no face.
        Regions that were refused a moment ago come last, so that no face has to wait behind them for ever.
        """
        fresh: list[Roi] = []
        known = [track.next_roi for track in self._followed]
        detected = (roi_from_detection(detection) for detection in sorted(detections, key=_rank))
        for roi in (*self._doubtful, *detected):
            if not any(shows_same_face(roi, other) for other in (*known, *fresh)):
                fresh.append(roi)
        fresh.sort(key=lambda roi: (self._is_strange(roi), any(shows_same_face(roi, other) for other in self._refused)))
        self._offered = tuple(fresh[: max(self.room, 0) + SPARE_REGIONS])
        return self._offered

    def add(self, rois: Sequence[Roi], meshes: Sequence[Mesh | None], stamp: float) -> None:
        """Take the meshes found in :meth:`new_rois` in the image of this time: returning faces first, then new ones.

        The surest mesh comes first; what claims the place of a followed face, or of one before it, is left out.
        """
        self._stamp = stamp
        refused = (one for one in self._offered if not any(shows_same_face(one, roi) for roi in rois))
        self._refused, self._offered = tuple(refused), ()
        known = [track.next_roi for track in self._followed]
        sights: list[Sight] = []
        for sight in self._sights(rois, meshes):
            if not any(claim_one_place(sight.next_roi, roi) for roi in (*known, *(s.next_roi for s in sights))):
                sights.append(sight)
        others = self._take_back(sights)
        self._followed = tuple(
            replace(track, confirmed_s=stamp) if track.sight in sights else track for track in self._followed
        )
        room = max(self.config.max_faces - self._places(), 0)
        self._followed += tuple(Track(UNCONFIRMED, s, stamp, 1, s.likeness, confirmed_s=stamp) for s in others[:room])
        self._confirm()

    def reset(self) -> None:
        """Forget all faces; ids go on and are not used again."""
        self._followed = self._lost = ()
        self._offered = self._refused = self._doubtful = ()
        self._place_free = self._is_frozen = False

    def _places(self) -> int:
        """Return how many places are taken or kept."""
        return len(self._followed) + len(self._coasting(self._stamp))

    def _sought(self, stamp: float) -> tuple[Track, ...]:
        """Return the faces to be followed into the image of this time, then the lost ones to be tried there."""
        longest_s = max(self.config.tracker.reacquire_s, LONGEST_STEP_S)
        return (*(track for track in self._followed if track.gap_s(stamp) <= longest_s), *self._coasting(stamp))

    def _coasting(self, stamp: float) -> tuple[Track, ...]:
        """Return the lost faces whose place is still kept."""
        if self._is_frozen:
            return ()
        coast_s = min(self.config.tracker.coast_s, self.config.tracker.reacquire_s)
        return tuple(track for track in self._lost if track.gap_s(stamp) <= coast_s)[: max(self.room, 0)]

    def _ahead(self, track: Track, stamp: float) -> Roi:
        ahead_xy = np.array(track.ahead_xy(stamp, self.config.tracker.coast_s))
        return Roi(ahead_xy, track.next_roi.size, track.next_roi.angle)

    def _whereabouts(self, track: Track) -> Roi:
        """Return the region from where a lost face was seen to where it was going, grown with the time since."""
        last_xy, ahead_xy = track.next_roi.center_xy, np.array(track.ahead_xy(self._stamp, self.config.tracker.coast_s))
        strayed = track.known.size * min(LOST_FACES_PER_S * track.gap_s(self._stamp), MOST_LOST_FACES)
        size = track.next_roi.size + 2.0 * strayed + float(np.linalg.norm(ahead_xy - last_xy))
        return Roi(0.5 * (last_xy + ahead_xy), size, track.next_roi.angle)

    def _sights(self, rois: Sequence[Roi], meshes: Sequence[Mesh | None]) -> list[Sight]:
        sights = []
        for roi, mesh in zip(rois, meshes, strict=True):
            if mesh is not None and mesh.presence >= self.config.tracker.min_presence:
                try:
                    sights.append(Sight.of(roi, mesh))
                except InputError:  # all points in one place
                    continue
        return sights

    def _pairs(self, tracks: Sequence[Track], sights: Sequence[Sight]) -> tuple[tuple[int, int], ...]:
        coast_s, stamp = self.config.tracker.coast_s, self._stamp
        return assign([[track.cost(sight.likeness, stamp, coast_s) for sight in sights] for track in tracks])

    def _next(self, track: Track, sight: Sight) -> Track:
        """Return the track with the sight in its region; in doubt where that was guessed, or the match is poor."""
        now = track.followed(sight, self._stamp)
        cost = track.cost(sight.likeness, self._stamp, self.config.tracker.coast_s)
        is_doubtful = cost > DOUBTFUL_COST or track in self._lost
        return replace(now, confirmed_s=NEVER) if is_doubtful else now

    def _lose(self, tracks: Iterable[Track]) -> None:
        """Remember confirmed faces that are gone, and forget those that have been so for too long."""
        lost = (*self._lost, *(track for track in tracks if track.track_id != UNCONFIRMED))
        recent = (track for track in lost if track.gap_s(self._stamp) <= self.config.tracker.reacquire_s)
        self._lost = tuple(sorted(recent, key=lambda track: track.track_id))

    def _take_back(self, sights: Sequence[Sight]) -> list[Sight]:
        """Give sights to the lost faces that they plausibly show, while there is room; return the other sights."""
        pairs = sorted(self._pairs(self._lost, sights), key=lambda pair: self._lost[pair[0]].gap_s(self._stamp))
        back = dict(pairs[: max(self.room, 0)])
        self._followed += tuple(self._lost[row].returned(sights[column], self._stamp) for row, column in back.items())
        self._lost = tuple(track for row, track in enumerate(self._lost) if row not in back)
        return _others(sights, pairs)

    def _confirm(self) -> None:
        """Give ids to faces that have been seen often enough, and let the youngest go where fewer faces are allowed."""
        named = []
        for track in self._followed:
            if track.track_id == UNCONFIRMED and track.hits >= self.config.tracker.min_hits:
                named.append(replace(track, track_id=self.next_id))
                self.next_id += 1
            else:
                named.append(track)
        named.sort(key=lambda track: (track.track_id == UNCONFIRMED, track.track_id))
        self._followed = tuple(named[: self.config.max_faces])
        self._lose(named[self.config.max_faces :])

    def _is_strange(self, roi: Roi) -> bool:
        """Say whether no lost face is expected about this region."""
        x, y = roi.center_xy.tolist()
        stamp, coast_s = self._stamp, self.config.tracker.coast_s
        costs = [t.cost(Likeness(x, y, roi.size / ROI_SCALE, t.known.shape), stamp, coast_s) for t in self._lost]
        return min(costs, default=IMPLAUSIBLE) >= IMPLAUSIBLE


def _distinct(sights: Sequence[Sight]) -> list[Sight]:
    """Leave one sight of each face, in order: that whose region fitted best, but of one inside another the larger."""
    if len(sights) < 2:
        return list(sights)
    best: list[Sight] = []
    for sight in sorted(sights, key=Sight.offset):
        same = [other for other in best if shows_same_face(sight.next_roi, other.next_roi)]
        if all(sight.next_roi.size > MUCH_LARGER * other.next_roi.size for other in same):
            best = [sight, *(other for other in best if other not in same)]
    return [sight for sight in sights if sight in best]


def _others(sights: Sequence[Sight], pairs: Iterable[tuple[int, int]]) -> list[Sight]:
    taken = {column for _, column in pairs}
    return [sight for column, sight in enumerate(sights) if column not in taken]


def _rank(detection: Detection) -> tuple[float, ...]:
    """Sort detections by this: the best score first; the order in which they came does not matter."""
    return (-detection.score, *detection.box_xyxy.tolist())
