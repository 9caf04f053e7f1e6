"""Sums with padded feature maps: the graph with the pass against the graph without it."""

import numpy as np
import pytest

pytest.importorskip("tflite", reason="needs the extra `convert`: pip install facemesh_ros[convert]")
pytest.importorskip("onnx", reason="needs the extra `convert`: pip install facemesh_ros[convert]")

import onnx
from runtimes import run

from facemesh_ros.models import models_dir
from facemesh_ros.tools.conversion import channels, convert, forms
from facemesh_ros.tools.conversion.graph import Graph
from facemesh_ros.tools.conversion.onnx_file import onnx_bytes
from facemesh_ros.tools.conversion.passes import WINDOW_1X1, pointwise
from facemesh_ros.tools.conversion.translation import INPUT
from facemesh_ros.tools.weights import read_weights

SIZE = 4
WITHOUT = tuple(one for one in forms.FORMS["cpu"] if one is not channels.sum_before_padding)


def padded_sum(width, total, relu):
    """conv(x) + pad(y), perhaps under a relu, with x and y of ``width`` channels and a sum of ``total``."""
    graph, rng = Graph(SIZE), np.random.default_rng(2)
    image = graph.add("Transpose", INPUT, perm=[0, 3, 1, 2])
    image = graph.add("Cast", image, channels=3, to="FLOAT")

    def convolution(source, outputs, inputs):
        weights = graph.constant(rng.standard_normal((outputs, inputs, 1, 1)).astype(np.float32), "weights")
        bias = graph.constant(rng.standard_normal(outputs).astype(np.float32), "bias")
        return graph.add("Conv", source, weights, bias, channels=outputs, group=1, **WINDOW_1X1)

    x, y = convolution(image, width, 3), convolution(image, width, 3)
    pad = pointwise(graph, y, np.eye(total, width))
    graph.nodes.append(pad)
    result = graph.add("Add", pad.output, convolution(x, total, width), channels=total)
    if relu:
        result = graph.add("Relu", result, channels=total)
    graph.outputs, graph.output_shapes = {"result": result}, {"result": (total, SIZE, SIZE)}
    return graph


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("width", "total"), [(16, 32), (32, 48), (16, 48)])
def test_a_padded_sum_is_the_same_without_its_zeros(width, total, relu):
    image = np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    expected = run(onnx_bytes(padded_sum(width, total, relu)), image)["result"]
    graph = padded_sum(width, total, relu)
    channels.sum_before_padding(graph)
    kernels = [graph.constants[node.inputs[1]].shape[:2] for node in graph.nodes if node.op == "Conv"]
    assert sorted(kernels[2:]) == sorted([(width, width), (total - width, width)])
    np.testing.assert_allclose(run(onnx_bytes(graph), image)["result"], expected, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize(("width", "total"), [(16, 16), (16, 24), (8, 24)])
def test_a_sum_that_is_not_padded_by_whole_blocks_stays(width, total):
    graph = padded_sum(width, total, True)
    before = [node.op for node in graph.nodes]
    channels.sum_before_padding(graph)
    assert [node.op for node in graph.nodes] == before


@pytest.mark.models
@pytest.mark.parametrize("name", ["detector_short", "mesh", "attention"])
def test_a_network_gives_the_same_with_and_without_the_pass(name, networks, monkeypatch):
    (data,) = (
        one.data for one in read_weights(models_dir() / "sources", allow_unknown=True) if one.network.name == name
    )
    converted = convert(data, name, "cpu")
    monkeypatch.setattr("facemesh_ros.tools.conversion.FORMS", {"cpu": WITHOUT})
    plain = convert(data, name, "cpu")
    images = np.random.default_rng(4).integers(0, 256, (2, plain.input_size, plain.input_size, 3), np.uint8)
    expected = run(plain.onnx, images)
    for output, values in run(converted.onnx, images).items():
        np.testing.assert_allclose(values, expected[output], rtol=0, atol=2e-5)
    assert zero_kernels(converted.onnx) < zero_kernels(plain.onnx)


def zero_kernels(model):
    """How many convolutions only make zeros."""
    constants = [onnx.numpy_helper.to_array(one) for one in onnx.load_from_string(model).graph.initializer]
    return sum(one.ndim == 4 and not one.any() for one in constants)
