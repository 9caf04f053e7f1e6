"""The picture of bench/filter.py, drawn with Pillow (10.4 or newer), which scikit-image brings along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Array = NDArray[np.float64]
Setting = tuple[float, float, float]
Span = tuple[float, float]

SUPERSAMPLING = 2
PANEL_WH = (620, 470)
MARGINS = (78, 56, 24, 64)
"""Left, top, right, bottom of a panel, px."""
TEXT_PX = 15
SHOWN_MIN_CUTOFF_HZ = 0.05
CURVES = {0.5: "#7b3294", 1.0: "#d7301f", 2.0: "#0868ac", 4.0: "#238443"}
"""Derivative cut-off, Hz, to colour."""
LABELLED_BETAS = {20.0: (-4, -14), 160.0: (14, -6)}
"""On the curve below, with the label's offset, px."""
LABELLED_CURVE = 1.0
GREY, INK, LIGHT = "#b8b8b8", "#202020", "#e8e8e8"


@dataclass(frozen=True)
class Axis:
    """One axis of a panel."""

    title: str
    span: Span
    ticks: Sequence[float]


class Panel:
    """A plot with linear axes."""

    def __init__(self, draw: ImageDraw.ImageDraw, left: int, title: str, x: Axis, y: Axis) -> None:
        """Draw the frame, grid, ticks and titles."""
        self._draw, self._x, self._y = draw, x, y
        self._font = ImageFont.load_default(TEXT_PX * SUPERSAMPLING)
        self._box = (left + MARGINS[0], MARGINS[1], left + PANEL_WH[0] - MARGINS[2], PANEL_WH[1] - MARGINS[3])
        x0, y0, x1, y1 = self._box
        for tick in x.ticks:
            self.line([(tick, y.span[0]), (tick, y.span[1])], LIGHT)
            self._text((self.at(tick, 0)[0], y1 + 6), f"{tick:g}", "ma")
        for tick in y.ticks:
            self.line([(x.span[0], tick), (x.span[1], tick)], LIGHT)
            self._text((x0 - 8, self.at(0, tick)[1]), f"{tick:g}", "rm")
        draw.rectangle([v * SUPERSAMPLING for v in self._box], outline=INK, width=SUPERSAMPLING)
        self._text(((x0 + x1) / 2, y1 + 32), x.title, "ma")
        self._text((x0, y0 - 30), title, "lm")
        self._text((x0, y0 - 11), y.title, "lm", "#606060")

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place of a point, px before supersampling."""
        x0, y0, x1, y1 = self._box
        along = (x - self._x.span[0]) / (self._x.span[1] - self._x.span[0])
        up = (y - self._y.span[0]) / (self._y.span[1] - self._y.span[0])
        return x0 + along * (x1 - x0), y1 - up * (y1 - y0)

    def shows(self, x: float, y: float) -> bool:
        """Say whether a point lies inside."""
        return self._x.span[0] <= x <= self._x.span[1] and self._y.span[0] <= y <= self._y.span[1]

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float = 1.0) -> None:
        """Join points; those outside are left out."""
        seen = [self._scaled(self.at(*p)) for p in points if self.shows(*p)]
        self._draw.line(seen, colour, round(width * SUPERSAMPLING), joint="curve")

    def dot(self, x: float, y: float, colour: str, radius: float, ring: str | None = None) -> None:
        """Mark a point, if it is inside."""
        if self.shows(x, y):
            self._draw.circle(self._scaled(self.at(x, y)), radius * SUPERSAMPLING, colour, ring, 2 * SUPERSAMPLING)

    def label(self, x: float, y: float, text: str, offset: tuple[float, float], colour: str = INK) -> None:
        """Write beside a point, if it is inside."""
        if self.shows(x, y):
            place = self.at(x, y)
            anchor = "lm" if offset[0] >= 0 else "rm"
            self._text((place[0] + offset[0], place[1] + offset[1]), text, anchor, colour)

    def key(self, rows: Mapping[str, str]) -> None:
        """List meanings and their colours in the upper right corner."""
        for i, (text, colour) in enumerate(rows.items()):
            y = self._box[1] + 18 + 21 * i
            right = self._box[2] - 14
            self._draw.line([self._scaled((right - 26, y)), self._scaled((right, y))], colour, 3 * SUPERSAMPLING)
            self._text((right - 34, y), text, "rm")

    def _text(self, place: tuple[float, float], text: str, anchor: str, colour: str = INK) -> None:
        self._draw.text(self._scaled(place), text, colour, self._font, anchor, stroke_width=2, stroke_fill="white")

    @staticmethod
    def _scaled(place: tuple[float, float]) -> tuple[float, float]:
        return place[0] * SUPERSAMPLING, place[1] * SUPERSAMPLING


def front(x: Array, y: Array) -> list[int]:
    """Return the indices, by growing x, of the points that none undercuts in both."""
    found: list[int] = []
    for i in np.lexsort((y, x)):
        if not found or y[i] < y[found[-1]]:
            found.append(int(i))
    return found


def draw_curves(
    path: Path,
    settings: Sequence[Setting],
    named: Mapping[str, Setting],
    jitter: Array,
    mean_added: Array,
    delay_ms: Array,
) -> None:
    """Draw jitter at rest over the error added in motion and over the delay; values are in the order of settings."""
    size = (2 * PANEL_WH[0] * SUPERSAMPLING, PANEL_WH[1] * SUPERSAMPLING)
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    remains = Axis("jitter that remains at rest, % of raw", (15.0, 85.0), range(20, 81, 10))
    cuts = (0, 0.2, 0.4, 0.6, 0.8, 1)
    added = Axis("mean error added to nine motions, % of eye distance", (-0.3, 1.0), cuts)
    delay = Axis("longest delay on any motion but the drift, ms", (-20.0, 100.0), range(0, 101, 20))
    panels = (
        (Panel(draw, 0, "Jitter against error in motion (30 Hz)", added, remains), mean_added),
        (Panel(draw, PANEL_WH[0], "Jitter against delay (30 Hz)", delay, remains), delay_ms),
    )
    for panel, cost in panels:
        _plot(panel, settings, named, cost, 100 * jitter)
    image.reduce(SUPERSAMPLING).save(path, optimize=True)


def _plot(panel: Panel, settings: Sequence[Setting], named: Mapping[str, Setting], x: Array, y: Array) -> None:
    for a, b in zip(x, y, strict=True):
        panel.dot(a, b, GREY, 1.6)
    panel.line([(x[i], y[i]) for i in front(x, y)], INK, 4.5)
    for cutoff, colour in CURVES.items():
        curve = [i for i, s in enumerate(settings) if s[0] == SHOWN_MIN_CUTOFF_HZ and s[2] == cutoff]
        panel.line([(x[i], y[i]) for i in curve], colour, 2.0)
        for i in curve:
            panel.dot(x[i], y[i], colour, 3.0)
            if cutoff == LABELLED_CURVE and settings[i][1] in LABELLED_BETAS:
                panel.label(x[i], y[i], f"beta {settings[i][1]:g}", LABELLED_BETAS[settings[i][1]], colour)
    places: dict[Setting, list[str]] = {}
    for name, setting in named.items():
        places.setdefault(setting, []).append(name)
    for setting, names in places.items():
        i = settings.index(setting)
        panel.dot(x[i], y[i], "#ffffff", 6.5, INK)
        panel.label(x[i], y[i], " = ".join(names), (-12, 12))
    panel.key(
        {
            "best of all settings (front)": INK,
            **{f"derivative cut-off {cutoff:g} Hz, beta 0 to 300": colour for cutoff, colour in CURVES.items()},
            "every setting": GREY,
        }
    )
