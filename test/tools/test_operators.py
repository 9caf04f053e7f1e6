"""Small networks, made here: one operator at a time between a convolution and the heads, in every form."""

import numpy as np
import pytest

from facemesh_ros.errors import ModelError
from facemesh_ros.models import FORMS

pytest.importorskip("tflite", reason="needs the extra `convert`: pip install facemesh_ros[convert]")
pytest.importorskip("onnx", reason="needs the extra `convert`: pip install facemesh_ros[convert]")

import onnx
from runtimes import run, run_litert
from tflite_writer import OP, TfliteWriter, landmark_network, unchanged

from facemesh_ros.tools.conversion import convert

ALL_FORMS = ("naive", *FORMS)


def _prelu(writer, source):
    slopes = writer.constant(np.linspace(-4.2, 6.2, 24, dtype=np.float32).reshape(1, 1, 24))
    return writer.depthwise(writer.operator(OP.PRELU, [source, slopes], writer.shape(source)))


def _pad(paddings):
    def middle(writer, source):
        shape = tuple(n + before + after for n, (before, after) in zip(writer.shape(source), paddings, strict=True))
        padded = writer.operator(OP.PAD, [source, writer.constant(np.array(paddings, np.int32))], shape, "PadOptions")
        return writer.conv(padded, 24, kernel=3, stride=1, padding=1)

    return middle


def _residual(writer, source):
    """A block that halves the map and widens the channels, as the published networks have them."""
    inner = writer.conv(writer.depthwise(source, stride=2), 40, kernel=1)
    pool = _pool(OP.MAX_POOL_2D)(writer, source)
    shape = writer.shape(inner)
    paddings = writer.constant(np.array([[0, 0], [0, 0], [0, 0], [0, 16]], np.int32))
    pool = writer.operator(OP.PAD, [pool, paddings], shape, "PadOptions")
    total = writer.operator(OP.ADD, [pool, inner], shape, "AddOptions", FusedActivationFunction=0)
    return writer.operator(OP.RELU, [total], shape)


def _pool(code):
    def middle(writer, source):
        batch, height, width, channels = writer.shape(source)
        fields = {"StrideH": 2, "StrideW": 2, "FilterHeight": 2, "FilterWidth": 2, "Padding": 0}
        shape = (batch, -(-height // 2), -(-width // 2), channels)
        return writer.operator(code, [source], shape, "Pool2DOptions", **fields)

    return middle


def _unary(code):
    return lambda writer, source: writer.operator(code, [source], writer.shape(source))


def _scale_channels(writer, source):
    factors = writer.constant(np.linspace(-1, 2, 24, dtype=np.float32))
    return writer.operator(OP.MUL, [source, factors], writer.shape(source), "MulOptions", FusedActivationFunction=0)


def _squeeze_and_excite(writer, source):
    """Means of the channels, a fully connected layer, its sigmoid as factors."""
    axes = writer.constant(np.array([1, 2], np.int32))
    means = writer.operator(OP.MEAN, [source, axes], (1, 24), "ReducerOptions", KeepDims=False)
    inputs = [means, writer.weights(24, 24), writer.weights(24)]
    dense = writer.operator(OP.FULLY_CONNECTED, inputs, (1, 24), "FullyConnectedOptions")
    factors = writer.operator(OP.LOGISTIC, [dense], (1, 24))
    shape = writer.constant(np.array([1, 1, 1, 24], np.int32))
    factors = writer.operator(OP.RESHAPE, [factors, shape], (1, 1, 1, 24))
    return writer.operator(OP.MUL, [source, factors], writer.shape(source), "MulOptions", FusedActivationFunction=0)


def _concatenate(writer, source):
    other = writer.conv(source, 8, kernel=1)
    shape = (*writer.shape(source)[:3], 32)
    return writer.operator(OP.CONCATENATION, [source, other], shape, "ConcatenationOptions", Axis=3)


def _reshape_there_and_back(writer, source):
    flat = writer.operator(OP.RESHAPE, [source, writer.constant(np.array([1, -1, 4], np.int32))], (1, 384, 4))
    return writer.operator(OP.RESHAPE, [flat, writer.constant(np.array([1, 8, 8, 24], np.int32))], (1, 8, 8, 24))


def _enlarge(writer, source):
    size = writer.constant(np.array([16, 16], np.int32))
    fields = {"AlignCorners": False, "HalfPixelCenters": True}
    return writer.operator(OP.RESIZE_BILINEAR, [source, size], (1, 16, 16, 24), "ResizeBilinearOptions", **fields)


def _depth_to_space(writer, source):
    return writer.operator(OP.DEPTH_TO_SPACE, [source], (1, 16, 16, 6), "DepthToSpaceOptions", BlockSize=2)


MIDDLES = {
    "nothing": unchanged,
    "convolution with RELU6": lambda writer, source: writer.conv(source, 20, kernel=5, stride=2, activation=3),
    "PRELU of large slopes": _prelu,
    "PAD around": _pad([(0, 0), (1, 1), (1, 1), (0, 0)]),
    "PAD of channels": _pad([(0, 0), (0, 0), (0, 0), (0, 8)]),
    "PAD of channels in front": _pad([(0, 0), (0, 0), (0, 0), (8, 0)]),
    "residual block": _residual,
    "MAX_POOL_2D": _pool(OP.MAX_POOL_2D),
    "AVERAGE_POOL_2D": _pool(OP.AVERAGE_POOL_2D),
    "HARD_SWISH": _unary(OP.HARD_SWISH),
    "RELU6": _unary(OP.RELU6),
    "MUL by channel": _scale_channels,
    "MEAN, FULLY_CONNECTED, LOGISTIC": _squeeze_and_excite,
    "CONCATENATION": _concatenate,
    "RESHAPE": _reshape_there_and_back,
    "RESIZE_BILINEAR": _enlarge,
    "DEPTH_TO_SPACE": _depth_to_space,
}


@pytest.mark.parametrize("form", ALL_FORMS)
@pytest.mark.parametrize("middle", MIDDLES.values(), ids=MIDDLES.keys())
def test_an_operator_gives_what_litert_gives(middle, form):
    data = landmark_network(middle=middle)
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), np.uint8)
    expected = run_litert(data, images, 0)
    outputs = run(convert(data, "made.tflite", form).onnx, images)
    np.testing.assert_allclose(outputs["points"].reshape(2, -1), expected[0].reshape(2, -1), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(outputs["presence_logit"], expected[1].ravel(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_input_and_outputs_are_as_documented(form):
    model = onnx.load_from_string(convert(landmark_network(points=468), "made.tflite", form).onnx)
    ports = {port.name: port.type.tensor_type for port in [*model.graph.input, *model.graph.output]}
    shapes = {name: [d.dim_param or d.dim_value for d in port.shape.dim] for name, port in ports.items()}
    assert shapes == {"image": ["N", 32, 32, 3], "points": ["N", 468, 3], "presence_logit": ["N"]}
    assert ports["image"].elem_type == onnx.TensorProto.UINT8
    assert [opset.version for opset in model.opset_import] == [17]


@pytest.mark.parametrize("form", FORMS)
def test_converting_twice_gives_the_same_bytes(form):
    data = landmark_network(middle=_residual)
    assert convert(data, "a", form).onnx == convert(data, "b", form).onnx


def test_a_256_network_with_478_points_goes_through():
    data = landmark_network(size=256, points=478, middle=_pool(OP.MAX_POOL_2D))
    conversion = convert(data, "face_landmarks_detector.tflite", "cpu")
    assert conversion.input_size == 256
    assert run(conversion.onnx, np.zeros((1, 256, 256, 3), np.uint8))["points"].shape == (1, 478, 3)


def test_an_unknown_operator_is_named():
    data = landmark_network(middle=_unary(OP.TANH))
    with pytest.raises(ModelError, match=r"made\.tflite: operators TANH are unknown; known are ADD, "):
        convert(data, "made.tflite", "cpu")


def test_an_unknown_operator_that_no_output_needs_does_no_harm():
    def middle(writer, source):
        writer.operator(OP.TANH, [source], writer.shape(source))
        return source

    assert convert(landmark_network(middle=middle), "made.tflite", "cpu").outputs["points"] == (478, 3)


@pytest.mark.parametrize("length", [0, 4, 8, 100, 5000, 50_000])
def test_a_truncated_file_is_refused(length):
    with pytest.raises(ModelError, match=r"made\.tflite is (not a TFLite file|truncated)"):
        convert(landmark_network()[:length], "made.tflite", "cpu")


def test_a_network_that_is_no_face_network_is_refused():
    writer = TfliteWriter((1, 32, 32, 3))
    data = writer.finish(writer.conv(writer.input, 7))
    with pytest.raises(ModelError, match=r"neither a detector's .* nor a landmark network's"):
        convert(data, "made.tflite", "cpu")


def test_an_input_that_is_no_square_image_is_refused():
    writer = TfliteWriter((1, 32, 16, 3))
    with pytest.raises(ModelError, match="not one square RGB image"):
        convert(writer.finish(writer.conv(writer.input, 7)), "made.tflite", "cpu")


def test_an_unknown_form_is_refused():
    with pytest.raises(ModelError, match="form 'npu' is unknown; allowed are cpu, gpu"):
        convert(landmark_network(), "made.tflite", "npu")
