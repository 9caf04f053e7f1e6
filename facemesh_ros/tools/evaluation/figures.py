"""The figures of an evaluation, as plain values that JSON can hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from facemesh_ros.tools.evaluation.accuracy import ACCURACIES, SIZE_BINS, YAW_BINS, Bin, mean_median
from facemesh_ros.tools.evaluation.datasets import AnnotatedFace
from facemesh_ros.tools.evaluation.records import (
    AnnotatedRecord,
    ClipRecord,
    CountedRecord,
    Evaluation,
    Judged,
    Score,
    Watched,
)
from facemesh_ros.tools.evaluation.rotations import angle_errors
from facemesh_ros.tools.evaluation.subjects import Result
from facemesh_ros.tools.evaluation.tracks import id_events, jitter, reappearances

Figures = dict[str, Any]

WEAK_SOURCE = "YouTube Faces"
"""Annotated by machine and visibly offset; "strong" is every other source."""


def is_strong(source: str) -> bool:
    """Tell whether the annotation is by hand."""
    return WEAK_SOURCE not in source


class Case:
    """An annotated face that counts, and each subject's score of it."""

    def __init__(self, record: AnnotatedRecord, index: int) -> None:
        self.face: AnnotatedFace = record.faces[index]
        self.source = record.image.source
        self.scores: dict[str, Score | None] = {name: one.scores[index] for name, one in record.subjects.items()}


def figures(evaluation: Evaluation, subjects: Sequence[str]) -> Figures:
    """Return every figure of a run: by annotated faces, by counted pictures, by clip."""
    return {
        "gt": _annotated(evaluation.annotated, subjects),
        "images": _counted(evaluation.counted, subjects),
        "videos": [_clip(record) for record in evaluation.clips],
        "failures": [asdict(failure) for failure in evaluation.failures],
    }


def _annotated(records: Sequence[AnnotatedRecord], subjects: Sequence[str]) -> Figures | None:
    if not records:
        return None
    cases = [Case(record, index) for record in records for index in range(len(record.faces))]
    return {
        "groups": [_group(name, members, subjects) for name, members in _groups(cases) if members],
        "pictures": {name: _pictures(records, name) for name in subjects},
        "pose": {name: _pose(cases, name) for name in subjects},
        "items": [_annotated_item(record) for record in records],
    }


def _groups(cases: Sequence[Case]) -> list[tuple[str, list[Case]]]:
    strong = [case for case in cases if is_strong(case.source)]
    sources = dict.fromkeys(case.source for case in cases)
    groups = [("all", list(cases)), ("strong", strong)]
    groups += [(source, [case for case in cases if case.source == source]) for source in sources]
    groups += [(f"size {b.name}", _in_bin(strong, b, lambda case: case.face.size_px)) for b in SIZE_BINS]
    return groups + [(f"|yaw| {b.name}", _in_bin(strong, b, _abs_yaw)) for b in YAW_BINS]


def _abs_yaw(case: Case) -> float | None:
    return None if case.face.yaw is None else abs(case.face.yaw)


def _in_bin(cases: Sequence[Case], one: Bin, value: Callable[[Case], float | None]) -> list[Case]:
    return [case for case in cases if (v := value(case)) is not None and one.holds(v)]


def _group(name: str, cases: Sequence[Case], subjects: Sequence[str]) -> Figures:
    common = [case for case in cases if all(case.scores.get(subject) is not None for subject in subjects)]
    return {
        "group": name,
        "faces": len(cases),
        "subjects": {subject: _accuracy(cases, subject) for subject in subjects},
        "common": {"faces": len(common), "subjects": {s: _accuracy(common, s) for s in subjects}},
    }


def _accuracy(cases: Sequence[Case], subject: str) -> Figures:
    """Average over the faces found; ``seen`` leaves out the pictures on which the subject failed."""
    seen = [case for case in cases if subject in case.scores]
    found = [score.accuracy for case in seen if (score := case.scores[subject]) is not None]
    nmes = {name: mean_median([getattr(one, name) for one in found]) for name in ACCURACIES}
    return {"seen": len(seen), "found": len(found), "recall": len(found) / len(seen) if seen else None, **nmes}


def _pictures(records: Sequence[AnnotatedRecord], subject: str) -> Figures:
    judged = [(record.image.complete, record.subjects[subject]) for record in records if subject in record.subjects]
    return {
        "pictures": len(judged),
        "complete_pictures": sum(complete for complete, _ in judged),
        "false": sum(len(one.verdict.false) for _, one in judged),
        "duplicates": sum(len(one.verdict.duplicates) for _, one in judged),
        "ms": timing([one.result for _, one in judged]),
    }


def _pose(cases: Sequence[Case], subject: str) -> Figures:
    """Errors of the mesh's rotation and of the subject's own pose, over faces with a measured pose."""
    found = [(case.face.pose, score) for case in cases if case.face.pose and (score := case.scores.get(subject))]
    kinds = {"mesh": [score.angles for _, score in found], "own": [score.own_angles for _, score in found]}
    poses: Figures = {}
    for kind, angles in kinds.items():
        pairs = [(one, truth) for one, (truth, _) in zip(angles, found, strict=True) if one is not None]
        errors = angle_errors([one for one, _ in pairs], [truth for _, truth in pairs])
        angles_of = {name: asdict(error) for name, error in errors.items()}
        poses[kind] = {"faces": len(pairs), **angles_of} if pairs else None
    return poses


def timing(results: Sequence[Result]) -> dict[str, float] | None:
    """Return median and 95th percentile in ms; None of no results."""
    if not results:
        return None
    median, p95 = np.percentile([result.ms for result in results], (50, 95)).tolist()
    return {"median": median, "p95": p95}


def _annotated_item(record: AnnotatedRecord) -> Figures:
    faces = [
        {
            "size_px": face.size_px,
            "yaw": face.yaw,
            "pose": None if face.pose is None else asdict(face.pose),
            "subjects": {name: _score(one.scores[index]) for name, one in record.subjects.items()},
        }
        for index, face in enumerate(record.faces)
    ]
    subjects = {name: _judged(one) for name, one in record.subjects.items()}
    return {"image": record.image.name, "source": record.image.source, "faces": faces, "subjects": subjects}


def _score(score: Score | None) -> Figures | None:
    if score is None:
        return None
    angles, own = (None if one is None else asdict(one) for one in (score.angles, score.own_angles))
    return {**asdict(score.accuracy), "angles": angles, "own_angles": own}


def _judged(one: Judged) -> Figures:
    verdict, result = one.verdict, one.result
    counts = {"false": len(verdict.false), "duplicates": len(verdict.duplicates)}
    return {"found": len(result.faces), **counts, "ms": result.ms}


def _counted(records: Sequence[CountedRecord], subjects: Sequence[str]) -> Figures | None:
    if not records:
        return None
    return {
        "subjects": {subject: _counts(records, subject) for subject in subjects},
        "items": [_counted_item(record) for record in records],
    }


def _counts(records: Sequence[CountedRecord], subject: str) -> Figures:
    judged = [(r.image.count, r.subjects[subject]) for r in records if subject in r.subjects]
    labelled = [(count, one) for count, one in judged if count is not None]
    return {
        "pictures": len(labelled),
        "exact": sum(one.distinct == count and not one.duplicates for count, one in labelled),
        "faces": sum(count for count, _ in labelled),
        "found": sum(min(one.distinct, count) for count, one in labelled),
        "extra": sum(max(one.distinct - count, 0) for count, one in labelled if count),
        "duplicates": sum(len(one.duplicates) for _, one in judged),
        "negatives": sum(count == 0 for count, _ in labelled),
        "false_on_negatives": sum(one.distinct for count, one in labelled if count == 0),
        "ms": timing([one.result for _, one in judged]),
    }


def _counted_item(record: CountedRecord) -> Figures:
    subjects = {
        name: {"found": one.distinct, "duplicates": len(one.duplicates), "ms": one.result.ms}
        for name, one in record.subjects.items()
    }
    return {"file": record.image.name, "n_faces": record.image.count, "tags": record.image.tags, "subjects": subjects}


def _clip(record: ClipRecord) -> Figures:
    subjects = {name: _watched(one) for name, one in record.subjects.items()}
    return {"file": record.clip.name, "frames": record.frames, "rate_hz": record.rate_hz, "subjects": subjects}


def _watched(one: Watched) -> Figures:
    counts = [len(result.faces) for result in one.results]
    return {
        "frames_with_face": sum(count > 0 for count in counts),
        "faces_histogram": {str(n): times for n, times in sorted(Counter(counts).items())},
        "reappearances": reappearances(counts),
        "chains": len(one.chains),
        "duplicates": sum(map(len, one.duplicates)),
        "ids": ids_of(one),
        "jitter": jitter_of(one, smoothed=False),
        "jitter_smoothed": jitter_of(one, smoothed=True),
        "segments": [asdict(segment) for segment in one.segments],
        "ms": timing(one.results),
        "faces_per_frame": counts,
    }


def identities(one: Watched) -> list[list[int]] | None:
    """Return the ids of the faces of each frame; None for a subject that gives none."""
    ids = [[face.identity for face in result.faces] for result in one.results]
    return None if any(i is None for frame in ids for i in frame) else [[int(i or 0) for i in frame] for frame in ids]


def ids_of(one: Watched) -> Mapping[str, int] | None:
    """Count what became of the ids; None for a subject that gives none."""
    ids = identities(one)
    if ids is None:
        return None
    events = id_events(ids, one.chains, one.resumptions)
    return {
        "used": len(events.used),
        "switches": len(events.switches),
        "renamed": len(events.renamed),
        "returned": len(events.returned),
        "late": len(events.late),
    }


def jitter_of(one: Watched, smoothed: bool) -> Figures | None:
    """Return mean, median and 95th percentile over all chains; None where there is nothing, or nothing smoothed."""
    values: list[float] = []
    for chain in one.chains:
        faces = [one.results[frame].faces[index] for frame, index in chain]
        meshes = [face.smoothed if smoothed else face.points for face in faces]
        values += jitter([mesh for mesh in meshes if mesh is not None])
    if not values:
        return None
    median, p95 = np.percentile(values, (50, 95)).tolist()
    return {"mean": float(np.mean(values)), "median": median, "p95": p95}
