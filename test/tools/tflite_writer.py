"""Write small TFLite files for tests of the converter: any graph of a few operators, with weights made up."""

import flatbuffers
import numpy as np
import tflite

OP = tflite.BuiltinOperator
_TYPES = {"float32": tflite.TensorType.FLOAT32, "float16": tflite.TensorType.FLOAT16, "int32": tflite.TensorType.INT32}


class TfliteWriter:
    """Collects tensors and operators; ``finish`` returns the bytes of the file."""

    def __init__(self, input_shape, seed=0):
        self._tensors, self._operators, self._codes = [], [], []
        self._random = np.random.default_rng(seed)
        self.input = self._tensor(input_shape, "float32")

    def _tensor(self, shape, dtype, data=b""):
        self._tensors.append((tuple(shape), _TYPES[dtype], data))
        return len(self._tensors) - 1

    def shape(self, tensor):
        return self._tensors[tensor][0]

    def constant(self, value):
        value = np.ascontiguousarray(value)
        return self._tensor(value.shape, value.dtype.name, value.tobytes())

    def weights(self, *shape, scale=0.5):
        """Random numbers stored as float16 behind DEQUANTIZE, as published networks have them."""
        stored = self.constant((self._random.standard_normal(shape) * scale).astype(np.float16))
        return self.operator(OP.DEQUANTIZE, [stored], shape)

    def operator(self, code, inputs, output_shape, options=None, **fields):
        """Append an operator; ``options`` is the name of its options table, ``fields`` what stands in it."""
        output = self._tensor(output_shape, "float32")
        self._operators.append((code, list(inputs), output, options, fields))
        return output

    def conv(self, source, outputs, kernel=3, stride=1, padding=0, activation=0):
        batch, height, width, channels = self.shape(source)
        size = [_extent(side, kernel, stride, padding) for side in (height, width)]
        weights = self.weights(outputs, kernel, kernel, channels, scale=0.6 / (kernel * channels**0.5))
        inputs = [source, weights, self.weights(outputs)]
        fields = {"StrideH": stride, "StrideW": stride, "Padding": padding, "FusedActivationFunction": activation}
        return self.operator(
            OP.CONV_2D, inputs, (batch, *size, outputs), "Conv2DOptions", DilationHFactor=1, DilationWFactor=1, **fields
        )

    def depthwise(self, source, kernel=3, stride=1, padding=0):
        batch, height, width, channels = self.shape(source)
        size = [_extent(side, kernel, stride, padding) for side in (height, width)]
        inputs = [source, self.weights(1, kernel, kernel, channels), self.weights(channels)]
        fields = {"StrideH": stride, "StrideW": stride, "Padding": padding, "DepthMultiplier": 1}
        return self.operator(
            OP.DEPTHWISE_CONV_2D,
            inputs,
            (batch, *size, channels),
            "DepthwiseConv2DOptions",
            DilationHFactor=1,
            DilationWFactor=1,
            **fields,
        )

    def finish(self, *outputs):
        """Return the file with these tensors as its outputs."""
        builder = flatbuffers.Builder(1024)
        buffers = [self._buffer(builder, b"")] + [self._buffer(builder, data) for _, _, data in self._tensors]
        tensors = [self._write_tensor(builder, index) for index in range(len(self._tensors))]
        operators = [self._write_operator(builder, operator) for operator in self._operators]
        subgraph = self._write_subgraph(builder, tensors, operators, outputs)
        codes = [self._write_code(builder, code) for code in self._codes]
        vectors = {
            "OperatorCodes": _offsets(builder, tflite.ModelStartOperatorCodesVector, codes),
            "Subgraphs": _offsets(builder, tflite.ModelStartSubgraphsVector, [subgraph]),
            "Buffers": _offsets(builder, tflite.ModelStartBuffersVector, buffers),
        }
        tflite.ModelStart(builder)
        tflite.ModelAddVersion(builder, 3)
        for name, offset in vectors.items():
            getattr(tflite, f"ModelAdd{name}")(builder, offset)
        builder.Finish(tflite.ModelEnd(builder), b"TFL3")
        return bytes(builder.Output())

    @staticmethod
    def _buffer(builder, data):
        content = builder.CreateByteVector(data) if data else None
        tflite.BufferStart(builder)
        if content is not None:
            tflite.BufferAddData(builder, content)
        return tflite.BufferEnd(builder)

    def _write_tensor(self, builder, index):
        shape, dtype, _ = self._tensors[index]
        dimensions = builder.CreateNumpyVector(np.array(shape, np.int32)) if shape else None
        name = builder.CreateString(f"tensor_{index}")
        tflite.TensorStart(builder)
        if dimensions is not None:
            tflite.TensorAddShape(builder, dimensions)
        tflite.TensorAddType(builder, dtype)
        tflite.TensorAddBuffer(builder, index + 1)
        tflite.TensorAddName(builder, name)
        return tflite.TensorEnd(builder)

    def _write_operator(self, builder, operator):
        code, inputs, output, options, fields = operator
        if code not in self._codes:
            self._codes.append(code)
        vectors = [builder.CreateNumpyVector(np.array(part, np.int32)) for part in (inputs, [output])]
        table = None
        if options is not None:
            getattr(tflite, f"{options}Start")(builder)
            for name, value in fields.items():
                getattr(tflite, f"{options}Add{name}")(builder, value)
            table = getattr(tflite, f"{options}End")(builder)
        tflite.OperatorStart(builder)
        tflite.OperatorAddOpcodeIndex(builder, self._codes.index(code))
        tflite.OperatorAddInputs(builder, vectors[0])
        tflite.OperatorAddOutputs(builder, vectors[1])
        if table is not None:
            tflite.OperatorAddBuiltinOptionsType(builder, getattr(tflite.BuiltinOptions, options))
            tflite.OperatorAddBuiltinOptions(builder, table)
        return tflite.OperatorEnd(builder)

    def _write_subgraph(self, builder, tensors, operators, outputs):
        vectors = {
            "Tensors": _offsets(builder, tflite.SubGraphStartTensorsVector, tensors),
            "Inputs": builder.CreateNumpyVector(np.array([self.input], np.int32)),
            "Outputs": builder.CreateNumpyVector(np.array(outputs, np.int32)),
            "Operators": _offsets(builder, tflite.SubGraphStartOperatorsVector, operators),
        }
        tflite.SubGraphStart(builder)
        for name, offset in vectors.items():
            getattr(tflite, f"SubGraphAdd{name}")(builder, offset)
        return tflite.SubGraphEnd(builder)

    @staticmethod
    def _write_code(builder, code):
        tflite.OperatorCodeStart(builder)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, min(code, 127))
        tflite.OperatorCodeAddBuiltinCode(builder, code)
        tflite.OperatorCodeAddVersion(builder, 1)
        return tflite.OperatorCodeEnd(builder)


def _extent(side, kernel, stride, padding):
    """Return the side of a window operator's output; padding 0 is SAME, 1 is VALID."""
    return -(-side // stride) if padding == 0 else (side - kernel) // stride + 1


def _offsets(builder, start, offsets):
    start(builder, len(offsets))
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def unchanged(_writer, tensor):
    """Put nothing in the middle of ``landmark_network``."""
    return tensor


def landmark_network(size=32, points=478, middle=unchanged, seed=0):
    """Return a landmark network in miniature, with ``middle`` on an 8×8 map of 24 channels before its heads."""
    writer = TfliteWriter((1, size, size, 3), seed)
    features = middle(writer, writer.conv(writer.input, 24, kernel=3, stride=size // 8))
    features = writer.conv(features, 16, kernel=3, stride=4)
    side = writer.shape(features)[1]
    mesh = writer.conv(features, 3 * points, kernel=side, padding=1)
    flag = writer.conv(features, 1, kernel=side, padding=1)
    return writer.finish(mesh, flag)
