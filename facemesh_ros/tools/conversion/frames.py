"""Frames of face regions: cut them upright out of a feature map, and map their points back, all in one batch.

A *frame* is three columns of two numbers, px of the crop: how a step to the right in the region moves in the crop, how
a step down does, and where the region's corner lies. The operators are so small that each costs its overhead and no
more: what can be a constant is one, numbers are gathered in the order in which they are used, and rows are long, since
the runtime broadcasts row by row. That takes 2 % off the network against points that are kept as pairs of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facemesh_ros.errors import ModelError
from facemesh_ros.tools.conversion.graph import Array, Graph

_ALONG, _DOWN, _CORNER = range(3)
"""Columns of a frame."""


@dataclass(frozen=True)
class Cut:
    """Sizes in cutting regions out of a feature map."""

    regions: int
    size: int
    """px; a region is ``size`` × ``size``."""
    channels: int
    map_size: int
    """px; the feature map is square."""
    map_scale: float
    """Pixels of the feature map per pixel of the crop."""

    def cells(self) -> Array:
        """Return what the columns of a frame are multiplied by for a region's cells, (size², 3) float32: x, y and 1."""
        centres = np.arange(self.size, dtype=np.float32) + 0.5
        xy = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        return np.concatenate([xy, np.ones((len(xy), 1), np.float32)], axis=1)


@dataclass(frozen=True)
class Lane:
    """Points that were refined in a region."""

    tensor: str
    """From a convolution, (N, 2 · count, 1, 1): x, y of one point after the other, px of the region."""
    count: int
    region: int


def write_frames(graph: Graph, landmarks: str, options: Sequence[Mapping[str, Any]]) -> str:
    """Write the frames of regions, (N, R, 2, 3), from landmarks (N, 3 · points), both px of the crop.

    ``options`` are those of Landmarks2TransformMatrix: a region is upright along its two rotation landmarks and holds
    its subset, with a margin.
    """
    ends = [(o["left_rotation_idx"], o["right_rotation_idx"]) for o in options]
    # Rows (Δx, Δy) and (−Δy, Δx): the unit vector between two landmarks and its quarter turn.
    positive = _pick(graph, landmarks, [[[3 * b, 3 * b + 1], [3 * a + 1, 3 * b]] for a, b in ends])
    negative = _pick(graph, landmarks, [[[3 * a, 3 * a + 1], [3 * b + 1, 3 * a]] for a, b in ends])
    along = graph.add("Sub", positive, negative)
    rows = graph.add("Div", along, graph.add("ReduceL2", along, axes=[3], keepdims=1))
    upright = graph.add("MatMul", rows, _pick(graph, landmarks, _subsets(options)))
    low = graph.add("ReduceMin", upright, axes=[3], keepdims=1)
    size = graph.add("Sub", graph.add("ReduceMax", upright, axes=[3], keepdims=1), low)
    in_sizes = np.zeros((1, len(options), 2, 3), np.float32)
    for place, o in zip(in_sizes[0], options, strict=True):
        scales = np.array([o["scale_x"], o["scale_y"]])
        place[[0, 1], [_ALONG, _DOWN]] = scales / (o["output_width"], o["output_height"])
        place[:, _CORNER] = (1 - scales) / 2
    in_low = np.zeros((1, 1, 1, 3), np.float32)
    in_low[..., _CORNER] = 1
    upright_frames = graph.add(
        "Add",
        graph.add("Mul", size, graph.constant(in_sizes, "sizes")),
        graph.add("Mul", low, graph.constant(in_low, "corner")),
    )
    return graph.add("MatMul", _transposed(graph, rows), upright_frames)


def _transposed(graph: Graph, matrices: str) -> str:
    return graph.add("Transpose", matrices, perm=[0, 1, 3, 2])


def _pick(graph: Graph, row: str, places: Sequence[Any]) -> str:
    """Write the numbers of a row (N, numbers) that lie at ``places``, in their shape behind the batch axis."""
    return graph.add("Gather", row, graph.constant(np.array(places, np.int64), "ids"), axis=1)


def _subsets(options: Sequence[Mapping[str, Any]]) -> list[Array]:
    """Return where x and y of each region's points lie, (2, points); short ones repeat a point: no extreme changes."""
    longest = max(len(o["subset_idxs"]) for o in options)
    padded = [np.resize(o["subset_idxs"], longest) for o in options]
    return [np.stack([3 * ids, 3 * ids + 1]) for ids in padded]


def sample(graph: Graph, feature_map: str, frames: str, cut: Cut) -> str:
    """Write the regions as channels, (N, R · C, size, size), with one GridSample for all; outside is zero."""
    cells = cut.cells() * np.float32(cut.map_scale * 2.0 / cut.map_size)  # GridSample's map is 2 wide
    centred = graph.add("MatMul", graph.constant(cells, "cells"), _transposed(graph, frames))
    centred = graph.add("Sub", centred, graph.constant(np.float32(1.0), "one"))
    shape = np.array([0, cut.regions * cut.size, cut.size, 2])
    grid = graph.add("Reshape", centred, graph.constant(shape, "shape"))
    stacked = graph.add("GridSample", feature_map, grid, mode="bilinear", padding_mode="zeros", align_corners=0)
    shape = np.array([0, cut.channels, cut.regions, cut.size * cut.size])
    stacked = graph.add("Reshape", stacked, graph.constant(shape, "shape"))
    stacked = graph.add("Transpose", stacked, perm=[0, 2, 1, 3])
    total = cut.regions * cut.channels
    shape = np.array([0, total, cut.size, cut.size])
    return graph.add("Reshape", stacked, graph.constant(shape, "shape"), channels=total)


def to_crop(graph: Graph, frames: str, lanes: Sequence[Lane], map_scale: float) -> str:
    """Map refined points to px of the crop, as a row of numbers; ``places`` tells where they lie.

    ``map_scale``, px of the feature map per px of the crop, is also how much the regions' points are too large.
    """
    longest = max(lane.count for lane in lanes)
    for lane in lanes:
        _write_coordinates_apart(graph, lane, longest)
    local = graph.add("Concat", *(lane.tensor for lane in lanes), channels=2 * longest * len(lanes), axis=1)
    local = graph.add("Reshape", local, graph.constant(np.array([0, len(lanes), 2, longest]), "shape"))
    scales = np.array([map_scale, map_scale, 1.0], np.float32)
    scaled = graph.add("Mul", frames, graph.constant(scales, "scales"))
    of_lanes = graph.add("Gather", scaled, graph.constant(np.array([lane.region for lane in lanes]), "lanes"), axis=1)
    axes, corners = graph.split(of_lanes, [2, 1], axis=3)
    moved = graph.add("Add", graph.add("MatMul", axes, local), corners)
    return graph.add("Reshape", moved, graph.constant(np.array([0, -1]), "shape"))


def places(lane: int, count: int, longest: int) -> Array:
    """Return where x and y of a lane's points lie in the row of ``to_crop``, (count, 2) int64."""
    x = 2 * longest * lane + np.arange(count)
    return np.stack([x, x + longest], axis=1)


def _write_coordinates_apart(graph: Graph, lane: Lane, longest: int) -> None:
    """Let a convolution that nothing has read yet give all x, then all y, each filled up with zeros."""
    node = graph.producers()[lane.tensor]
    if node.op != "Conv":
        raise ModelError(f"refined points that come from {node.op} are not supported; known: a convolution")
    constants = [graph.constant(_apart(graph.constants[name], longest), "apart") for name in node.inputs[1:]]
    node.inputs = (node.inputs[0], *constants)
    graph.channels[lane.tensor] = 2 * longest


def _apart(values: Array, longest: int) -> Array:
    coordinates = [values[start::2] for start in range(2)]
    rest = [(0, 0)] * (values.ndim - 1)
    return np.concatenate([np.pad(one, [(0, longest - len(one)), *rest]) for one in coordinates])
