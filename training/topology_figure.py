"""Draw the numbered faces of docs/topology.md: the whole face, and eyes, nose and mouth at a larger scale.

    python training/topology_figure.py [--out docs/images]

The face is the reference face (``facemesh_ros.topology.reference_face``) with irises; no person is shown.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from label_places import Float64, label_places

from facemesh_ros.gaze import EYE_CENTER_M, EYES, IRIS_RADIUS_M
from facemesh_ros.topology import ALL_POINTS, face_topology, reference_face

OUT = Path(__file__).parents[1] / "docs" / "images"
COLOURS = {
    "lips": "#c2185b",
    "right_eye": "#1b7f3b",
    "left_eye": "#1b7f3b",
    "right_eyebrow": "#a85b00",
    "left_eyebrow": "#a85b00",
    "face_oval": "#1558b0",
    "right_iris": "#7b2fbf",
    "left_iris": "#7b2fbf",
}
"""By part of the face; dark enough to be read on white."""
MEANS = {
    "lips": "lips",
    "right_eye": "eyes",
    "right_eyebrow": "eyebrows",
    "face_oval": "face oval",
    "right_iris": "irises",
}
INK, MESH, LEADER = "#303030", "#d4d8dd", "#8a9097"
IRIS_M = 0.00585
"""Half of the 11.7 mm that irises are wide."""
SPREAD_A_M = 1.2
"""By this share a metre behind the tip of the nose the whole face is drawn wider, so that its sides open up."""
DIGIT = 0.6
"""Width of a digit over its height, at most, in the fonts that are asked for."""
FONT = "DejaVu Sans, Verdana, Arial, sans-serif"


@dataclass(frozen=True)
class Panel:
    """A picture: which part of the face, and how large."""

    name: str
    title: str
    box_mm: tuple[float, float, float, float]
    """x0, y0, x1, y1 from the sellion: x to the image's right, y down."""
    px_a_mm: float
    font_px: float
    is_spread: bool = False


PANELS = (
    Panel("topology", "All points", (-81.0, -53.0, 81.0, 122.0), 9.5, 15.5, is_spread=True),
    Panel("topology_right_eye", "The person's right eye", (-62.0, -30.0, -8.0, 22.0), 17.0, 15.0),
    Panel("topology_left_eye", "The person's left eye", (8.0, -30.0, 62.0, 22.0), 17.0, 15.0),
    Panel("topology_nose", "Nose", (-27.0, 0.0, 27.0, 55.0), 17.0, 15.0),
    Panel("topology_mouth", "Mouth", (-36.0, 50.0, 36.0, 94.0), 13.0, 14.0),
)
HEAD_PX = 34.0
"""Height of the line above the face, with title and colours."""


def face_mm(is_spread: bool) -> Float64:
    """Return where the 478 points lie in the picture, (478, 2) mm from the sellion."""
    surface = reference_face()
    rim = IRIS_M * np.array([[0, 0, 0], [-1, 0, 0], [0, -1, 0], [1, 0, 0], [0, 1, 0]])
    centres = surface[EYES[:, :2]].mean(axis=1) + EYE_CENTER_M + [0.0, 0.0, -IRIS_RADIUS_M]
    points = np.concatenate([surface, *(centre + rim for centre in centres)])
    if is_spread:
        points[:, 0] *= 1.0 + SPREAD_A_M * (points[:, 2] - points[:, 2].min())
    return np.asarray(1000.0 * points[:, :2])


def colour_of() -> list[str]:
    """Return the colour of each of the 478 points."""
    colours = [INK] * ALL_POINTS
    for name, points in face_topology().groups.items():
        for index in points:
            colours[index] = COLOURS[name]
    return colours


def svg(panel: Panel) -> str:
    """Return the picture as text."""
    x0, y0, x1, y1 = panel.box_mm
    width, height = (x1 - x0) * panel.px_a_mm, (y1 - y0) * panel.px_a_mm
    dots = (face_mm(panel.is_spread) - [x0, y0]) * panel.px_a_mm
    shown = np.flatnonzero(((dots > 6.0) & (dots < [width - 6.0, height - 6.0])).all(axis=1))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {-HEAD_PX:g} {width:g} {height + HEAD_PX:g}" '
        f'width="{width:g}" height="{height + HEAD_PX:g}" font-family="{FONT}">',
        f'<rect y="{-HEAD_PX:g}" width="100%" height="100%" fill="#fff"/>',
        *_edges(dots),
        f'<rect y="{-HEAD_PX:g}" width="100%" height="{HEAD_PX:g}" fill="#fff"/>',
        *_heading(panel, width),
        *_numbers(panel, dots, shown, (width, height)),
        "</svg>\n",
    ]
    return "\n".join(lines)


def _edges(dots: Float64) -> Iterator[str]:
    """Draw the tesselation, and over it the outlines in the colours of their parts."""
    topology = face_topology()
    yield f'<path d="{_path(dots, topology.tesselation)}" stroke="{MESH}" stroke-width="0.8" fill="none"/>'
    outlines: Mapping[str, np.ndarray] = {**topology.loops, **topology.paths}
    for name, outline in outlines.items():
        part = next(part for part, points in topology.groups.items() if set(outline.tolist()) <= set(points.tolist()))
        around = outline if name in topology.paths else np.append(outline, outline[0])
        edges = np.stack([around[:-1], around[1:]], axis=1)
        path = _path(dots, edges)
        yield f'<path d="{path}" stroke="{COLOURS[part]}" stroke-width="1.4" stroke-opacity="0.55" fill="none"/>'


def _path(dots: Float64, edges: np.ndarray) -> str:
    return "".join(f"M{dots[a][0]:.1f} {dots[a][1]:.1f}L{dots[b][0]:.1f} {dots[b][1]:.1f}" for a, b in edges)


def _heading(panel: Panel, width: float) -> Iterator[str]:
    y = -12.0
    yield f'<text x="10" y="{y:g}" font-size="16" font-weight="bold" fill="{INK}">{panel.title}</text>'
    words = "".join(f'<tspan dx="14" fill="{COLOURS[part]}">{meaning}</tspan>' for part, meaning in MEANS.items())
    yield f'<text x="240" y="{y:g}" font-size="14">{words}</text>'
    if panel.is_spread:
        foot = (panel.box_mm[3] - panel.box_mm[1]) * panel.px_a_mm - 12.0
        for x, anchor, side in ((10.0, "start", "right"), (width - 12.0, "end", "left")):
            text = f"the person's {side} side"
            yield f'<text x="{x:g}" y="{foot:g}" font-size="16" text-anchor="{anchor}" fill="{INK}">{text}</text>'


def _numbers(panel: Panel, dots: Float64, shown: np.ndarray, size_wh: tuple[float, float]) -> Iterator[str]:
    """Draw dots, numbers and, where a number stands off its dot, the line between them."""
    font, colours = panel.font_px, colour_of()
    named = set(face_topology().points.values())
    sizes = np.array([[DIGIT * font * len(str(index)) + 2.0, 0.76 * font] for index in shown])
    places = label_places(dots[shown], sizes, size_wh)
    for index, place, size in zip(shown, places, sizes, strict=True):
        x, y = dots[index]
        if (np.abs(place - dots[index]) > 0.5 * size + 0.5 * font).any():
            end = dots[index] + (place - dots[index]) * _share_outside(place - dots[index], size)
            yield f'<path d="M{x:.1f} {y:.1f}L{end[0]:.1f} {end[1]:.1f}" stroke="{LEADER}" stroke-width="0.8"/>'
    yield f'<g font-size="{font:g}" text-anchor="middle" stroke="#fff" stroke-width="3" paint-order="stroke">'
    for index, (x, y) in zip(shown, places, strict=True):
        weight = ' font-weight="bold"' if index in named else ""
        yield f'<text x="{x:.1f}" y="{y + 0.36 * font:.1f}" fill="{colours[index]}"{weight}>{index}</text>'
    yield "</g>"
    for index in shown:
        x, y = dots[index]
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3.2 if index in named else 2:g}" fill="{colours[index]}"/>'


def _share_outside(way: Float64, size: Float64) -> float:
    """Return how much of the way from a dot to the middle of its number lies outside the number."""
    return 1.0 - float((0.5 * size / np.maximum(np.abs(way), 1e-9)).min().clip(0.0, 1.0))


def main() -> None:
    """Draw all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for panel in PANELS:
        (folder / f"{panel.name}.svg").write_text(svg(panel), encoding="utf-8")


if __name__ == "__main__":
    main()
