"""Read a TFLite file into plain values: operators by name, constants as dense arrays.

Weights may be stored as float16 behind DEQUANTIZE and as compressed sparse rows behind DENSIFY; both are undone here,
so that the rest of the converter sees float32 constants only.
The format: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flatbuffers.flexbuffers
import numpy as np
import tflite

from facemesh_ros.errors import ModelError
from facemesh_ros.tools.conversion.graph import Array

_IDENTIFIER = b"TFL3"
_DTYPES: Mapping[int, type] = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
    tflite.TensorType.INT64: np.int64,
    tflite.TensorType.UINT8: np.uint8,
    tflite.TensorType.INT8: np.int8,
    tflite.TensorType.BOOL: np.bool_,
}
_OPERATOR_NAMES = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
_WINDOW = ("Padding", "StrideH", "StrideW", "FusedActivationFunction")
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "AddOptions": ("FusedActivationFunction",),
    "ConcatenationOptions": ("Axis", "FusedActivationFunction"),
    "Conv2DOptions": (*_WINDOW, "DilationHFactor", "DilationWFactor"),
    "DepthToSpaceOptions": ("BlockSize",),
    "DepthwiseConv2DOptions": (*_WINDOW, "DilationHFactor", "DilationWFactor"),
    "FullyConnectedOptions": ("FusedActivationFunction", "KeepNumDims"),
    "MulOptions": ("FusedActivationFunction",),
    "Pool2DOptions": (*_WINDOW, "FilterHeight", "FilterWidth"),
    "ReducerOptions": ("KeepDims",),
    "ResizeBilinearOptions": ("AlignCorners", "HalfPixelCenters"),
    "StridedSliceOptions": ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask"),
}
_OPTION_TYPES = {code: name for name, code in vars(tflite.BuiltinOptions).items() if isinstance(code, int)}


@dataclass(frozen=True)
class Operator:
    """One operator of the file; tensors are numbered, an absent optional input is −1."""

    name: str
    """``CONV_2D`` and so on, or the own name of a custom operator."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class TfliteGraph:
    """The first subgraph of a file, without the operators that only unpack weights."""

    operators: tuple[Operator, ...]
    constants: Mapping[int, Array]
    shapes: tuple[tuple[int, ...], ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def producer(self, tensor: int) -> Operator | None:
        """Return the operator that writes a tensor; None for an input or a constant."""
        return next((operator for operator in self.operators if tensor in operator.outputs), None)


def read_tflite(data: bytes, name: str) -> TfliteGraph:
    """Read the bytes of a TFLite file; ``name`` stands in the error messages.

    Raises:
        ModelError: the bytes are not a complete TFLite file.
    """
    if data[4:8] != _IDENTIFIER:
        raise ModelError(f"{name} is not a TFLite file (it lacks the mark {_IDENTIFIER.decode()}): give a .tflite file")
    try:
        return _read(data)
    except (struct.error, IndexError, ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        raise ModelError(f"{name} is truncated or damaged ({error}): fetch it again") from error


def _read(data: bytes) -> TfliteGraph:
    model = tflite.Model.GetRootAs(data, 0)
    subgraph = model.Subgraphs(0)
    tensors = [subgraph.Tensors(i) for i in range(subgraph.TensorsLength())]
    constants = {i: array for i, t in enumerate(tensors) if (array := _constant(model, t)) is not None}
    operators = [_operator(model, subgraph.Operators(i)) for i in range(subgraph.OperatorsLength())]
    return TfliteGraph(
        operators=_unpack_weights(operators, constants),
        constants=constants,
        shapes=tuple(tuple(int(n) for n in t.ShapeAsNumpy()) if t.ShapeLength() else () for t in tensors),
        inputs=tuple(int(i) for i in subgraph.InputsAsNumpy()),
        outputs=tuple(int(i) for i in subgraph.OutputsAsNumpy()),
    )


def _unpack_weights(operators: list[Operator], constants: dict[int, Array]) -> tuple[Operator, ...]:
    """Carry DEQUANTIZE (float16) and DENSIFY (densified when read) of constants out; return the other operators."""
    rest = []
    for operator in operators:
        packed = constants.get(operator.inputs[0])
        if operator.name == "DENSIFY" and packed is not None:
            constants[operator.outputs[0]] = packed
        elif operator.name == "DEQUANTIZE" and packed is not None and packed.dtype == np.float16:
            constants[operator.outputs[0]] = packed.astype(np.float32)
        else:
            rest.append(operator)
    return tuple(rest)


def _operator(model: tflite.Model, raw: tflite.Operator) -> Operator:
    code = model.OperatorCodes(raw.OpcodeIndex())
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = _OPERATOR_NAMES.get(number, f"builtin {number}")
    if name == "CUSTOM":
        name = code.CustomCode().decode()
    inputs = tuple(int(raw.Inputs(i)) for i in range(raw.InputsLength()))
    outputs = tuple(int(raw.Outputs(i)) for i in range(raw.OutputsLength()))
    return Operator(name, inputs, outputs, _options(raw))


def _options(raw: tflite.Operator) -> Mapping[str, Any]:
    if raw.CustomOptionsLength():
        values = flatbuffers.flexbuffers.Loads(bytes(raw.CustomOptionsAsNumpy()))
        return values if isinstance(values, dict) else {}
    kind = _OPTION_TYPES.get(raw.BuiltinOptionsType(), "")
    table = raw.BuiltinOptions()
    if table is None or kind not in _OPTIONS:
        return {}
    options = getattr(tflite, kind)()
    options.Init(table.Bytes, table.Pos)
    return {name: getattr(options, name)() for name in _OPTIONS[kind]}


def _constant(model: tflite.Model, tensor: tflite.Tensor) -> Array | None:
    """Return the stored value of a tensor as a dense array; None for an activation."""
    buffer = model.Buffers(tensor.Buffer())
    if buffer.DataLength() == 0:
        return None
    dtype = _DTYPES[tensor.Type()]
    values: Array = np.frombuffer(bytes(buffer.DataAsNumpy()), dtype)
    shape = tuple(int(n) for n in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()
    sparsity = tensor.Sparsity()
    return values.reshape(shape) if sparsity is None else _densify(values, shape, sparsity)


def _densify(values: Array, shape: tuple[int, ...], sparsity: tflite.SparsityParameters) -> Array:
    """Place the values of a sparse tensor (dense and CSR dimensions, no blocks) in a dense one."""
    if sparsity.BlockMapLength():
        raise ValueError("block-sparse weights are not supported")
    places = np.zeros((1, 0), np.int64)  # (stored so far, dimensions so far): the index of each
    for level in range(sparsity.DimMetadataLength()):
        dimension = sparsity.DimMetadata(level)
        if dimension.Format() == tflite.DimensionType.DENSE:
            counts = np.full(len(places), dimension.DenseSize())
            index = np.tile(np.arange(dimension.DenseSize()), len(places))
        else:
            counts = np.diff(_integers(dimension.ArraySegments(), dimension.ArraySegmentsType()))
            index = _integers(dimension.ArrayIndices(), dimension.ArrayIndicesType())
        places = np.column_stack([np.repeat(places, counts, axis=0), index])
    dense = np.zeros(shape, values.dtype)
    order = [int(sparsity.TraversalOrder(i)) for i in range(sparsity.TraversalOrderLength())]
    dense.transpose(order)[tuple(places.T)] = values
    return dense


def _integers(table: Any, kind: int) -> Array:
    vectors = {1: tflite.Int32Vector, 2: tflite.Uint16Vector, 3: tflite.Uint8Vector}
    vector = vectors[kind]()
    vector.Init(table.Bytes, table.Pos)
    return np.asarray(vector.ValuesAsNumpy()).astype(np.int64)
