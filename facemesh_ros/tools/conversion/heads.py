"""Tell from its shapes what a network is, and write the library's outputs: names, shapes and units.

Detectors give ``regressors`` (N, A, 16) px and ``logits`` (N, A); landmark networks give ``points`` (N, P, 3) px of the
crop and ``presence_logit`` (N,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from facemesh_ros.errors import ModelError
from facemesh_ros.tools.conversion.attention import Region, RegionWriter, find_regions
from facemesh_ros.tools.conversion.graph import Graph
from facemesh_ros.tools.conversion.operators import translate
from facemesh_ros.tools.conversion.tflite_file import TfliteGraph
from facemesh_ros.tools.conversion.translation import Translation, image_input

_BOX_NUMBERS = 16
"""Numbers of one anchor: box centre and size, six keypoints."""
_POINT_COUNTS = (468, 478)


class Head(Protocol):
    """What a kind of network means by its outputs."""

    value_range: tuple[float, float]
    """The values that the network's input takes for 0 and 255."""

    def write(self, t: Translation) -> None:
        """Write the whole network up to the library's outputs."""


@dataclass(frozen=True)
class DetectorHead:
    """One box and one score logit for each anchor."""

    regressors: int
    logits: int
    value_range = (-1.0, 1.0)

    def write(self, t: Translation) -> None:
        """See ``Head``; regressors are px of the input as they are."""
        translate(t, (self.regressors, self.logits), {})
        last = t.graph.constant(np.array([2]), "axis")
        logits = t.graph.add("Squeeze", t.name(self.logits), last)
        anchors = t.shape(self.logits)[1]
        t.graph.output_shapes = {"regressors": (anchors, _BOX_NUMBERS), "logits": (anchors,)}
        t.graph.outputs = {"regressors": t.name(self.regressors), "logits": logits}


@dataclass(frozen=True)
class LandmarksHead:
    """A mesh in px of the crop and the logit of its presence."""

    points: int
    presence: int
    regions: tuple[Region, ...]
    value_range = (0.0, 1.0)

    def write(self, t: Translation) -> None:
        """See ``Head``."""
        writer = RegionWriter(self.regions)
        custom = {"Landmarks2TransformMatrix": writer.skip, "TransformTensorBilinear": writer.sample}
        local = [refined.inputs[0] for region in self.regions for refined in region.refined]
        translate(t, (self.points, self.presence, *local), custom)
        count = int(np.prod(t.shape(self.points))) // 3
        shape = t.graph.constant(np.array([0, count, 3]), "shape")
        points = t.graph.add("Reshape", t.name(self.points), shape)
        if self.regions:
            points, count = writer.refine(t, points)
        flat = t.graph.constant(np.array([-1]), "shape")
        presence = t.graph.add("Reshape", t.name(self.presence), flat)
        t.graph.outputs = {"points": points, "presence_logit": presence}
        t.graph.output_shapes = {"points": (count, 3), "presence_logit": ()}


def find_head(source: TfliteGraph) -> DetectorHead | LandmarksHead:
    """Return what the network's outputs mean.

    Raises:
        ModelError: the shapes are neither a detector's nor a landmark network's.
    """
    _check_input(source)
    shapes = {tensor: source.shapes[tensor] for tensor in source.outputs}
    boxes = [tensor for tensor, shape in shapes.items() if len(shape) == 3 and shape[2] == _BOX_NUMBERS]
    scores = [tensor for tensor, shape in shapes.items() if len(shape) == 3 and shape[2] == 1]
    if len(boxes) == len(scores) == 1:
        return DetectorHead(boxes[0], scores[0])
    points = [tensor for tensor, shape in shapes.items() if np.prod(shape) in [3 * n for n in _POINT_COUNTS]]
    flags = [tensor for tensor, shape in shapes.items() if np.prod(shape) == 1]
    if len(points) == 1 and flags:
        return LandmarksHead(points[0], flags[0], find_regions(source))
    raise ModelError(
        f"outputs of shapes {', '.join(map(str, shapes.values()))} are neither a detector's ((1, A, 16) and (1, A, 1))"
        " nor a landmark network's (1404 or 1434 numbers and a flag): give one of these networks"
    )


def _check_input(source: TfliteGraph) -> None:
    shapes = [source.shapes[tensor] for tensor in source.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1] != shapes[0][2] or shapes[0][3] != 3:
        raise ModelError(
            f"inputs of shapes {', '.join(map(str, shapes))} are not one square RGB image (1, S, S, 3):"
            " give a face detector or a face landmark network"
        )


def write_network(source: TfliteGraph) -> Graph:
    """Write a whole network, uint8 image to the library's outputs, as ONNX operators."""
    head = find_head(source)
    input_size = source.shapes[source.inputs[0]][1]
    translation = Translation(source, Graph(input_size))
    image_input(translation, head.value_range)
    head.write(translation)
    translation.graph.drop_unused()
    return translation.graph
