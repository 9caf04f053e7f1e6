"""What the demo measured: statistics over the messages received, as a table and as one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

if TYPE_CHECKING:
    from facemesh_ros.ros.monitor import Sample

WINDOW_S = 1.0
"""What the table calls now."""


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


def table(samples: Sequence[Sample], title: str) -> Table:
    """Lay out the last second beside the whole run; of no samples, say that none has arrived."""
    shown = Table(title=title, title_justify="left", caption_justify="left")
    shown.add_column("")
    shown.add_column("last second", justify="right", min_width=12)
    shown.add_column("since the start", justify="right", min_width=16)
    if not samples:
        shown.caption = "waiting for the first message ..."
        return shown
    recent = [sample for sample in samples[-1000:] if sample.arrived_s > samples[-1].arrived_s - WINDOW_S]
    now, whole = Statistics.of(recent), Statistics.of(samples)
    for left, right in zip(_rows(now), _rows(whole), strict=True):
        shown.add_row(left[0], left[1], right[1], end_section=left[0] in ("presence, least", "latency, p95"))
    return shown


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
        *((f"  {stage}, mean", f"{duration:.1f} ms") for stage, duration in statistics.stage_ms.items()),
        ("images dropped", f"{statistics.dropped}"),
    ]
