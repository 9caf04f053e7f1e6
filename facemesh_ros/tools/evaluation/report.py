"""The figures as tables: for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich import box
from rich.markup import escape
from rich.table import Table

Figures = Mapping[str, Any]
NONE = "–"
_CLIP_NOTE = "Faces:frames: so many faces in so many frames. Duplicates: over all frames. ms: median and p95."
LEAST_WIDTH = 120
"""Columns that the tables need; a narrower terminal breaks their lines."""
_NME_NOTE = (
    "Mean / median distance of points in % of the distance of the eyes' outer corners (iod) or of the face size (box)."
)


@dataclass(frozen=True)
class Sheet:
    """One table. The first two columns are what and who, the others figures."""

    title: str
    note: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def to_rich(self) -> Table:
        """Lay it out for a terminal, with a line between different things."""
        table = Table(
            title=escape(self.title), caption=escape(self.note) or None, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
        )
        table.title_justify = table.caption_justify = "left"
        for index, heading in enumerate(self.headings):
            # Names may be broken into lines; a figure that is cut off would be a wrong one.
            justify: Literal["left", "right"] = "right" if index > 1 else "left"
            table.add_column(escape(heading), justify=justify, overflow="fold", no_wrap=index > 0)
        following = [*(row[0] for row in self.rows[1:]), ""]
        for index, (row, after) in enumerate(zip(self.rows, following, strict=True)):
            repeated = index > 0 and self.rows[index - 1][0] == row[0]
            cells = ("" if repeated else row[0], *row[1:])
            table.add_row(*map(escape, cells), end_section=row[0] != after and after != "")
        return table

    def to_markdown(self) -> str:
        """Write it as a Markdown table."""
        aligned = ["---" if index < 2 else "---:" for index in range(len(self.headings))]
        lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in (self.headings, aligned, *self.rows)]
        note = f"{self.note}\n\n" if self.note else ""
        return f"## {self.title}\n\n{note}" + "".join(f"| {line} |\n" for line in lines)


def sheets(figures: Figures, subjects: Sequence[str]) -> list[Sheet]:
    """Return the tables of what was evaluated; empty ones are left out."""
    made = [*_annotated_sheets(figures["gt"], subjects), *_counted_sheets(figures["images"], subjects)]
    made += _clip_sheets(figures["videos"])
    return [sheet for sheet in made if sheet.rows]


def _annotated_sheets(gt: Figures | None, subjects: Sequence[str]) -> Iterator[Sheet]:
    if gt is None:
        return
    groups = gt["groups"]
    headings = ("faces", "", "found", "recall", "NME51/iod", "NME68/iod", "NME51/box", "NME68/box")
    rows = [
        (g["group"], name, f"{one['found']}/{one['seen']}", _share(one["recall"]), *_nmes(one))
        for g in groups
        for name, one in g["subjects"].items()
    ]
    yield Sheet("Annotated faces: found, and how far off", _NME_NOTE, headings, tuple(rows))
    if len(subjects) > 1:
        common = [(g["group"], g["common"]) for g in groups if g["common"]["faces"]]
        rows = [
            (name, who, str(one["faces"]), *_nmes(figures))
            for name, one in common
            for who, figures in one["subjects"].items()
        ]
        title = "The faces that all have found: the fair comparison of points"
        yield Sheet(title, _NME_NOTE, ("faces", "", "number", *headings[4:]), tuple(rows))
    yield _pictures_sheet(gt["pictures"])
    yield _pose_sheet(gt["pose"])


def _nmes(one: Figures) -> tuple[str, ...]:
    return tuple(_mean_median(one[name]) for name in ("nme51_iod", "nme68_iod", "nme51_bbox", "nme68_bbox"))


def _pictures_sheet(pictures: Figures) -> Sheet:
    rows = [
        (
            f"{one['pictures']} pictures",
            name,
            f"{one['false']} in {one['complete_pictures']}",
            str(one["duplicates"]),
            *_ms(one["ms"]),
        )
        for name, one in pictures.items()
    ]
    note = "False faces are counted in pictures of which every face is annotated."
    headings = ("annotated", "", "false faces", "duplicates", "ms, median", "ms, p95")
    return Sheet("Annotated pictures: false faces, duplicates, time", note, headings, tuple(rows))


def _pose_sheet(pose: Figures) -> Sheet:
    kinds = {"mesh": "rotation of the mesh", "own": "the subject's head pose"}
    rows = [
        (what, name, _count(found := one[kind]), *(_angle(found, angle) for angle in ("yaw", "pitch", "roll")))
        for kind, what in kinds.items()
        for name, one in pose.items()
        if any(others[kind] for others in pose.values())
    ]
    note = "Degrees: mean absolute error (after the bias is taken off; the bias, a median)."
    return Sheet("Head pose", note, ("from", "", "faces", "yaw", "pitch", "roll"), tuple(rows))


def _count(found: Figures | None) -> str:
    return NONE if found is None else str(found["faces"])


def _angle(found: Figures | None, name: str) -> str:
    if found is None:
        return NONE
    one = found[name]
    return f"{one['mae']:.1f} ({one['mae_unbiased']:.1f}; {one['bias']:+.1f})"


def _counted_sheets(images: Figures | None, subjects: Sequence[str]) -> Iterator[Sheet]:
    if images is None:
        return
    rows = tuple(
        (
            f"{one['pictures']} pictures",
            name,
            f"{one['found']}/{one['faces']}",
            f"{one['exact']}/{one['pictures']}",
            str(one["extra"]),
            str(one["duplicates"]),
            f"{one['false_on_negatives']} on {one['negatives']}",
            *_ms(one["ms"]),
        )
        for name, one in ((name, images["subjects"][name]) for name in subjects)
    )
    headings = (
        "counted",
        "",
        "found",
        "exact count",
        "too many",
        "duplicates",
        "false, no face there",
        "ms, median",
        "ms, p95",
    )
    yield Sheet("Pictures with a known number of faces", "", headings, rows)


def _clip_sheets(videos: Sequence[Figures]) -> Iterator[Sheet]:
    watched = [(clip, name, one) for clip in videos for name, one in clip["subjects"].items()]
    rows = [
        (
            _stem(clip),
            name,
            f"{one['frames_with_face']}/{clip['frames']}",
            " ".join(f"{faces}:{frames}" for faces, frames in one["faces_histogram"].items()),
            str(one["reappearances"]),
            str(one["chains"]),
            str(one["duplicates"]),
            *_ms(one["ms"]),
        )
        for clip, name, one in watched
    ]
    headings = ("clip", "", "with face", "faces:frames", "back again", "chains", "duplicates", "ms", "p95")
    yield Sheet("Clips: faces and time", _CLIP_NOTE, headings, tuple(rows))
    yield _ids_sheet(watched)
    yield _jitter_sheet(watched)
    yield _motion_sheet(watched)


_WatchedClips = Sequence[tuple[Figures, str, Figures]]


def _ids_sheet(watched: _WatchedClips) -> Sheet:
    kinds = ("used", "switches", "renamed", "returned", "late")
    rows = [
        (_stem(clip), name, *(str(one["ids"][kind]) for kind in kinds))
        if one["ids"] is not None
        else (_stem(clip), name, "no ids", *[NONE] * (len(kinds) - 1))
        for clip, name, one in watched
    ]
    note = (
        "Switches: in a chain of overlapping boxes. Renamed: back at about the same place within 2 s under another id. "
        "Late: new ids after the first frame with a face."
    )
    return Sheet("Clips: ids", note, ("clip", "", *kinds), tuple(rows))


def _jitter_sheet(watched: _WatchedClips) -> Sheet:
    headings = ("clip", "", "raw mean", "median", "p95", "smoothed mean", "median", "p95")
    rows = [
        (_stem(clip), name, *_jitters(one["jitter"]), *_jitters(one["jitter_smoothed"])) for clip, name, one in watched
    ]
    return Sheet("Clips: jitter, as a share of the distance of the eyes' outer corners", "", headings, tuple(rows))


def _jitters(one: Figures | None) -> tuple[str, ...]:
    return (NONE,) * 3 if one is None else tuple(f"{one[key]:.4f}" for key in ("mean", "median", "p95"))


def _motion_sheet(watched: _WatchedClips) -> Sheet:
    rows = [
        (
            f"{_stem(clip)}: {segment['name']}",
            name,
            f"{segment['found']}/{segment['frames']}",
            _pair(segment["error_mean"], segment["error_max"]),
            _pair(segment["settled_mean"], segment["settled_max"]),
            _number(segment["deviation"]),
            str(segment["false_frames"]),
            _frames_to_be_back(segment),
        )
        for key, index in dict.fromkeys((id(c), i) for c, _, one in watched for i in range(len(one["segments"])))
        for clip, name, segment in _segments(watched, key, index)
    ]
    headings = ("segment", "", "found", "error", "own settled mesh", "deviation", "false frames", "frames to be back")
    note = (
        "Mean / max of the error against the subject's own still, and against its own settled mesh, and deviation, as "
        "shares of the distance of the eyes' outer corners."
    )
    return Sheet("Clips with known motion", note, headings, tuple(rows))


def _frames_to_be_back(segment: Figures) -> str:
    if not segment["after_absence"]:
        return NONE
    return "never" if segment["frames_to_reacquire"] is None else str(segment["frames_to_reacquire"])


def _segments(watched: _WatchedClips, clip_id: int, index: int) -> list[tuple[Figures, str, Figures]]:
    """Return the segment of that index in a clip for every subject, so that they stand one above the other."""
    return [
        (clip, name, one["segments"][index])
        for clip, name, one in watched
        if id(clip) == clip_id and index < len(one["segments"])
    ]


def _stem(clip: Figures) -> str:
    name: str = clip["file"].rpartition("/")[2]
    return name.rpartition(".")[0] or name


def _share(value: float | None) -> str:
    return NONE if value is None else f"{100.0 * value:.0f} %"


def _pair(mean: float | None, most: float | None) -> str:
    return NONE if mean is None else f"{_number(mean)} / {_number(most)}"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.4f}"


def _mean_median(one: Figures | None) -> str:
    return NONE if one is None else f"{100.0 * one['mean']:.2f} / {100.0 * one['median']:.2f}"


def _ms(one: Figures | None) -> tuple[str, str]:
    return (NONE, NONE) if one is None else (f"{one['median']:.1f}", f"{one['p95']:.1f}")
