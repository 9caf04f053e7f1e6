"""How the node is doing: counts of what it did, and the /diagnostics message made of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from facemesh_ros.ros.timing import STAGES

NO_STAGES: Mapping[str, float] = MappingProxyType({})
PERIOD_S = 1.0
"""Between two messages; diagnostic_updater's default."""


@dataclass(frozen=True)
class Report:
    """What happened, in total since the node became active and during the last period."""

    frames: int = 0
    """Images processed; so for the next three."""
    dropped: int = 0
    """A newer one had arrived."""
    bad: int = 0
    """It could not be read."""
    failed: int = 0
    """An internal error."""
    faces: int = 0
    """In the last image."""
    rate_hz: float = 0.0
    """During the period; so for all that follow."""
    latency_mean_ms: float = 0.0
    """From an image's arrival until its message was published."""
    latency_max_ms: float = 0.0
    stage_means_ms: Mapping[str, float] = field(default_factory=dict)
    """By the names of :data:`facemesh_ros.ros.timing.STAGES`, over the images processed."""
    new_bad: int = 0
    new_failed: int = 0
    calibrated: int = 0
    """Images that had their calibration, in total; so for the next three."""
    depth: int = 0
    """Images that had their depth, of those with a use for it; so for the next two."""
    no_depth: int = 0
    """None had come."""
    bad_depth: int = 0
    """It could not be used."""
    new_depth: int = 0
    """During the period; so for all that follow."""
    new_no_depth: int = 0
    new_bad_depth: int = 0
    disagreeing: int = 0
    """Faces whose size by depth was far from the assumed one, image by image, during the period."""


class Tally:
    """Count what becomes of the images. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Begin at zero."""
        with self._lock:
            self._frames = self._dropped = self._bad = self._failed = self._faces = 0
            self._calibrated = self._depth = self._no_depth = self._bad_depth = self._disagreeing = 0
            self._latencies_ms: list[float] = []
            self._stages_ms: dict[str, float] = {}
            self._before = Report()

    @property
    def skipped(self) -> int:
        """Images of which nothing was published."""
        return self._dropped + self._bad + self._failed

    def add_frame(
        self, faces: int, latency_ms: float, disagreeing: int = 0, stages_ms: Mapping[str, float] = NO_STAGES
    ) -> None:
        """Count an image that was processed, its faces of which depth and assumption disagree on the size, its time."""
        with self._lock:
            self._frames += 1
            self._disagreeing += disagreeing
            self._faces = faces
            self._latencies_ms.append(latency_ms)
            for stage, time_ms in stages_ms.items():
                self._stages_ms[stage] = self._stages_ms.get(stage, 0.0) + time_ms

    def add_dropped(self) -> None:
        """Count an image that a newer one replaced."""
        with self._lock:
            self._dropped += 1

    def add_bad(self) -> None:
        """Count an image that could not be read."""
        with self._lock:
            self._bad += 1

    def add_failed(self) -> None:
        """Count an image on which the node failed."""
        with self._lock:
            self._failed += 1

    def add_calibrated(self) -> None:
        """Count an image that had its calibration."""
        with self._lock:
            self._calibrated += 1

    def add_depth(self) -> None:
        """Count an image that had its depth."""
        with self._lock:
            self._depth += 1

    def add_no_depth(self) -> None:
        """Count an image that needed depth and for which none had come."""
        with self._lock:
            self._no_depth += 1

    def add_bad_depth(self) -> None:
        """Count a depth image that could not be used."""
        with self._lock:
            self._bad_depth += 1

    def report(self, period_s: float) -> Report:
        """Sum up, and begin a new period; the one that ends has lasted ``period_s``."""
        with self._lock:
            latencies_ms, self._latencies_ms = self._latencies_ms, []
            disagreeing, self._disagreeing = self._disagreeing, 0
            stages_ms, self._stages_ms = self._stages_ms, {}
            before = self._before
            self._before = Report(
                frames=self._frames,
                dropped=self._dropped,
                bad=self._bad,
                failed=self._failed,
                faces=self._faces,
                rate_hz=len(latencies_ms) / period_s,
                latency_mean_ms=sum(latencies_ms) / max(len(latencies_ms), 1),
                latency_max_ms=max(latencies_ms, default=0.0),
                stage_means_ms={stage: sum_ms / len(latencies_ms) for stage, sum_ms in stages_ms.items()},
                new_bad=self._bad - before.bad,
                new_failed=self._failed - before.failed,
                calibrated=self._calibrated,
                depth=self._depth,
                no_depth=self._no_depth,
                bad_depth=self._bad_depth,
                new_depth=self._depth - before.depth,
                new_no_depth=self._no_depth - before.no_depth,
                new_bad_depth=self._bad_depth - before.bad_depth,
                disagreeing=disagreeing,
            )
            return self._before


def status(
    name: str,
    topic: str,
    state: str,
    device: str,
    report: Report,
    busy_s: float = 0.0,
    fallback: str | None = None,
) -> DiagnosticStatus:
    """Make the status of a camera.

    Args:
        name: the node's, fully qualified, and what the status is of.
        topic: of the images.
        state: "running", or why it is not.
        device: what the networks run on.
        report: what happened.
        busy_s: how long the node has been at work on the present image; 0 while it waits for one.
        fallback: why the device is not the one asked for; None where it is.
    """
    level, message = _verdict(state, report, busy_s)
    values = {
        "state": state,
        "topic": topic,
        "device": device,
        "device fallback": "none" if fallback is None else fallback,
        "frames": report.frames,
        "dropped": report.dropped,
        "bad": report.bad,
        "failed": report.failed,
        "faces": report.faces,
        "calibrated": report.calibrated,
        "depth": report.depth,
        "no depth": report.no_depth,
        "bad depth": report.bad_depth,
        "scale disagrees": report.disagreeing,
        "rate [Hz]": f"{report.rate_hz:.1f}",
        "latency mean [ms]": f"{report.latency_mean_ms:.1f}",
        "latency max [ms]": f"{report.latency_max_ms:.1f}",
        **{f"{stage} mean [ms]": f"{report.stage_means_ms.get(stage, 0.0):.2f}" for stage in STAGES},
    }
    return DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id=topic,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )


def _verdict(state: str, report: Report, busy_s: float) -> tuple[bytes, str]:
    if state != "running":
        return DiagnosticStatus.OK, state
    if busy_s > PERIOD_S:
        return DiagnosticStatus.WARN, f"busy with one image for {busy_s:.0f} s"
    if report.new_failed:
        return DiagnosticStatus.ERROR, f"{report.new_failed} images failed: see the node's log"
    if report.new_bad:
        return DiagnosticStatus.WARN, f"{report.new_bad} images could not be read: see the node's log"
    if report.rate_hz == 0.0:
        return DiagnosticStatus.WARN, "no images"
    if report.new_bad_depth:
        return DiagnosticStatus.WARN, f"{report.new_bad_depth} depth images could not be used: see the node's log"
    if report.new_no_depth and not report.new_depth:
        return DiagnosticStatus.WARN, "no depth for any image: see the node's log"
    if report.disagreeing:
        return DiagnosticStatus.WARN, "heads are not of the size that the depth says: check depth and calibration"
    return DiagnosticStatus.OK, f"{report.rate_hz:.1f} Hz, faces: {report.faces}"
