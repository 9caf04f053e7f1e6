"""The picture of bench/gpu.py: time a face over the batch, both axes logarithmic, drawn with Pillow (10.1 or newer)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

Curve = Sequence[tuple[int, float]]
"""(rows of the batch, ms a face), by growing rows."""

SIZE_WH = (900, 560)
BOX = (80, 50, 600, 500)
"""Left, top, right and bottom of the axes, px."""
COLOURS = ("#202020", "#0868ac", "#43a2ca", "#7bccc4", "#d7301f", "#fc8d59", "#fdbb84", "#238443", "#78c679", "#7b3294")
LIGHT = "#e4e4e4"
SCALE = 2
"""Supersampling."""


def draw_times(path: Path, title: str, curves: Mapping[str, Curve], target: tuple[int, float]) -> None:
    """Draw one curve a setup, and the target (rows, ms a face) as a cross."""
    image = Image.new("RGB", (SIZE_WH[0] * SCALE, SIZE_WH[1] * SCALE), "white")
    sheet = Sheet(ImageDraw.Draw(image), [*(point for curve in curves.values() for point in curve), target])
    sheet.frame(title)
    for index, (name, curve) in enumerate(curves.items()):
        sheet.curve(curve, COLOURS[index % len(COLOURS)])
        sheet.key(index, name, COLOURS[index % len(COLOURS)])
    sheet.cross(target, f"target: {target[1]:g} ms at {target[0]}")
    image.reduce(SCALE).save(path, optimize=True)


class Sheet:
    """Logarithmic axes that hold all the points."""

    def __init__(self, draw: ImageDraw.ImageDraw, points: Curve) -> None:
        self._draw = draw
        self._font = ImageFont.load_default(14 * SCALE)
        self._most_doublings = max(1, math.ceil(math.log2(max(rows for rows, _ in points))))
        logs = [math.log10(ms) for _, ms in points]
        self._decades = (math.floor(min(logs)), max(math.ceil(max(logs)), math.floor(min(logs)) + 1))

    def at(self, rows: float, ms: float) -> tuple[float, float]:
        """Return the place of a point, px of the large image."""
        left, top, right, bottom = BOX
        low, high = self._decades
        x = left + (right - left) * math.log2(rows) / self._most_doublings
        y = bottom - (bottom - top) * (math.log10(ms) - low) / (high - low)
        return x * SCALE, y * SCALE

    def frame(self, title: str) -> None:
        """Draw grid, numbers and titles."""
        left, top, right, bottom = BOX
        low, high = self._decades
        for doublings in range(self._most_doublings + 1):
            self._draw.line([self.at(2**doublings, 10**low), self.at(2**doublings, 10**high)], LIGHT, SCALE)
            self._text(self.at(2**doublings, 10**low), f"{2**doublings}", "ma", (0, 6))
        for decade in range(low, high + 1):
            self._draw.line([self.at(1, 10**decade), self.at(2**self._most_doublings, 10**decade)], LIGHT, SCALE)
            self._text(self.at(1, 10**decade), f"{10.0**decade:g}", "rm", (-8, 0))
        self._draw.rectangle([value * SCALE for value in BOX], outline=COLOURS[0], width=SCALE)
        self._text(((left + right) / 2 * SCALE, bottom * SCALE), "faces in the batch", "ma", (0, 28))
        self._text((left * SCALE, top * SCALE), title, "lm", (0, -30))
        self._text((left * SCALE, top * SCALE), "ms a face", "lm", (0, -12))

    def curve(self, points: Curve, colour: str) -> None:
        """Join points and mark them."""
        places = [self.at(*point) for point in points]
        self._draw.line(places, colour, 2 * SCALE, joint="curve")
        for place in places:
            self._draw.circle(place, 3 * SCALE, colour)

    def cross(self, point: tuple[int, float], text: str) -> None:
        """Mark a target."""
        (x, y), reach = self.at(*point), 6 * SCALE
        self._draw.line([x - reach, y - reach, x + reach, y + reach], COLOURS[0], 2 * SCALE)
        self._draw.line([x - reach, y + reach, x + reach, y - reach], COLOURS[0], 2 * SCALE)
        self._text((x, y), text, "rs", (-10, -6))

    def key(self, index: int, name: str, colour: str) -> None:
        """Name a curve to the right of the axes."""
        x, y = (BOX[2] + 16) * SCALE, (BOX[1] + 14 + 24 * index) * SCALE
        self._draw.line([x, y, x + 24 * SCALE, y], colour, 3 * SCALE)
        self._text((x + 24 * SCALE, y), name, "lm", (8, 0))

    def _text(self, place: tuple[float, float], text: str, anchor: str, offset: tuple[int, int]) -> None:
        moved = place[0] + offset[0] * SCALE, place[1] + offset[1] * SCALE
        self._draw.text(moved, text, COLOURS[0], self._font, anchor)
