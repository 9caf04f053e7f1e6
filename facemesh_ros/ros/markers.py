"""The MarkerArray of an image, as CDR bytes, for RViz and Foxglove.

Every kind of marker has a namespace, in which that of a face has the id of its track. A face has no markers while it
has no metric points, as without a calibration.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from facemesh_ros.ros.cdr import FIRST_PHASE, Dtype, Mark, Row, Template, joined
from facemesh_ros.ros.frames import Result
from facemesh_ros.ros.marker_kinds import Kind, Kinds, Shape

MARKS: dict[str, tuple[Dtype, int]] = {
    "points": (np.float64, 0),
    "colors": (np.float32, 4),
    "color": (np.float32, 0),
    "pose": (np.float64, 0),
}
"""Field → type and columns of its numbers."""
_STAMP = struct.Struct("=iI")
Place: TypeAlias = tuple[Kinds, str, int]
"""Of a face's markers in a message: what they are, their frame, and the phase of the first."""


class FaceMarkers:
    """Make the markers of image after image, and delete those that an image no longer has."""

    def __init__(self) -> None:
        self.begin()

    def begin(self, prefix: str = "") -> None:
        """Let the next message delete whatever a viewer still shows; ``prefix`` goes before the ids in texts."""
        self._prefix = prefix
        self._shown: dict[int, _Drawing] = {}
        self._begins = True
        self._last: Header | None = None
        """Of the last image that something was said of; None before the first."""

    @property
    def are_told(self) -> bool:
        """Whether anything was said since the last beginning, and so may have to be taken back."""
        return self._last is not None

    def message(self, result: Result, is_colored: bool) -> bytes | None:
        """Return the serialised MarkerArray of the next image; None where it would be empty.

        Args:
            result: of the image, whose frame has a name: nothing can stand in one without.
            is_colored: take the surface's colours from the image.
        """
        header = result.array.header
        sequence = _Sequence(header)
        if self._begins:
            sequence.delete_all()
        before = self._shown
        shown: dict[int, _Drawing] = {}
        for face, message in zip(result.faces, result.array.faces, strict=True):
            shape = Shape.of(face, message, result.image_rgb if is_colored else None)
            if shape is not None:
                drawing = self._drawing(face.track_id, shape, sequence, before)
                drawing.write(shape, sequence.stamp)
                sequence.add(drawing.row, drawing.next_phase)
                shown[face.track_id] = drawing
        for track_id, drawing in before.items():
            if shown.get(track_id) is not drawing:
                kept = shown[track_id].names if track_id in shown else set[str]()
                for name in sorted(drawing.names - kept):
                    sequence.delete(name, track_id)
        message = joined(sequence.rows) if sequence.rows else None
        self._shown, self._begins, self._last = shown, False, header
        return message

    def farewell(self) -> bytes | None:
        """Return the message that deletes all markers, under the header of the last image that could have any.

        The next image begins anew. None where nothing was said since the last beginning.
        """
        last = self._last
        if last is None:
            return None
        self.begin(self._prefix)
        sequence = _Sequence(last)
        sequence.delete_all()
        return joined(sequence.rows)

    def _drawing(self, track_id: int, shape: Shape, sequence: _Sequence, before: Mapping[int, _Drawing]) -> _Drawing:
        """Return the drawing of the image before where it has the bytes for this one, else a new one."""
        place = shape.kinds, sequence.frame_id, sequence.phase
        drawing = before.get(track_id)
        if drawing is None or drawing.place != place:
            drawing = _Drawing(track_id, f"{self._prefix}{track_id}", shape.point_count, place)
        return drawing


class _Drawing:
    """The markers of one face, as bytes for a place in a message."""

    def __init__(self, track_id: int, text: str, point_count: int, place: Place) -> None:
        self.place = place
        kinds, frame_id, self.next_phase = place
        templates: list[Template] = []
        for name, kind in kinds:
            label = text if kind.type == Marker.TEXT_VIEW_FACING else ""
            templates.append(_marker(kind, name, point_count, label, frame_id, self.next_phase))
            self.next_phase = templates[-1].next_phase
        self.row = Row.of(templates)
        self._written = [
            (kind.writer(fields, point_count), fields["stamp"].data.cast("B"))
            for (_, kind), fields in zip(kinds, self.row.fields, strict=True)
        ]
        for (_, kind), fields in zip(kinds, self.row.fields, strict=True):
            fields["id"][:] = track_id
            for name, numbers in kind.fixed.items():
                fields[name][:] = numbers
        self.names = {name for name, _ in kinds}

    def write(self, shape: Shape, stamp: bytes) -> None:
        """Write the numbers of another image."""
        for write, place in self._written:
            place[:] = stamp
            write(shape)


class _Sequence:
    """The markers of one message."""

    def __init__(self, header: Header) -> None:
        self.frame_id: str = header.frame_id
        stamp = header.stamp
        self.stamp = _STAMP.pack(stamp.sec, stamp.nanosec)
        self.rows: list[Row] = []
        self.phase = FIRST_PHASE

    def add(self, row: Row, next_phase: int) -> None:
        """Put markers after the others; what comes after them begins in ``next_phase``."""
        self.rows.append(row)
        self.phase = next_phase

    def delete(self, namespace: str, track_id: int, action: int = Marker.DELETE) -> None:
        """Add the deletion of one marker."""
        template = _removal(namespace, action, self.frame_id, self.phase)
        row = Row.of([template])
        row.fields[0]["stamp"].data.cast("B")[:], row.fields[0]["id"][:] = self.stamp, track_id
        self.add(row, template.next_phase)

    def delete_all(self) -> None:
        """Add the deletion of all markers."""
        self.delete("", 0, Marker.DELETEALL)


@lru_cache(maxsize=64)
def _removal(namespace: str, action: int, frame_id: str, phase: int) -> Template:
    return _template(Marker(ns=namespace, action=action), frame_id, phase, {})


@lru_cache(maxsize=256)  # two a face for the texts of as many faces as there can be, and a few large ones
def _marker(kind: Kind, namespace: str, point_count: int, text: str, frame_id: str, phase: int) -> Template:
    """Return a marker in which everything is as it will be but for what the kind writes."""
    marker = Marker(ns=namespace, type=kind.type, action=Marker.ADD, text=text, color=rgba(kind.color))
    marker.scale = Vector3(**dict(zip("xyz", kind.scale, strict=True)))
    marks = {field: Mark.fresh(*MARKS[field]) for field in kind.written}
    values = {field: float(mark.value) for field, mark in marks.items()}
    count = kind.count(point_count)
    if "points" in marks:
        marker.points = [Point(**dict.fromkeys("xyz", values["points"]))] * count
    if "colors" in marks:
        marker.colors = [ColorRGBA(**dict.fromkeys("rgba", values["colors"]))] * count
    if "color" in marks:
        marker.color = ColorRGBA(**dict.fromkeys("rgba", values["color"]))
    if "pose" in marks:
        position = Point(**dict.fromkeys("xyz", values["pose"]))
        marker.pose = Pose(position=position, orientation=Quaternion(**dict.fromkeys("xyzw", values["pose"])))
    return _template(marker, frame_id, phase, marks)


def _template(marker: Marker, frame_id: str, phase: int, marks: dict[str, Mark]) -> Template:
    """Return the marker with marks for its stamp and id as well."""
    marks = {"stamp": Mark.fresh(np.int32), "id": Mark.fresh(np.int32), **marks}
    marker.header.frame_id, marker.id = frame_id, marks["id"].value
    marker.header.stamp = Time(sec=marks["stamp"].value, nanosec=marks["stamp"].value)
    return Template(marker, lambda markers: MarkerArray(markers=markers), phase, marks)


def rgba(color: tuple[float, ...]) -> ColorRGBA:
    """Return a colour as messages have it."""
    return ColorRGBA(**dict(zip("rgba", color, strict=True)))
