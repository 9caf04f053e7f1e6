"""Find places for many numbers beside many dots, so that none covers another: a search, the same every time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

ANGLES_RAD = np.arange(24) * (2.0 * np.pi / 24)
STEPS = 14
"""How many distances from the dot are tried in each direction."""
SWEEPS = 30
FAR = 22.0
"""Numbers whose dots are farther apart than this, in heights of a number, are out of each other's way."""
ALONG = np.linspace(0.15, 0.9, 6)[:, None]
"""Where the line from a dot to its number is looked at."""
COST_COVERED, COST_ON_DOT, COST_ON_LINE, COST_NEARER, COST_OUTSIDE = 400.0, 200.0, 25.0, 8.0, 1000.0
"""Of covering another number, a dot, another's line; of standing nearer to another dot; of lying outside."""


def label_places(dots: Float64, sizes: Float64, size_wh: tuple[float, float], gap: float = 5.0) -> Float64:
    """Return the (N, 2) centres of the numbers, px.

    Args:
        dots: (N, 2) px.
        sizes: (N, 2) width and height of each number, px.
        size_wh: of the picture, px.
        gap: between a dot and its number, and between numbers, px.
    """
    if not len(dots):
        return dots
    tried = np.stack([_candidates(size, gap) for size in sizes]) + dots[:, None]  # (N, C, 2)
    chosen = np.zeros(len(dots), int)
    order = np.argsort(_nearest(dots), kind="stable")
    for _ in range(SWEEPS):
        before = chosen.copy()
        for i in order:
            chosen[i] = np.argmin(_costs(i, tried, chosen, dots, sizes, size_wh, gap))
        if (chosen == before).all():
            break
    return np.asarray(tried[np.arange(len(dots)), chosen])


def _candidates(size: Float64, gap: float) -> Float64:
    """Return (C, 2) places around a dot, the near ones first."""
    directions = np.stack([np.cos(ANGLES_RAD), np.sin(ANGLES_RAD)], axis=1)
    # From the dot to the centre of a number that touches the dot's surroundings in that direction.
    touching = (0.5 * size / np.maximum(np.abs(directions), 1e-9)).min(axis=1, keepdims=True) + gap
    return np.concatenate([directions * (touching + step * 0.6 * size[1]) for step in range(STEPS)])


def _nearest(dots: Float64) -> Float64:
    distances = np.linalg.norm(dots[:, None] - dots[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.asarray(distances.min(axis=1))


def _costs(
    i: int,
    tried: Float64,
    chosen: NDArray[np.int_],
    dots: Float64,
    sizes: Float64,
    size_wh: tuple[float, float],
    gap: float,
) -> Float64:
    """Return (C,) how bad each place of number ``i`` is while the others stay where they are."""
    mine = tried[i]
    others = np.flatnonzero(np.abs(dots - dots[i]).max(axis=1) < FAR * sizes[:, 1].max())
    others = others[others != i]
    places, other_dots = tried[others, chosen[others]], dots[others]
    reach = 0.5 * (sizes[i] + sizes[others]) + 0.5 * gap
    covered = np.clip(reach - np.abs(mine[:, None] - places[None]), 0.0, None).prod(axis=2) > 0.0
    away = np.linalg.norm(mine - dots[i], axis=1)
    lines = _along(other_dots, places)
    nearer = np.linalg.norm(mine[:, None] - other_dots[None], axis=2).min(axis=1, initial=np.inf) < away
    outside = (np.abs(mine - 0.5 * np.array(size_wh)) > 0.5 * (np.array(size_wh) - sizes[i])).any(axis=1)
    return np.asarray(
        away
        + COST_COVERED * covered.sum(axis=1)
        + COST_ON_DOT * _inside(other_dots, mine, sizes[i] + gap).sum(axis=1)
        + COST_ON_LINE * _inside(lines, mine, sizes[i]).sum(axis=1)
        + COST_ON_LINE * _lines_over(dots[i], mine, places, sizes[others])
        + COST_NEARER * nearer
        + COST_OUTSIDE * outside
    )


def _along(dots: Float64, places: Float64) -> Float64:
    """Return points on all lines from dots to places, (6 N, 2)."""
    return np.concatenate([dots + share * (places - dots) for share in ALONG])


def _inside(points: Float64, centres: Float64, size: Float64) -> NDArray[np.bool_]:
    """Say, (C, P), which points lie in the boxes of one size about the centres."""
    return np.asarray((np.abs(points[None] - centres[:, None]) < 0.5 * size).all(axis=2))


def _lines_over(dot: Float64, mine: Float64, places: Float64, sizes: Float64) -> Float64:
    """Return (C,) how often the line to each place runs over another number."""
    over = [
        (np.abs((dot + share * (mine - dot))[:, None] - places[None]) < 0.5 * sizes[None]).all(axis=2).sum(axis=1)
        for share in ALONG
    ]
    return np.sum(over, axis=0)
