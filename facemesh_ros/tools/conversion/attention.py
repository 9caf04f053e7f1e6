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
from facemesh_ros.tools.conversion.frames import Cut, Lane, places, sample, to_crop, write_frames
from facemesh_ros.tools.conversion.graph import Array
from facemesh_ros.tools.conversion.tflite_file import Operator, TfliteGraph
from facemesh_ros.tools.conversion.translation import Translation

_MESH_POINTS = 468
_IRIS_POINTS = 5
_Z = 2
"""Place of the depth among the three numbers of a point."""
_EYE_CONTOUR_POINTS = 16
"""The subset of an eye begins with its contour, whose mean depth the iris takes."""


@dataclass(frozen=True)
class Region:
    """One part of the face that the network looks at again."""

    transform: Operator
    sample: Operator
    refined: tuple[Operator, ...]
    """The TransformLandmarks that map this region's points back."""
    map_scale: float
    """Pixels of the feature map per pixel of the crop."""

    @property
    def ids(self) -> tuple[int, ...]:
        """Mesh ids of the region's points."""
        return tuple(self.transform.options["subset_idxs"])


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
    map_scale = _scaling(source, transform)[1]
    if factors.reshape(4, 4)[0, 3] * map_scale != 1.0:
        raise ModelError("refined points in other px than the mesh are not supported")
    return Region(transform, samples[0], tuple(refined), map_scale)


def _scaling(source: TfliteGraph, transform: Operator) -> tuple[int, float]:
    """Return the landmarks in px of the crop, and the factor that brings them to px of the feature map."""
    scaling = source.producer(transform.inputs[0])
    if scaling is not None and scaling.name == "MUL":
        for landmarks, factor in (scaling.inputs, scaling.inputs[::-1]):
            if factor in source.constants and source.constants[factor].size == 1:
                return landmarks, float(source.constants[factor].item())
    raise ModelError("landmarks that are not scaled by one number for Landmarks2TransformMatrix are not supported")


class RegionWriter:
    """Writes the custom operators; made for one translation."""

    def __init__(self, regions: tuple[Region, ...]) -> None:
        self._regions = regions
        self._frames = ""

    def skip(self, t: Translation, operator: Operator) -> None:
        """Write nothing: the first TransformTensorBilinear writes the transforms of all regions."""

    def sample(self, t: Translation, operator: Operator) -> None:
        """Write transforms and samples of all regions where the first one is sampled."""
        if operator.outputs[0] in t.names:
            return
        feature_map = operator.inputs[0]
        first = self._regions[0]
        if any((one.sample.inputs[0], one.map_scale) != (feature_map, first.map_scale) for one in self._regions):
            raise ModelError("TransformTensorBilinear of feature maps that differ is not supported")
        landmarks = _flat(t, _scaling(t.source, first.transform)[0])
        self._frames = write_frames(t.graph, landmarks, [region.transform.options for region in self._regions])
        _, size, _, channels = t.shape(operator.outputs[0])
        cut = Cut(len(self._regions), size, channels, t.shape(feature_map)[1], first.map_scale)
        packed = sample(t.graph, t.name(feature_map), self._frames, cut)
        lanes = t.graph.split(packed, [channels] * len(self._regions), axis=1)
        for region, lane in zip(self._regions, lanes, strict=True):
            t.names[region.sample.outputs[0]] = lane

    def refine(self, t: Translation, mesh: int) -> tuple[str, int]:
        """Write the refined points over the mesh, as (N, 478, 3) px of the crop, and count them.

        Mouth and eyes take x, y from their regions and keep z; irises follow, with the mean z of their eye's contour.
        Every number of the result is picked from one row: the mesh, the refined points, the irises' depths.
        """
        graph, row = t.graph, _flat(t, mesh)
        lanes = self._lanes(t)
        refined = to_crop(graph, self._frames, lanes, self._regions[0].map_scale)
        order, contours = _merge_order(
            [self._regions[lane.region].ids for lane in lanes], [lane.count for lane in lanes]
        )
        contour_z = graph.add("Gather", row, graph.constant(3 * np.array(contours) + _Z, "ids"), axis=1)
        iris_z = graph.add("ReduceMean", contour_z, axes=[2], keepdims=0)
        row = graph.add("Concat", row, refined, iris_z, axis=1)
        picked = graph.add("Gather", row, graph.constant(order.ravel(), "order"), axis=1)
        shape = graph.constant(np.array([0, *order.shape]), "shape")
        return graph.add("Reshape", picked, shape), len(order)

    def _lanes(self, t: Translation) -> list[Lane]:
        return [
            Lane(t.name(_before_reshape(t.source, operator.inputs[0])), t.shape(operator.inputs[0])[1], k)
            for k, region in enumerate(self._regions)
            for operator in region.refined
        ]


def _flat(t: Translation, tensor: int) -> str:
    """Write points as a row of numbers, x, y, z of one after the other, (N, 3 · points)."""
    numbers = t.name(_before_reshape(t.source, tensor))
    return t.graph.add("Reshape", numbers, t.graph.constant(np.array([0, -1]), "shape"))


def _before_reshape(source: TfliteGraph, tensor: int) -> int:
    """Return the tensor whose reshape to points is given."""
    producer = source.producer(tensor)
    return producer.inputs[0] if producer is not None and producer.name == "RESHAPE" else tensor


def _merge_order(ids_of_lane: list[tuple[int, ...]], counts: list[int]) -> tuple[Array, list[tuple[int, ...]]]:
    """Return where each final number lies in the row of ``RegionWriter.refine``, (478, 3), and each iris's contour."""
    order = list(np.arange(3 * _MESH_POINTS).reshape(-1, 3))
    contours: list[tuple[int, ...]] = []
    refined, depths = 3 * _MESH_POINTS, 3 * _MESH_POINTS + 2 * max(counts) * len(counts)
    for lane, (ids, count) in enumerate(zip(ids_of_lane, counts, strict=True)):
        xy = refined + places(lane, count, max(counts))
        if count == _IRIS_POINTS:
            order.extend(np.array([x, y, depths + len(contours)]) for x, y in xy)
            contours.append(ids[:_EYE_CONTOUR_POINTS])
        else:
            for target, place in zip(ids, xy, strict=True):
                order[target] = np.array([*place, order[target][_Z]])
    return np.array(order, np.int64), contours
