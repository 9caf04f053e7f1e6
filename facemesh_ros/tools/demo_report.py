"""What the demo measured: statistics over the messages received, as a table and as one line."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from facemesh_ros.ros.timing import OF_MESH

if TYPE_CHECKING:
    from facemesh_ros.ros.monitor import Sample

WINDOWS_S = {"last second": 1.0, "last minute": 60.0}
"""The table's columns: of a bounded length, so that a long run is laid out as quickly as a short one."""
LOSS_SHARE, LOSS_COUNT = 0.1, 15
"""So many images may be missing, whichever is more, before it counts as a loss: some are while the processes start."""


@dataclass(frozen=True)
class Statistics:
    """Over a stretch of messages, from the first of them to the last."""

    messages: int
    seconds: float
    rate_hz: float
    """0 for fewer than two messages."""
    with_face: int
    """Messages that hold at least one face."""
    faces: int
    """In the last message."""
    least_presence: float | None
    """Of all faces; None without any."""
    median_latency_ms: float
    p95_latency_ms: float
    stage_ms: Mapping[str, float]
    """Means, so that a stage that seldom runs counts by its share."""
    dropped: int
    """Images that the node skipped in the meantime."""

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Statistics:
        """Sum up at least one sample, in order of arrival."""
        first, last = samples[0], samples[-1]
        seconds = last.arrived_s - first.arrived_s
        presences = [presence for sample in samples for presence in sample.presences]
        median, p95 = np.percentile([sample.latency_ms for sample in samples], (50, 95)).tolist()
        return cls(
            messages=len(samples),
            seconds=seconds,
            rate_hz=(len(samples) - 1) / seconds if seconds > 0.0 else 0.0,
            with_face=sum(bool(sample.presences) for sample in samples),
            faces=len(last.presences),
            least_presence=min(presences, default=None),
            median_latency_ms=median,
            p95_latency_ms=p95,
            stage_ms={s: float(np.mean([sample.stage_ms[s] for sample in samples])) for s in first.stage_ms},
            dropped=last.dropped - first.dropped,
        )

    def line(self) -> str:
        """Say it in one line."""
        return (
            f"{self.messages} messages in {self.seconds:.1f} s: {self.rate_hz:.1f} Hz, "
            f"a face in {self.with_face} of {self.messages}, latency {self.median_latency_ms:.1f} ms median, "
            f"{self.p95_latency_ms:.1f} ms p95, dropped {self.dropped}"
        )


def loss(statistics: Statistics, played_hz: float) -> str | None:
    """Say that images were lost between player and node, with the remedy; None where they arrived."""
    played = played_hz * statistics.seconds
    lost = played - statistics.messages - statistics.dropped
    if lost <= max(LOSS_COUNT, LOSS_SHARE * played):
        return None
    return (
        f"about {lost:.0f} of {played:.0f} images were lost between player and node, most often because shared memory "
        "has no room for them: make room in /dev/shm (in Docker: --shm-size=512m), or choose a smaller --size"
    )


def table(samples: Sequence[Sample], title: str) -> Table:
    """Lay out the last second beside the last minute; of no samples, say that none has arrived."""
    shown = Table(title=title, title_justify="left", caption_justify="left")
    shown.add_column("")
    for name in WINDOWS_S:
        shown.add_column(name, justify="right", min_width=12)
    if not samples:
        shown.caption = "waiting for the first message ..."
        return shown
    columns = [_rows(Statistics.of(_recent(samples, window_s))) for window_s in WINDOWS_S.values()]
    for cells in zip(*columns, strict=True):
        name = cells[0][0]
        shown.add_row(name, *(text for _, text in cells), end_section=name in ("presence, least", "latency, p95"))
    return shown


def _recent(samples: Sequence[Sample], window_s: float) -> Sequence[Sample]:
    """Return the samples that arrived within the window before the last one; at least that one."""
    start_s = samples[-1].arrived_s - window_s
    return samples[bisect_right(samples, start_s, key=lambda sample: sample.arrived_s) :]


def _rows(statistics: Statistics) -> list[tuple[str, str]]:
    presence = statistics.least_presence
    return [
        ("messages", f"{statistics.messages}"),
        ("rate", f"{statistics.rate_hz:.1f} Hz"),
        ("faces, at present", f"{statistics.faces}"),
        ("messages with a face", f"{statistics.with_face}"),
        ("presence, least", "–" if presence is None else f"{presence:.2f}"),
        ("latency, median", f"{statistics.median_latency_ms:.1f} ms"),
        ("latency, p95", f"{statistics.p95_latency_ms:.1f} ms"),
        *((f"{_indent(stage)}{stage}, mean", f"{duration:.1f} ms") for stage, duration in statistics.stage_ms.items()),
        ("images dropped", f"{statistics.dropped}"),
    ]


def _indent(stage: str) -> str:
    return "    " if stage in OF_MESH else "  "
