"""The published networks, converted: against their source format's interpreters, and their forms against each other."""

import zlib
from pathlib import Path

import numpy as np
import pytest

from facemesh_ros.models import FORMS, NETWORKS, models_dir

pytest.importorskip("tflite", reason="needs the extra `convert`: pip install facemesh_ros[convert]")
pytest.importorskip("onnx", reason="needs the extra `convert`: pip install facemesh_ros[convert]")

import onnx
from runtimes import run, run_litert

from facemesh_ros.tools import moving_face
from facemesh_ros.tools.conversion import convert
from facemesh_ros.tools.conversion.tflite_file import read_tflite
from facemesh_ros.tools.weights import read_weights

MARGIN_PX = 1e-3
MARGIN_LOGIT = 1e-3
MARGIN_FORMS = 1e-3
"""px and logits between the cpu and the gpu form."""
ATTENTION_GOLDEN = Path(__file__).parents[1] / "data" / "attention_tensors.npz"
ALL_FORMS = ("naive", *FORMS)
PUBLISHED = tuple(name for name, network in NETWORKS.items() if network.source_sha256)


def face_crops(size, count):
    """(count, size, size, 3) uint8 RGB: the picture's face, ever closer; the last image is noise."""
    try:
        scales = np.linspace(0.5, 1.2, count - 1) * size / 192
        frames = [np.array([[s, 0, size / 2 - 224 * s], [0, s, size / 2 - 120 * s]]) for s in scales]
        crops = [moving_face.render_bgr(frame, (size, size))[..., ::-1] for frame in frames]
    except Exception as error:
        pytest.skip(f"the built-in picture is not at hand: {error}")
    noise = np.random.default_rng(3).integers(0, 256, (size, size, 3), np.uint8)
    return np.stack([*crops, noise])


@pytest.fixture(scope="module")
def weights(networks):
    """Name → published weights, as `facemesh models install` keeps them."""
    return {one.network.name: one for one in read_weights(models_dir() / "sources", allow_unknown=True)}


@pytest.fixture(scope="module")
def converted(weights):
    """(name, form) → conversion, each made once."""
    cache = {}

    def get(name, form):
        if (name, form) not in cache:
            cache[name, form] = convert(weights[name].data, name, form)
        return cache[name, form]

    return get


@pytest.mark.models
@pytest.mark.parametrize("form", ALL_FORMS)
@pytest.mark.parametrize("name", ["detector_short", "detector_full", "mesh"])
def test_outputs_equal_litert(name, form, weights, converted):
    conversion = converted(name, form)
    images = face_crops(conversion.input_size, 4)
    expected = run_litert(weights[name].data, images, -1 if name.startswith("detector") else 0)
    outputs = list(run(conversion.onnx, images).values())
    assert np.abs(outputs[0].reshape(4, -1) - expected[0].reshape(4, -1)).max() <= MARGIN_PX
    assert np.abs(outputs[1].reshape(4, -1) - expected[1].reshape(4, -1)).max() <= MARGIN_LOGIT


@pytest.mark.models
@pytest.mark.parametrize("form", ALL_FORMS)
def test_attention_equals_the_recorded_interpreter(form, converted):
    if not ATTENTION_GOLDEN.is_file():
        pytest.skip(f"{ATTENTION_GOLDEN.name} is not recorded yet: see test/data/PROVENANCE.md")
    golden = np.load(ATTENTION_GOLDEN)
    images = attention_crops(golden)
    outputs = run(converted("attention", form).onnx, images)
    assert np.abs(outputs["points"] - golden["points"]).max() <= MARGIN_PX
    assert np.abs(outputs["presence_logit"] - golden["presence_logit"]).max() <= MARGIN_LOGIT


def attention_crops(golden):
    """Make the golden's crops again, checked by their CRC-32; a crop without an affine is noise."""
    crops = []
    for affine, crc32 in zip(golden["crop_from_picture"], golden["crc32"], strict=True):
        if affine.any():
            crop = np.ascontiguousarray(moving_face.render_bgr(affine, (192, 192))[..., ::-1])
        else:
            crop = np.random.default_rng(int(golden["noise_seed"])).integers(0, 256, (192, 192, 3), np.uint8)
        assert zlib.crc32(crop.tobytes()) == crc32
        crops.append(crop)
    return np.stack(crops)


@pytest.mark.models
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_batch_equals_single_images(name, form, converted):
    conversion = converted(name, form)
    images = face_crops(conversion.input_size, 3)
    batch = run(conversion.onnx, images)
    for index in range(len(images)):
        single = run(conversion.onnx, images[index : index + 1])
        for output, values in batch.items():
            np.testing.assert_allclose(values[index], single[output][0], rtol=0, atol=1e-4)


@pytest.mark.models
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_cpu_form_equals_the_gpu_form(name, converted):
    images = face_crops(converted(name, "cpu").input_size, 3)
    cpu, gpu = (run(converted(name, form).onnx, images) for form in FORMS)
    assert cpu.keys() == gpu.keys()
    for output, values in cpu.items():
        np.testing.assert_allclose(values, gpu[output], rtol=0, atol=MARGIN_FORMS)


@pytest.mark.models
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_table_tells_what_the_network_is(name, converted):
    network, conversion = NETWORKS[name], converted(name, "cpu")
    assert (conversion.input_size, conversion.outputs, conversion.macs) == (
        network.input_size,
        network.outputs,
        network.macs,
    )


@pytest.mark.models
@pytest.mark.parametrize("form", FORMS)
def test_weights_stored_as_halves_change_no_bit(form, converted):
    """The file with float16 weights and Casts gives what the same file with float32 weights gives."""
    stored = converted("mesh", form).onnx
    folded = fold_halves(onnx.load_from_string(stored))
    images = face_crops(192, 2)
    halves, floats = run(stored, images), run(folded.SerializeToString(), images)
    assert len(stored) < 0.6 * folded.ByteSize()
    for output, values in halves.items():
        np.testing.assert_array_equal(values, floats[output])


def fold_halves(model):
    """Replace every float16 constant and its Cast by a float32 constant."""
    graph = model.graph
    stored = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    casts = {node.input[0]: node for node in graph.node if node.op_type == "Cast" and node.input[0] in stored}
    floats = [
        onnx.numpy_helper.from_array(stored[name].astype(np.float32), cast.output[0]) for name, cast in casts.items()
    ]
    kept = [one for one in graph.initializer if one.name not in casts]
    nodes = [node for node in graph.node if not (node.op_type == "Cast" and node.input[0] in casts)]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept + floats)
    graph.node.extend(nodes)
    return model


@pytest.mark.models
def test_sparse_weights_are_read_dense(weights):
    """The full-range detector stores about a third of its 1×1 weights; LiteRT parity above checks the places."""
    source = read_tflite(weights["detector_full"].data, "full")
    assert "DENSIFY" not in {operator.name for operator in source.operators}
    pointwise = [one for one in source.constants.values() if one.ndim == 4 and one.shape[1:3] == (1, 1)]
    filled = sum(np.count_nonzero(one) for one in pointwise) / sum(one.size for one in pointwise)
    assert 0.2 < filled < 0.5
