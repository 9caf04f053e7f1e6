"""What every subject found in every picture and clip, judged by the truth: the material of figures and pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from facemesh_ros.tools.evaluation.accuracy import Accuracy
from facemesh_ros.tools.evaluation.datasets import AnnotatedFace, AnnotatedImage, Clip, CountedImage
from facemesh_ros.tools.evaluation.matching import Verdict
from facemesh_ros.tools.evaluation.motion import SegmentFigures
from facemesh_ros.tools.evaluation.rotations import Angles
from facemesh_ros.tools.evaluation.subjects import Result
from facemesh_ros.tools.evaluation.tracks import Chain, Place


@dataclass(frozen=True)
class Failure:
    """Something that could not be evaluated, in whole or in part, and was left out."""

    name: str
    subject: str
    """Empty where the picture or clip itself is at fault."""
    message: str

    def __str__(self) -> str:
        return f"{' '.join(filter(None, (self.name, self.subject)))}: {self.message}"


@dataclass(frozen=True)
class Score:
    """Of an annotated face that was found."""

    index: int
    """Among the faces found."""
    accuracy: Accuracy
    angles: Angles | None
    """Of the mesh; None without a reference face."""
    own_angles: Angles | None
    """Of the subject's own head pose; None where it gives none."""


@dataclass(frozen=True)
class Judged:
    """One subject's faces in one annotated picture."""

    result: Result
    verdict: Verdict
    scores: tuple[Score | None, ...]
    """For each counted face; None where it was missed."""


@dataclass(frozen=True)
class AnnotatedRecord:
    """An annotated picture and what each subject made of it."""

    image: AnnotatedImage
    faces: tuple[AnnotatedFace, ...]
    """Those that count."""
    subjects: dict[str, Judged]


@dataclass(frozen=True)
class Counted:
    """One subject's faces in one picture with a known number of them."""

    result: Result
    duplicates: tuple[int, ...]

    @property
    def distinct(self) -> int:
        """How many faces it found, each counted once."""
        return len(self.result.faces) - len(self.duplicates)


@dataclass(frozen=True)
class CountedRecord:
    """A picture with a known number of faces and what each subject made of it."""

    image: CountedImage
    subjects: dict[str, Counted]


@dataclass(frozen=True)
class Watched:
    """One subject's faces in a clip."""

    results: tuple[Result, ...]
    chains: list[Chain]
    resumptions: list[tuple[Place, Place]]
    duplicates: tuple[tuple[int, ...], ...]
    """For each frame."""
    segments: tuple[SegmentFigures, ...]
    """Empty where no motion is known."""


@dataclass(frozen=True)
class ClipRecord:
    """A clip and what each subject made of it."""

    clip: Clip
    frames: int
    rate_hz: float
    subjects: dict[str, Watched]


@dataclass
class Evaluation:
    """Everything that a run has found."""

    annotated: list[AnnotatedRecord] = field(default_factory=list)
    counted: list[CountedRecord] = field(default_factory=list)
    clips: list[ClipRecord] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether no subject has a result."""
        some = any(one.subjects for one in self.annotated) or any(one.subjects for one in self.counted)
        return not (some or any(one.subjects for one in self.clips))
