"""Convert the TFLite files of face networks to ONNX, in a form that suits the machine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from facemesh_ros.errors import ModelError
from facemesh_ros.tools.conversion.forms import FORMS
from facemesh_ros.tools.conversion.heads import write_network
from facemesh_ros.tools.conversion.onnx_file import onnx_bytes
from facemesh_ros.tools.conversion.tflite_file import TfliteGraph, read_tflite


@dataclass(frozen=True)
class Conversion:
    """A converted network and what a table tells of it."""

    onnx: bytes
    input_size: int
    """px; the input is uint8 (N, S, S, 3) RGB."""
    outputs: dict[str, tuple[int, ...]]
    """Name → shape behind the batch axis; float32."""
    macs: int
    """Multiplications of the source's convolutions for one image."""


def convert(data: bytes, name: str, form: str) -> Conversion:
    """Convert the bytes of a TFLite file; ``name`` stands in the error messages.

    Raises:
        ModelError: the file is damaged, holds an unknown operator, or is not a face network.
    """
    if form not in FORMS:
        raise ModelError(f"form {form!r} is unknown; allowed are {', '.join(FORMS)}")
    source = read_tflite(data, name)
    try:
        graph = write_network(source)
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from error
    for rewrite in FORMS[form]:
        rewrite(graph)
    return Conversion(onnx_bytes(graph), graph.input_size, graph.output_shapes, count_macs(source))


def count_macs(source: TfliteGraph) -> int:
    """Return the multiplications of all convolutions for one image."""
    total = 0
    for operator in source.operators:
        if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            weights, output = source.shapes[operator.inputs[1]], source.shapes[operator.outputs[0]]
            # weights: (outputs, height, width, inputs), depthwise (1, height, width, outputs), or (outputs, inputs)
            outputs_axis = -1 if operator.name == "DEPTHWISE_CONV_2D" else 0
            total += math.prod(weights) // weights[outputs_axis] * math.prod(output)
    return total
