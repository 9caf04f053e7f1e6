"""Walk the operators of a TFLite graph and write the same computation in ONNX operators.

Layout: a tensor of rank 4 is NHWC in the file and NCHW here; tensors of other ranks keep their order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from facemesh_ros.errors import ModelError
from facemesh_ros.tools.conversion.graph import Array, Graph
from facemesh_ros.tools.conversion.tflite_file import Operator, TfliteGraph

INPUT = "image"


@dataclass
class Translation:
    """What is known while the operators are walked."""

    source: TfliteGraph
    graph: Graph
    names: dict[int, str] = field(default_factory=dict)
    """TFLite tensor → ONNX tensor."""

    def name(self, tensor: int) -> str:
        """Return the ONNX name of an activation, or of a constant used like one."""
        if tensor in self.names:
            return self.names[tensor]
        if tensor in self.source.constants:
            return self.graph.constant(to_nchw(self.source.constants[tensor]))
        raise ModelError(f"tensor {tensor} is read before it is computed: the file's operators are out of order")

    def constant(self, tensor: int, operator: Operator) -> Array:
        """Return a constant input, in the file's own order."""
        if tensor not in self.source.constants:
            raise ModelError(f"{operator.name} with a computed parameter (tensor {tensor}) is not supported")
        return self.source.constants[tensor]

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return a tensor's shape in the file's order; the first axis is the batch."""
        return self.source.shapes[tensor]

    def channels(self, tensor: int) -> int | None:
        """Return the channel count of a feature map, None for a tensor of another rank."""
        shape = self.shape(tensor)
        return shape[3] if len(shape) == 4 else None

    def emit(self, operator: Operator, op: str, *inputs: str, **attributes: object) -> None:
        """Append an ONNX operator that computes the operator's output, then its fused activation."""
        tensor = operator.outputs[0]
        channels = self.channels(tensor)
        name = self.graph.add(op, *inputs, channels=channels, **attributes)
        self.names[tensor] = activate(self.graph, name, operator, channels)


def activate(graph: Graph, name: str, operator: Operator, channels: int | None) -> str:
    """Append the activation that TFLite fuses into an operator (the enumeration ActivationFunctionType)."""
    kind = operator.options.get("FusedActivationFunction", 0)
    if kind == 0:
        return name
    if kind == 1:
        return graph.add("Relu", name, channels=channels)
    if kind == 3:
        return clip(graph, name, 0.0, 6.0, channels)
    raise ModelError(f"{operator.name} with fused activation {kind} is not supported; known: none, RELU, RELU6")


def clip(graph: Graph, name: str, low: float, high: float, channels: int | None) -> str:
    """Append a Clip."""
    bounds = (graph.constant(np.float32(bound), "bound") for bound in (low, high))
    return graph.add("Clip", name, *bounds, channels=channels)


def to_nchw(value: Array) -> Array:
    """Bring a constant that meets feature maps into the graph's layout; lower ranks count from the channel."""
    if value.ndim == 4:
        return np.ascontiguousarray(value.transpose(0, 3, 1, 2))
    return value


def image_input(translation: Translation, value_range: tuple[float, float]) -> None:
    """Append image uint8 (N, S, S, 3) → float32 (N, 3, S, S) in ``value_range``, the network's own input."""
    graph, low = translation.graph, value_range[0]
    scale = graph.constant(np.float32((value_range[1] - low) / 255.0), "scale")
    values = graph.add("Transpose", INPUT, perm=[0, 3, 1, 2])
    values = graph.add("Cast", values, channels=3, to="FLOAT")
    values = graph.add("Mul", values, scale, channels=3)
    if low != 0.0:
        values = graph.add("Add", values, graph.constant(np.float32(low), "offset"), channels=3)
    translation.names[translation.source.inputs[0]] = values
