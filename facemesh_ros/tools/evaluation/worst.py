"""The worst cases of an evaluation, for people to look at: what was missed, invented, misplaced, renamed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.tools.evaluation.contact_sheet import COLUMNS, Tile, around, whole
from facemesh_ros.tools.evaluation.datasets import AnnotatedFace, read_image_rgb
from facemesh_ros.tools.evaluation.figures import identities
from facemesh_ros.tools.evaluation.records import AnnotatedRecord, ClipRecord, CountedRecord, Evaluation, Watched
from facemesh_ros.tools.evaluation.subjects import Result
from facemesh_ros.tools.evaluation.tracks import id_events
from facemesh_ros.tools.sources import open_source
from facemesh_ros.types import UInt8

MOST = 16
"""Tiles of a sheet."""
CROWD = 8
"""A picture of so many faces is shown over the whole width of a sheet: in a tile they are too small to be seen."""
_MOST_OF_A_CLIP = 6
"""Frames in which faces were found twice: successive ones look alike."""
_FACE_MARGIN, _SCENE_MARGIN = 1.8, 3.0

Points = NDArray[Any]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Case:
    """Something worth seeing; the picture is read only when it is drawn."""

    path: Path
    frame: int | None
    """Of a clip; None for a picture."""
    result: Result
    """What the subject found there."""
    focus: Points | None
    """(N, 2 or 3) px to show from near; None for the whole picture."""
    margin: float
    truth: Points | None
    why: tuple[str, ...]
    columns: int = 1
    """Of the sheet, that the tile takes."""

    def tile(self, image_rgb: UInt8) -> Tile:
        """Lay it out on its picture."""
        center_xy, side_px = whole(image_rgb) if self.focus is None else around(self.focus, self.margin)
        faces = self.result.faces
        labels = tuple("" if face.identity is None or self.frame is None else f"{face.identity}" for face in faces)
        place = self.path.name if self.frame is None else f"{self.path.name} frame {self.frame}"
        caption = (place, *self.why)
        return Tile(
            image_rgb, center_xy, side_px, tuple(f.points for f in faces), labels, self.truth, caption, self.columns
        )


def worst(evaluation: Evaluation, subject: str) -> dict[str, list[Case]]:
    """Return the worst cases of one subject by kind, the worst first; kinds without any are left out."""
    found = {kind: find(evaluation, subject)[:MOST] for kind, find in _FINDERS.items()}
    return {kind: cases for kind, cases in found.items() if cases}


def _missed(evaluation: Evaluation, subject: str) -> list[Case]:
    """Annotated faces, the largest first, and pictures with too few, by number."""
    annotated = [
        (record.faces[index].size_px, _missed_face(record, index, subject))
        for record in evaluation.annotated
        if subject in record.subjects
        for index, score in enumerate(record.subjects[subject].scores)
        if score is None
    ]
    counted = [
        (record.image.count - record.subjects[subject].distinct, record)
        for record in evaluation.counted
        if subject in record.subjects and record.image.count is not None
    ]
    pictures = [(lacking, _count_case(record, subject)) for lacking, record in counted if lacking > 0]
    return _alternating(_descending(annotated), _descending(pictures))


def _missed_face(record: AnnotatedRecord, index: int, subject: str) -> Case:
    face = record.faces[index]
    others = [name for name, one in record.subjects.items() if name != subject and one.scores[index] is not None]
    why = (f"missed: {face.size_px:.0f} px{_yaw(face)}", f"found by {', '.join(others)}" if others else "")
    result = record.subjects[subject].result
    return Case(record.image.path, None, result, face.points68, _SCENE_MARGIN, face.points68, why)


def _yaw(face: AnnotatedFace) -> str:
    return "" if face.yaw is None else f", yaw {face.yaw:+.0f} deg"


def _count_case(record: CountedRecord, subject: str) -> Case:
    one = record.subjects[subject]
    others = [f"{name} {other.distinct}" for name, other in record.subjects.items() if name != subject]
    why = (f"found {one.distinct} of {record.image.count}: {record.image.tags}", ", ".join(others))
    columns = COLUMNS if (record.image.count or 0) >= CROWD else 1
    return Case(record.image.path, None, one.result, None, 1.0, None, why, columns)


def _false(evaluation: Evaluation, subject: str) -> list[Case]:
    """Faces where there is none, in pictures; then faces found twice, in pictures and clips."""
    cases: list[Case] = []
    for record in evaluation.annotated:
        if subject in record.subjects:
            one = record.subjects[subject]
            cases += [_face_case(record.image.path, one.result, i, "no face annotated here") for i in one.verdict.false]
    for counted in evaluation.counted:
        judged = counted.subjects.get(subject)
        if judged is not None and counted.image.count is not None and judged.distinct > counted.image.count:
            cases.append(_count_case(counted, subject))
    return cases + list(_found_twice(evaluation, subject))


def _found_twice(evaluation: Evaluation, subject: str) -> Iterator[Case]:
    for record in evaluation.annotated:
        if subject in record.subjects:
            one = record.subjects[subject]
            yield from (_face_case(record.image.path, one.result, i, "found twice") for i in one.verdict.duplicates)
    for counted in evaluation.counted:
        if subject in counted.subjects:
            judged = counted.subjects[subject]
            yield from (_face_case(counted.image.path, judged.result, i, "found twice") for i in judged.duplicates)
    for clip in evaluation.clips:
        if subject in clip.subjects:
            watched = clip.subjects[subject]
            places = [(frame, index) for frame, twice in enumerate(watched.duplicates) for index in twice]
            yield from (
                _face_case(clip.clip.path, watched.results[frame], index, "found twice", frame)
                for frame, index in places[:: -(-len(places) // _MOST_OF_A_CLIP) or 1]
            )


def _face_case(path: Path, result: Result, index: int, why: str, frame: int | None = None) -> Case:
    face = result.faces[index]
    presence = "" if face.presence is None else f"presence {face.presence:.2f}"
    return Case(path, frame, result, face.points, _SCENE_MARGIN, None, (why, presence))


def _misplaced(evaluation: Evaluation, subject: str) -> list[Case]:
    """Faces with the largest error of the inner points."""
    cases = []
    for record in evaluation.annotated:
        if subject not in record.subjects:
            continue
        one = record.subjects[subject]
        for face, score in zip(record.faces, one.scores, strict=True):
            if score is not None:
                nme = score.accuracy.nme51_iod
                why = (
                    f"NME51/iod {nme:.3f}, /box {score.accuracy.nme51_bbox:.3f}",
                    f"{face.size_px:.0f} px{_yaw(face)}",
                )
                points = face.points68
                case = Case(record.image.path, None, one.result, points, _FACE_MARGIN, points, why)
                cases.append((nme, case))
    return _descending(cases)


def _id_events(evaluation: Evaluation, subject: str) -> list[Case]:
    """Ids that change, return or come late, spread over the clips."""
    by_clip = [_events_of(clip, clip.subjects[subject]) for clip in evaluation.clips if subject in clip.subjects]
    return _alternating(*by_clip)


def _events_of(record: ClipRecord, watched: Watched) -> list[Case]:
    ids = identities(watched)
    if ids is None:
        return []
    events = id_events(ids, watched.chains, watched.resumptions)
    texts = [(s.frame, s.face, f"id {s.before} becomes {s.after}") for s in events.switches]
    texts += [(s.frame, s.face, f"id {s.before} comes back as {s.after}") for s in events.renamed]
    renamed = {(frame, face) for frame, face, _ in texts}
    texts += [(f, i, f"id {ids[f][i]} returns") for f, i in events.returned if (f, i) not in renamed]
    texts += [(f, i, f"id {ids[f][i]} is new") for f, i in events.late if (f, i) not in renamed]
    return [_face_case(record.clip.path, watched.results[f], i, text, f) for f, i, text in texts]


_FINDERS: Mapping[str, Callable[[Evaluation, str], list[Case]]] = {
    "missed": _missed,
    "false": _false,
    "nme": _misplaced,
    "ids": _id_events,
}
WORST_KINDS = tuple(_FINDERS)


def _descending(weighed: Iterable[tuple[float, Case]]) -> list[Case]:
    return [case for _, case in sorted(weighed, key=lambda pair: -pair[0])]


def _alternating(*lists: Sequence[T]) -> list[T]:
    """Take from each list in turn."""
    return [one for one in chain.from_iterable(zip_longest(*lists)) if one is not None]


def tiles(cases: Sequence[Case]) -> list[Tile]:
    """Read the pictures and the frames of the cases and lay them out, in the same order."""
    made: dict[int, Tile] = {}
    for path in dict.fromkeys(case.path for case in cases):
        here = [(index, case) for index, case in enumerate(cases) if case.path == path]
        images = _images(path, {case.frame for _, case in here})
        made |= {index: case.tile(images[case.frame]) for index, case in here}
    return [made[index] for index in sorted(made)]


def _images(path: Path, frames: set[int | None]) -> dict[int | None, UInt8]:
    """Return the picture under None, or the frames of a clip under their numbers."""
    if None in frames:
        return {None: read_image_rgb(path)}
    images: dict[int | None, UInt8] = {}
    with open_source(path) as source:
        for frame, image_bgr in enumerate(source):
            if frame in frames:
                images[frame] = np.ascontiguousarray(image_bgr[..., ::-1])
            if len(images) == len(frames):
                break
    return images
