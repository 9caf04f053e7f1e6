"""What the plots of the benches have in common. Needs matplotlib: ``pip install .[bench]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Of Okabe and Ito, which the colour-blind tell apart (jfly.uni-koeln.de/color)."""
MARKERS = ("o", "s", "^", "D", "v", "P")
DPI = 110


def sheet(widths: Sequence[float], size_in: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Return a white figure and its axes, side by side, of these relative widths.

    Raises:
        SystemExit: there is no matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise SystemExit("the plot needs matplotlib: pip install '.[bench]', or leave it out with --no-plot") from None
    figure = Figure(figsize=size_in, dpi=DPI, facecolor="white", layout="constrained")
    axes = figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(axis="y", color="#e4e4e4")
        one.set_axisbelow(True)
    return figure, list(axes)


def bars(axes: Axes, labels: Sequence[str], series: Mapping[str, Sequence[float]], unit: str) -> None:
    """Draw groups of bars, one a label, with their values on top."""
    width = 0.8 / len(series)
    for index, (name, values) in enumerate(series.items()):
        places = [place + (index - (len(series) - 1) / 2) * width for place in range(len(labels))]
        drawn = axes.bar(places, values, width * 0.92, label=name, color=COLOURS[index])
        axes.bar_label(drawn, [f"{value:.1f}" for value in values], fontsize=7, padding=1)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylabel(unit)
    axes.margins(y=0.12)


def lines(axes: Axes, series: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> None:
    """Draw lines through points (x, y); each series has a colour and a marker of its own."""
    for index, (name, points) in enumerate(series.items()):
        axes.plot(*zip(*points, strict=True), MARKERS[index], ls="-", ms=4, color=COLOURS[index], label=name)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(axis="x", color="#e4e4e4")
    from_zero(axes)


def from_zero(axes: Axes) -> None:
    """Let the y axis go from 0 to a little above all that was drawn so far."""
    axes.set_ylim(0.0, 1.06 * axes.dataLim.y1)


def limit(axes: Axes, value: float, name: str = "_") -> None:
    """Draw a dashed line across; a name appears in the legend."""
    axes.axhline(value, color="#606060", linewidth=1, linestyle="--", label=name)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as an opaque PNG."""
    figure.savefig(path, facecolor="white", transparent=False)
