"""The custom operators of the attention network: regions of the feature map, and refined points put back.

The network finds a mesh, cuts the mouth and both eyes upright out of an early feature map, refines each region on its
own and maps its points back. The operators are defined in MediaPipe 0.10.21, mediapipe/util/tflite/operations:
Landmarks2TransformMatrix, TransformTensorBilinear and TransformLandmarks, version 2. All regions are computed in one
batch here. The rotation needs no angle: the unit vector between two landmarks holds its cosine and sine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facemesh_ros.errors import ModelError
from facemesh_ros.tools.conversion.graph import Array, Graph
from facemesh_ros.tools.conversion.tflite_file import Operator, TfliteGraph
from facemesh_ros.tools.conversion.translation import Translation

_MESH_POINTS = 468
_IRIS_POINTS = 5
_EYE_CONTOUR_POINTS = 16
"""The subset of an eye begins with its contour, whose mean depth the iris takes."""


@dataclass(frozen=True)
class Region:
    """One part of the face that the network looks at again."""

    transform: Operator
    sample: Operator
    refined: tuple[Operator, ...]
    """The TransformLandmarks that map this region's points back."""
    back_scale: float
    """Pixels of the crop per pixel of the feature map."""

    @property
    def ids(self) -> tuple[int, ...]:
        """Mesh ids of the region's points."""
        return tuple(self.transform.options["subset_idxs"])


@dataclass(frozen=True)
class Cut:
    """Sizes in cutting regions out of a feature map."""

    regions: int
    size: int
    """px; a region is ``size`` × ``size``."""
    channels: int
    map_size: int
    """px; the feature map is square."""

    def cells(self) -> Array:
        """Return the centres of a region's cells, (size², 2) float32 x, y in region pixels."""
        centres = np.arange(self.size, dtype=np.float32) + 0.5
        return np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)


def find_regions(source: TfliteGraph) -> tuple[Region, ...]:
    """Return the regions of an attention network, none for any other."""
    transforms = [operator for operator in source.operators if operator.name == "Landmarks2TransformMatrix"]
    return tuple(_region(source, transform) for transform in transforms)


def _region(source: TfliteGraph, transform: Operator) -> Region:
    matrix = transform.outputs[0]
    if transform.options["target_rotation_radians"] != 0.0:
        raise ModelError("Landmarks2TransformMatrix to an angle other than 0 is not supported")
    readers = [operator for operator in source.operators if matrix in operator.inputs]
    samples = [operator for operator in readers if operator.name == "TransformTensorBilinear"]
    scalings = [operator for operator in readers if operator.name == "MUL"]
    if len(samples) != 1 or len(scalings) != 1:
        raise ModelError("a region without its one TransformTensorBilinear and one scaling is not supported")
    scaled = scalings[0].outputs[0]
    refined = [o for o in source.operators if o.name == "TransformLandmarks" and scaled in o.inputs]
    factors = next(source.constants[tensor] for tensor in scalings[0].inputs if tensor in source.constants)
    return Region(transform, samples[0], tuple(refined), float(factors.reshape(4, 4)[0, 3]))


class RegionWriter:
    """Writes the custom operators; made for one translation."""

    def __init__(self, regions: tuple[Region, ...]) -> None:
        self._regions = regions
        self._axes = self._origins = ""

    def skip(self, t: Translation, operator: Operator) -> None:
        """Write nothing: the first TransformTensorBilinear writes the transforms of all regions."""

    def sample(self, t: Translation, operator: Operator) -> None:
        """Write transforms and samples of all regions where the first one is sampled."""
        if operator.outputs[0] in t.names:
            return
        feature_map = operator.inputs[0]
        if any(region.sample.inputs[0] != feature_map for region in self._regions):
            raise ModelError("TransformTensorBilinear of different feature maps is not supported")
        landmarks = t.name(self._regions[0].transform.inputs[0])
        self._axes, self._origins = _write_transforms(t.graph, landmarks, self._regions)
        _, size, _, channels = t.shape(operator.outputs[0])
        cut = Cut(len(self._regions), size, channels, t.shape(feature_map)[1])
        packed = _sample(t.graph, t.name(feature_map), self._axes, self._origins, cut)
        lanes = t.graph.split(packed, [channels] * len(self._regions), axis=1)
        for region, lane in zip(self._regions, lanes, strict=True):
            t.names[region.sample.outputs[0]] = lane

    def refine(self, t: Translation, mesh: str) -> tuple[str, int]:
        """Write the refined points over the mesh, (N, 468, 3) → (N, 478, 3) px of the crop, and count them.

        Mouth and eyes take x, y from their regions and keep z; irises follow, with the mean z of their eye's contour.
        """
        graph = t.graph
        mesh_xy, mesh_z = graph.split(mesh, [2, 1], axis=2)
        groups = [(k, operator) for k, region in enumerate(self._regions) for operator in region.refined]
        local = [t.name(_before_reshape(t.source, operator.inputs[0])) for _, operator in groups]
        counts = [t.shape(operator.inputs[0])[1] for _, operator in groups]
        points = self._stack(graph, local, 2 * max(counts))
        refined_xy = self._map_back(graph, points)
        places = [(k * len(groups) + lane) * max(counts) for lane, (k, _) in enumerate(groups)]
        order, irises = _merge_order([self._regions[k].ids for k, _ in groups], counts, places)
        xy = graph.add("Concat", mesh_xy, refined_xy, axis=1)
        contour_z = graph.add("Gather", mesh_z, graph.constant(np.array(irises), "ids"), axis=1)
        iris_z = graph.add("ReduceMean", contour_z, axes=[2], keepdims=0)
        iris_z = graph.add("Gather", iris_z, graph.constant(np.repeat(np.arange(len(irises)), _IRIS_POINTS)), axis=1)
        xy = graph.add("Gather", xy, graph.constant(order, "order"), axis=1)
        z = graph.add("Concat", mesh_z, iris_z, axis=1)
        return graph.add("Concat", xy, z, axis=2), len(order)

    def _stack(self, graph: Graph, lanes: list[str], width: int) -> str:
        """Write the points of all lanes, each filled up to ``width`` numbers, as (N, 1, points, 2)."""
        for lane in lanes:
            _widen_outputs(graph, lane, width)
        stacked = graph.add("Concat", *lanes, channels=width * len(lanes), axis=1)
        return graph.add("Reshape", stacked, graph.constant(np.array([0, 1, -1, 2]), "shape"))

    def _map_back(self, graph: Graph, points: str) -> str:
        """Map all points to px of the crop by the transform of every region, (N, regions · points, 2).

        That is more arithmetic than needed and far less overhead: the right ones are picked later.
        """
        scales = np.array([region.back_scale for region in self._regions], np.float32).reshape(1, -1, 1, 1)
        origins = graph.add("Mul", self._origins, graph.constant(scales, "scale"))
        moved = graph.add("Add", graph.add("MatMul", points, self._axes), origins)
        return graph.add("Reshape", moved, graph.constant(np.array([0, -1, 2]), "shape"))


def _widen_outputs(graph: Graph, tensor: str, channels: int) -> None:
    """Let a convolution that nothing has read yet give more channels, of zero."""
    node = graph.producers()[tensor]
    if node.op != "Conv":
        raise ModelError(f"refined points that come from {node.op} are not supported; known: a convolution")
    constants = [graph.constants[name] for name in node.inputs[1:]]
    widened = [np.pad(one, [(0, channels - len(one))] + [(0, 0)] * (one.ndim - 1)) for one in constants]
    node.inputs = (node.inputs[0], *(graph.constant(one, "wide") for one in widened))
    graph.channels[tensor] = channels


def _before_reshape(source: TfliteGraph, tensor: int) -> int:
    """Return the tensor whose reshape to (1, points, 2) is given."""
    producer = source.producer(tensor)
    return producer.inputs[0] if producer is not None and producer.name == "RESHAPE" else tensor


def _merge_order(
    ids_of_group: list[tuple[int, ...]], counts: list[int], places: list[int]
) -> tuple[Array, list[tuple[int, ...]]]:
    """Return which of mesh + refined points each final point takes, and the contour of each iris's eye."""
    order, irises = list(range(_MESH_POINTS)), []
    for ids, count, place in zip(ids_of_group, counts, places, strict=True):
        taken = range(_MESH_POINTS + place, _MESH_POINTS + place + count)
        if count == _IRIS_POINTS:
            order.extend(taken)
            irises.append(ids[:_EYE_CONTOUR_POINTS])
        else:
            for target, point in zip(ids, taken, strict=True):
                order[target] = point
    return np.array(order, np.int64), irises


def _write_transforms(graph: Graph, landmarks: str, regions: tuple[Region, ...]) -> tuple[str, str]:
    """Write the map from region pixels to feature pixels, x_map = x_region · axes + origin (rows).

    Returns:
        axes (N, R, 2, 2) and origins (N, R, 1, 2).
    """
    options = [region.transform.options for region in regions]
    xy = graph.split(landmarks, [2, 1], axis=2)[0]
    start = graph.add("Gather", xy, _ids(graph, [[o["left_rotation_idx"]] for o in options]), axis=1)
    end = graph.add("Gather", xy, _ids(graph, [[o["right_rotation_idx"]] for o in options]), axis=1)
    along = graph.add("Sub", end, start)
    length = graph.add("ReduceL2", along, axes=[3], keepdims=1)
    along = graph.add("Div", along, length)
    across = _quarter_turn(graph, along)
    rows = graph.add("Concat", along, across, axis=2)
    columns = graph.add("Transpose", rows, perm=[0, 1, 3, 2])
    upright = graph.add("MatMul", graph.add("Gather", xy, _subsets(graph, regions), axis=1), columns)
    low = graph.add("ReduceMin", upright, axes=[2], keepdims=1)
    high = graph.add("ReduceMax", upright, axes=[2], keepdims=1)
    size = graph.add("Sub", high, low)
    margin = [[[(o["scale_x"] - 1) / 2, (o["scale_y"] - 1) / 2]] for o in options]
    corner = graph.add("Sub", low, graph.add("Mul", size, graph.constant(np.array([margin], np.float32))))
    origins = graph.add("MatMul", corner, rows)
    step = [[[o["scale_x"] / o["output_width"], o["scale_y"] / o["output_height"]]] for o in options]
    cell = graph.add("Mul", size, graph.constant(np.array([step], np.float32)))
    axes = graph.add("Mul", rows, graph.add("Transpose", cell, perm=[0, 1, 3, 2]))
    return axes, origins


def _quarter_turn(graph: Graph, vectors: str) -> str:
    """Write (x, y) → (−y, x) of row vectors."""
    return graph.add("MatMul", vectors, graph.constant(np.array([[0, 1], [-1, 0]], np.float32), "turn"))


def _ids(graph: Graph, ids: list[list[int]]) -> str:
    return graph.constant(np.array(ids, np.int64), "ids")


def _subsets(graph: Graph, regions: tuple[Region, ...]) -> str:
    """Return the ids of all regions as one table; short rows repeat their first id, which changes no extreme."""
    longest = max(len(region.ids) for region in regions)
    return _ids(graph, [[*region.ids, *[region.ids[0]] * (longest - len(region.ids))] for region in regions])


def _sample(graph: Graph, feature_map: str, axes: str, origins: str, cut: Cut) -> str:
    """Write the regions as channels, (N, regions · C, size, size), with one GridSample for all; outside is zero."""
    scale = 2.0 / cut.map_size
    cells = graph.add("MatMul", graph.constant(cut.cells(), "cells"), axes)
    places = graph.add("Add", cells, origins)
    places = graph.add("Mul", places, graph.constant(np.float32(scale), "scale"))
    places = graph.add("Sub", places, graph.constant(np.float32(1.0), "one"))
    shape = np.array([0, cut.regions * cut.size, cut.size, 2])
    grid = graph.add("Reshape", places, graph.constant(shape, "shape"))
    stacked = graph.add("GridSample", feature_map, grid, mode="bilinear", padding_mode="zeros", align_corners=0)
    shape = np.array([0, cut.channels, cut.regions, cut.size * cut.size])
    stacked = graph.add("Reshape", stacked, graph.constant(shape, "shape"))
    stacked = graph.add("Transpose", stacked, perm=[0, 2, 1, 3])
    total = cut.regions * cut.channels
    shape = np.array([0, total, cut.size, cut.size])
    return graph.add("Reshape", stacked, graph.constant(shape, "shape"), channels=total)
