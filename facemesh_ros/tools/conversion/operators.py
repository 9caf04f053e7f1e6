"""The table of TFLite operators: name → function that writes it in ONNX operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from facemesh_ros.errors import ModelError
from facemesh_ros.tools.conversion.graph import Array
from facemesh_ros.tools.conversion.tflite_file import Operator
from facemesh_ros.tools.conversion.translation import Translation, activate, clip

Writer = Callable[[Translation, Operator], None]
_SAME = 0
_NCHW_AXIS = (0, 2, 3, 1)
"""Axis of an NHWC tensor → axis of the same tensor as NCHW."""


def translate(translation: Translation, wanted: Sequence[int], extra: Mapping[str, Writer]) -> None:
    """Write every operator that the wanted tensors need; ``extra`` holds the writers of custom operators.

    Raises:
        ModelError: an operator is not in the table, with the names of those that are not.
    """
    table = {**OPERATORS, **extra}
    needed = _needed(translation.source.operators, wanted)
    unknown = sorted({operator.name for operator in needed} - table.keys())
    if unknown:
        raise ModelError(f"operators {', '.join(unknown)} are unknown; known are {', '.join(sorted(table))}")
    for operator in needed:
        table[operator.name](translation, operator)


def _needed(operators: Sequence[Operator], wanted: Sequence[int]) -> list[Operator]:
    tensors, needed = set(wanted), []
    for operator in reversed(operators):
        if tensors.intersection(operator.outputs):
            tensors.update(operator.inputs)
            needed.append(operator)
    return needed[::-1]


def _pads(t: Translation, operator: Operator, kernel: tuple[int, int], dilation: tuple[int, int]) -> list[int]:
    """Return ONNX pads (top, left, bottom, right) of TFLite's SAME or VALID."""
    if operator.options["Padding"] != _SAME:
        return [0, 0, 0, 0]
    strides = (operator.options["StrideH"], operator.options["StrideW"])
    totals = []
    for axis in range(2):
        size = t.shape(operator.inputs[0])[1 + axis]
        reach = (kernel[axis] - 1) * dilation[axis] + 1
        totals.append(max((-(-size // strides[axis]) - 1) * strides[axis] + reach - size, 0))
    begins = [total // 2 for total in totals]
    return begins + [total - begin for total, begin in zip(totals, begins, strict=True)]


def _convolution(t: Translation, operator: Operator, weights: Array, groups: int) -> None:
    """Write a Conv; ``weights`` are (outputs, inputs of a group, height, width)."""
    options = operator.options
    dilation = (options["DilationHFactor"], options["DilationWFactor"])
    kernel = (weights.shape[2], weights.shape[3])
    inputs = [t.name(operator.inputs[0]), t.graph.constant(np.ascontiguousarray(weights), "weights")]
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        inputs.append(t.graph.constant(t.constant(operator.inputs[2], operator), "bias"))
    t.emit(
        operator,
        "Conv",
        *inputs,
        group=groups,
        strides=[options["StrideH"], options["StrideW"]],
        dilations=list(dilation),
        pads=_pads(t, operator, kernel, dilation),
    )


def _conv_2d(t: Translation, operator: Operator) -> None:
    _convolution(t, operator, t.constant(operator.inputs[1], operator).transpose(0, 3, 1, 2), 1)


def _depthwise_conv_2d(t: Translation, operator: Operator) -> None:
    weights = t.constant(operator.inputs[1], operator).transpose(3, 0, 1, 2)
    _convolution(t, operator, weights, t.shape(operator.inputs[0])[3])


def _pool(op: str) -> Writer:
    def write(t: Translation, operator: Operator) -> None:
        options = operator.options
        kernel = (options["FilterHeight"], options["FilterWidth"])
        strides = [options["StrideH"], options["StrideW"]]
        pads = _pads(t, operator, kernel, (1, 1))
        t.emit(operator, op, t.name(operator.inputs[0]), kernel_shape=list(kernel), strides=strides, pads=pads)

    return write


def _elementwise(op: str) -> Writer:
    def write(t: Translation, operator: Operator) -> None:
        rank = len(t.shape(operator.outputs[0]))
        t.emit(operator, op, *(_operand(t, tensor, rank) for tensor in operator.inputs))

    return write


def _operand(t: Translation, tensor: int, rank: int) -> str:
    """Return an operand, a constant brought to the rank of the other so that it broadcasts alike in NCHW."""
    value = t.source.constants.get(tensor)
    if value is None or rank != 4 or value.size == 1:
        return t.name(tensor)
    wide = value.reshape((1,) * (4 - value.ndim) + value.shape)
    return t.graph.constant(np.ascontiguousarray(wide.transpose(0, 3, 1, 2)))


def _unary(op: str) -> Writer:
    def write(t: Translation, operator: Operator) -> None:
        t.emit(operator, op, t.name(operator.inputs[0]))

    return write


def _relu6(t: Translation, operator: Operator) -> None:
    tensor = operator.outputs[0]
    t.names[tensor] = clip(t.graph, t.name(operator.inputs[0]), 0.0, 6.0, t.channels(tensor))


def _prelu(t: Translation, operator: Operator) -> None:
    slopes = t.constant(operator.inputs[1], operator)
    if slopes.size != slopes.shape[-1]:
        raise ModelError(f"PRELU with slopes {slopes.shape} is not supported; known: one slope a channel")
    slopes = np.broadcast_to(slopes.ravel(), t.shape(operator.inputs[0])[-1:])
    t.emit(operator, "PRelu", t.name(operator.inputs[0]), t.graph.constant(slopes.reshape(-1, 1, 1), "slopes"))


def _pad(t: Translation, operator: Operator) -> None:
    before, after = t.constant(operator.inputs[1], operator).T
    if len(before) != 4:
        raise ModelError(f"PAD of rank {len(before)} is not supported; known: 4")
    pads = np.concatenate([before[[0, 3, 1, 2]], after[[0, 3, 1, 2]]]).astype(np.int64)
    t.emit(operator, "Pad", t.name(operator.inputs[0]), t.graph.constant(pads, "pads"))


def _reshape(t: Translation, operator: Operator) -> None:
    source, target = t.shape(operator.inputs[0]), t.shape(operator.outputs[0])
    name = t.name(operator.inputs[0])
    if len(source) == 4 and source[1:3] != (1, 1):
        name = t.graph.add("Transpose", name, perm=[0, 2, 3, 1])
    if len(target) == 4 and target[1:3] != (1, 1):
        name = t.graph.add("Reshape", name, _shape_constant(t, target))
        t.emit(operator, "Transpose", name, perm=[0, 3, 1, 2])
        return
    if len(target) == 4:
        target = (target[0], target[3], target[1], target[2])
    t.emit(operator, "Reshape", name, _shape_constant(t, target))


def _shape_constant(t: Translation, shape: tuple[int, ...]) -> str:
    """Return a Reshape target that leaves the batch free."""
    return t.graph.constant(np.array([0, *shape[1:]], np.int64), "shape")


def _concatenation(t: Translation, operator: Operator) -> None:
    rank = len(t.shape(operator.outputs[0]))
    axis = operator.options["Axis"] % rank
    t.emit(operator, "Concat", *map(t.name, operator.inputs), axis=_NCHW_AXIS[axis] if rank == 4 else axis)


def _resize_bilinear(t: Translation, operator: Operator) -> None:
    modes = {(0, 1): "half_pixel", (1, 0): "align_corners", (0, 0): "asymmetric"}
    mode = modes[(int(operator.options["AlignCorners"]), int(operator.options["HalfPixelCenters"]))]
    old, new = t.shape(operator.inputs[0]), t.shape(operator.outputs[0])
    scales = np.array([1.0, 1.0, new[1] / old[1], new[2] / old[2]], np.float32)
    inputs = (t.name(operator.inputs[0]), "", t.graph.constant(scales, "scales"))
    t.emit(operator, "Resize", *inputs, mode="linear", coordinate_transformation_mode=mode)


def _depth_to_space(t: Translation, operator: Operator) -> None:
    block = operator.options["BlockSize"]
    t.emit(operator, "DepthToSpace", t.name(operator.inputs[0]), blocksize=block, mode="DCR")


def _strided_slice(t: Translation, operator: Operator) -> None:
    begin, end, strides = (t.constant(tensor, operator) for tensor in operator.inputs[1:4])
    takes_all = not begin.any() and (strides == 1).all() and tuple(end) == t.shape(operator.inputs[0])
    if not takes_all or any(operator.options.values()):
        raise ModelError("STRIDED_SLICE that takes a part is not supported; known: the whole tensor")
    t.names[operator.outputs[0]] = t.name(operator.inputs[0])


def _fully_connected(t: Translation, operator: Operator) -> None:
    source = t.shape(operator.inputs[0])
    if math.prod(source[1:-1]) != 1:
        raise ModelError(f"FULLY_CONNECTED on {source} is not supported; known: one vector for each image")
    weights = t.constant(operator.inputs[1], operator)
    flat = t.graph.add("Flatten", t.name(operator.inputs[0]), axis=1)
    inputs = [flat, t.graph.constant(weights, "weights")]
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        inputs.append(t.graph.constant(t.constant(operator.inputs[2], operator), "bias"))
    product = t.graph.add("Gemm", *inputs, transB=1)
    target = t.shape(operator.outputs[0])
    tensor, channels = operator.outputs[0], t.channels(operator.outputs[0])
    if len(target) == 4:
        product = t.graph.add("Reshape", product, _shape_constant(t, (0, target[3], 1, 1)), channels=channels)
    t.names[tensor] = activate(t.graph, product, operator, channels)


def _mean(t: Translation, operator: Operator) -> None:
    axes = sorted(int(axis) % 4 for axis in np.atleast_1d(t.constant(operator.inputs[1], operator)))
    if axes != [1, 2] or len(t.shape(operator.inputs[0])) != 4:
        raise ModelError(f"MEAN over axes {axes} is not supported; known: height and width of a feature map")
    keep = int(operator.options["KeepDims"])
    t.emit(operator, "ReduceMean", t.name(operator.inputs[0]), axes=[2, 3], keepdims=keep)


OPERATORS: Mapping[str, Writer] = {
    "ADD": _elementwise("Add"),
    "AVERAGE_POOL_2D": _pool("AveragePool"),
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "DEPTH_TO_SPACE": _depth_to_space,
    "FULLY_CONNECTED": _fully_connected,
    "HARD_SWISH": _unary("HardSwish"),
    "LOGISTIC": _unary("Sigmoid"),
    "MAX_POOL_2D": _pool("MaxPool"),
    "MEAN": _mean,
    "MUL": _elementwise("Mul"),
    "PAD": _pad,
    "PRELU": _prelu,
    "RELU": _unary("Relu"),
    "RELU6": _relu6,
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize_bilinear,
    "STRIDED_SLICE": _strided_slice,
}
