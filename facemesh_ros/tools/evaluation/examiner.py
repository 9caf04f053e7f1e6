"""Shows every picture and clip to every subject in turn, and judges what each has found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros.errors import FaceMeshError, InputError
from facemesh_ros.tools.evaluation.accuracy import Accuracy
from facemesh_ros.tools.evaluation.datasets import (
    AnnotatedFace,
    AnnotatedImage,
    Clip,
    CountedImage,
    Data,
    read_image_rgb,
    read_motion,
)
from facemesh_ros.tools.evaluation.matching import duplicates, judge, same_face
from facemesh_ros.tools.evaluation.motion import Motion, SegmentFigures, segment_figures
from facemesh_ros.tools.evaluation.records import (
    AnnotatedRecord,
    ClipRecord,
    Counted,
    CountedRecord,
    Evaluation,
    Failure,
    Judged,
    Score,
    Watched,
)
from facemesh_ros.tools.evaluation.rotations import angles_from_rotation, rotation_of_mesh, rotation_of_pose
from facemesh_ros.tools.evaluation.subjects import Found, Result, Subject
from facemesh_ros.tools.evaluation.tracks import chains, resumptions
from facemesh_ros.tools.sources import open_source
from facemesh_ros.types import UInt8

SHOWN_FRAMES = 8
"""For so long a subject follows the picture at rest before its mesh counts as settled."""


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known of a clip's motion."""

    motion: Motion
    picture_rgb: UInt8
    """What moves."""


@dataclass
class Examiner:
    """Shows every picture and frame to every subject in turn."""

    subjects: Sequence[Subject]
    data: Data
    shift_px: float = 0.0
    """Taken off x and y of everything that any subject finds."""
    reference: NDArray[Any] | None = None
    """(M, 3): a reference face for head poses from meshes; x right, y down, z away, looking at the viewer."""
    advance: Callable[[str], None] = lambda _: None
    """Told the name of each picture and clip before its turn, and "" after each frame."""

    def __post_init__(self) -> None:
        self._turn = 0
        self._done = Evaluation()

    def examine(self) -> Evaluation:
        """Evaluate all of the data; what fails is noted and left out."""
        for image in self.data.annotated:
            self.advance(image.name)
            subjects = {name: self._judged(image, result) for name, result in self._stills(image)}
            counted = tuple(face for face in image.faces if not face.ignore)
            self._done.annotated.append(AnnotatedRecord(image, counted, subjects))
        for plain in self.data.counted:
            self.advance(plain.name)
            results = {name: Counted(result, _duplicates(result)) for name, result in self._stills(plain)}
            self._done.counted.append(CountedRecord(plain, results))
        for clip in self.data.clips:
            self.advance(clip.name)
            self._watch(clip)
        return self._done

    def _in_turn(self, subjects: Sequence[Subject]) -> Sequence[Subject]:
        """Let another subject be the first each time, so that none always finds the caches warm."""
        self._turn += 1
        start = self._turn % max(len(subjects), 1)
        return [*subjects[start:], *subjects[:start]]

    def _stills(self, image: AnnotatedImage | CountedImage) -> Iterator[tuple[str, Result]]:
        try:
            image_rgb = read_image_rgb(image.path)
        except InputError as error:
            self._note(image.name, error)
            return
        for subject in self._in_turn(self.subjects):
            result = self._still(subject, image_rgb, image.name)
            if result is not None:
                yield subject.name, result

    def _still(self, subject: Subject, image_rgb: UInt8, name: str) -> Result | None:
        try:
            return subject.still(image_rgb).shifted(self.shift_px)
        except FaceMeshError as error:
            self._note(name, error, subject)
            return None

    def _judged(self, image: AnnotatedImage, result: Result) -> Judged:
        meshes = [face.points for face in result.faces]
        found68 = [self.data.mapping.points(mesh) for mesh in meshes]
        faces = image.faces
        truths, sizes_px = [face.points68 for face in faces], [face.size_px for face in faces]
        verdict = judge(truths, sizes_px, [face.ignore for face in faces], image.complete, found68, meshes)
        counted = [face for face in faces if not face.ignore]
        scores = [
            None if index is None else self._score(result.faces[index], index, found68[index], face)
            for face, index in zip(counted, verdict.matches, strict=True)
        ]
        return Judged(result, verdict, tuple(scores))

    def _score(self, found: Found, index: int, found68: NDArray[np.float64], truth: AnnotatedFace) -> Score:
        reference, pose = self.reference, found.camera_from_head
        angles = None if reference is None else angles_from_rotation(rotation_of_mesh(found.points, reference))
        own = None if pose is None else angles_from_rotation(rotation_of_pose(pose))
        return Score(index, Accuracy.of(found68, truth.points68, truth.size_px), angles, own)

    def _watch(self, clip: Clip) -> None:
        """Show the clip frame by frame; a subject that fails on a frame is out for this clip."""
        results: dict[str, list[Result]] = {}
        try:
            source = open_source(clip.path)
            known = self._known(clip)
            active = [subject for subject in self.subjects if self._begins(subject, clip)]
            results = {subject.name: [] for subject in active}
            frames = 0
            for frames, frame_bgr in enumerate(source, start=1):
                image_rgb = np.ascontiguousarray(frame_bgr[..., ::-1])
                for subject in self._in_turn(active):
                    if not self._sees(subject, clip, image_rgb, (frames - 1) / source.rate_hz, results):
                        active.remove(subject)
                        del results[subject.name]
                self.advance("")
            self._compare_lengths(clip, frames, known)
            subjects = {s.name: self._watched(s, clip, source.rate_hz, results[s.name], known) for s in active}
            self._done.clips.append(ClipRecord(clip, frames, source.rate_hz, subjects))
        except InputError as error:
            self._note(clip.name, error)

    def _begins(self, subject: Subject, clip: Clip) -> bool:
        try:
            subject.begin_stream()
        except FaceMeshError as error:
            self._note(clip.name, error, subject)
            return False
        return True

    def _sees(
        self, subject: Subject, clip: Clip, image_rgb: UInt8, stamp: float, results: dict[str, list[Result]]
    ) -> bool:
        try:
            results[subject.name].append(subject.frame(image_rgb, stamp).shifted(self.shift_px))
        except FaceMeshError as error:
            self._note(clip.name, error, subject)
            return False
        return True

    def _known(self, clip: Clip) -> _Known | None:
        """Return what is known of a clip's motion; None where nothing is, or where it cannot be read."""
        if clip.truth is None or self.data.picture is None:
            return None
        try:
            return _Known(read_motion(clip.truth), read_image_rgb(self.data.picture))
        except InputError as error:
            self._note(clip.name, f"its motion is left out: {error}")
            return None

    def _compare_lengths(self, clip: Clip, frames: int, known: _Known | None) -> None:
        if known is not None and len(known.motion.present) != frames:
            rows = len(known.motion.present)
            self._note(
                clip.name, f"it has {frames} frames, and its motion is known for {rows}: the others are left out"
            )

    def _watched(
        self, subject: Subject, clip: Clip, rate_hz: float, results: Sequence[Result], known: _Known | None
    ) -> Watched:
        meshes = [[face.points for face in result.faces] for result in results]
        segments = () if known is None else self._segments(subject, clip, rate_hz, known, meshes)
        linked = chains(meshes)
        resumed = resumptions(meshes, linked, rate_hz)
        return Watched(tuple(results), linked, resumed, tuple(map(_duplicates, results)), segments)

    def _segments(
        self, subject: Subject, clip: Clip, rate_hz: float, known: _Known, meshes: list[list[NDArray[np.float32]]]
    ) -> tuple[SegmentFigures, ...]:
        """Compare with the known motion of what the same subject finds on the picture, as a still and as a stream."""
        try:
            still = subject.still(known.picture_rgb).shifted(self.shift_px)
            settled = _settled(subject, known.picture_rgb, rate_hz).shifted(self.shift_px)
        except FaceMeshError as error:
            self._note(clip.name, f"its motion is left out: {error}", subject)
            return ()
        if not still.faces:
            self._note(clip.name, "its motion is left out: there is no face in the picture", subject)
            return ()
        reference = still.faces[0].points
        own = (face.points for face in settled.faces if same_face(face.points, reference))
        return tuple(segment_figures(known.motion, reference, next(own, None), meshes))

    def _note(self, name: str, what: object, subject: Subject | None = None) -> None:
        self._done.failures.append(Failure(name, "" if subject is None else subject.name, str(what)))


def _settled(subject: Subject, picture_rgb: UInt8, rate_hz: float) -> Result:
    """Show a picture for some frames; return what the subject finds in the last one."""
    subject.begin_stream()
    return [subject.frame(picture_rgb, frame / rate_hz) for frame in range(SHOWN_FRAMES)][-1]


def _duplicates(result: Result) -> tuple[int, ...]:
    return tuple(duplicates([face.points for face in result.faces]))
