"""Write a graph as the bytes of an ONNX file that any runtime from opset 17 on reads.

Constants that float16 holds exactly (the weights, which were float16 in the source) are stored as float16 with a Cast,
which runtimes fold when they load the file: half the size, the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from facemesh_ros.tools.conversion.graph import Array, Graph, Node
from facemesh_ros.tools.conversion.translation import INPUT

OPSET = 17
_IR_VERSION = 8
"""The file version that belongs to opset 17; onnx's own default is newer than older runtimes read."""
_SMALLEST_HALF = 64
"""Constants of fewer elements stay float32: the Cast would outweigh them."""
_BATCH = "N"


def onnx_bytes(graph: Graph) -> bytes:
    """Return the bytes of the file; the graph is used up."""
    _name_outputs(graph)
    image_shape: list[str | int] = [_BATCH, graph.input_size, graph.input_size, 3]
    image = onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.UINT8, image_shape)
    outputs = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [_BATCH, *graph.output_shapes[name]])
        for name in graph.outputs
    ]
    initializers, casts = _initializers(graph.constants)
    nodes = casts + [_node(node) for node in graph.nodes]
    proto = onnx.helper.make_graph(nodes, "facemesh_ros", [image], outputs, initializers)
    opset = onnx.helper.make_opsetid("", OPSET)
    model = onnx.helper.make_model(proto, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="facemesh_ros")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _name_outputs(graph: Graph) -> None:
    """Give the tensors behind the outputs their public names."""
    public = {tensor: name for name, tensor in graph.outputs.items()}
    for node in graph.nodes:
        node.inputs = tuple(public.get(name, name) for name in node.inputs)
        node.outputs = tuple(public.get(name, name) for name in node.outputs)
    graph.outputs = {name: name for name in graph.outputs}


def _initializers(constants: Mapping[str, Array]) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
    initializers, casts = [], []
    for name, value in constants.items():
        half = _as_half(value)
        stored = name if half is None else f"{name}_half"
        initializers.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value if half is None else half), stored))
        if half is not None:
            casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
    return initializers, casts


def _as_half(value: Array) -> Array | None:
    """Return the same numbers as float16; None where that is not exact or not worth it."""
    if value.dtype != np.float32 or value.size < _SMALLEST_HALF:
        return None
    with np.errstate(over="ignore"):
        half = value.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), value) else None


def _node(node: Node) -> onnx.NodeProto:
    attributes = dict(node.attributes)
    if node.op == "Cast":
        attributes["to"] = onnx.TensorProto.DataType.Value(attributes["to"])
    return onnx.helper.make_node(node.op, node.inputs, node.outputs, name=node.output, **attributes)
