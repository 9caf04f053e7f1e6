"""The frames of face regions against their definition, on numbers of our own."""

import numpy as np
import pytest

pytest.importorskip("tflite", reason="needs the extra `convert`: pip install facemesh_ros[convert]")
pytest.importorskip("onnx", reason="needs the extra `convert`: pip install facemesh_ros[convert]")

from runtimes import run

from facemesh_ros.tools.conversion.frames import Lane, places, to_crop, write_frames
from facemesh_ros.tools.conversion.graph import Graph
from facemesh_ros.tools.conversion.onnx_file import onnx_bytes
from facemesh_ros.tools.conversion.translation import INPUT

SIZE = 12
POINTS = SIZE * SIZE
"""The test's landmarks are the pixels of a small image, x, y, z for red, green, blue."""
MAP_SCALE = 0.25
REGIONS = (
    {"left": 3, "right": 40, "scale": (1.5, 1.5), "size": (16, 16), "ids": (5, 9, 30, 77)},
    {"left": 80, "right": 2, "scale": (1.5, 1.2), "size": (16, 8), "ids": (0, 100, 143)},
)
OPTIONS = [
    {
        "left_rotation_idx": region["left"],
        "right_rotation_idx": region["right"],
        "scale_x": region["scale"][0],
        "scale_y": region["scale"][1],
        "output_width": region["size"][0],
        "output_height": region["size"][1],
        "subset_idxs": list(region["ids"]),
    }
    for region in REGIONS
]
IMAGES = np.random.default_rng(5).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)


def frame(points_xy, region):
    """The definition, by an angle: (2, 3) px, the steps along and down and the corner, as columns."""
    dx, dy = points_xy[region["right"]] - points_xy[region["left"]]
    angle = np.arctan2(dy, dx)
    crop_from_upright = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    upright = points_xy[list(region["ids"])] @ crop_from_upright
    low, high = upright.min(axis=0), upright.max(axis=0)
    size = (high - low) * region["scale"]
    corner = (low + high) / 2 - size / 2
    return crop_from_upright @ np.column_stack([np.diag(size / region["size"]), corner])


def graph_of_landmarks():
    """A graph, and the row of its landmarks' numbers, (N, 3 · points)."""
    graph = Graph(SIZE)
    row = graph.add("Reshape", INPUT, graph.constant(np.array([0, -1]), "shape"))
    return graph, graph.add("Cast", row, to="FLOAT")


def result(graph, tensor, shape):
    graph.outputs, graph.output_shapes = {"result": tensor}, {"result": shape}
    return run(onnx_bytes(graph), IMAGES)["result"]


def expected_frames():
    points = IMAGES.reshape(len(IMAGES), POINTS, 3).astype(np.float64)
    return np.array([[frame(one[:, :2], region) for region in REGIONS] for one in points])


def test_a_frame_holds_the_points_upright_with_a_margin():
    graph, landmarks = graph_of_landmarks()
    frames = result(graph, write_frames(graph, landmarks, OPTIONS), (len(REGIONS), 2, 3))
    np.testing.assert_allclose(frames, expected_frames(), rtol=0, atol=1e-3)


def test_refined_points_lie_where_their_frames_put_them():
    """Lanes of 3, 2 and 3 points in regions 1, 0, 1; their points are the weights of convolutions on a map of ones."""
    rng, counts, regions = np.random.default_rng(6), (3, 2, 3), (1, 0, 1)
    local = [rng.uniform(0, 64, (count, 2)).astype(np.float32) for count in counts]
    graph, landmarks = graph_of_landmarks()
    frames = write_frames(graph, landmarks, OPTIONS)
    one = graph.add("Slice", landmarks, *(graph.constant(np.array([n]), "at") for n in (0, 1, 1)))
    zero = graph.add("Mul", one, graph.constant(np.float32(0), "zero"))
    ones = graph.add("Reshape", zero, graph.constant(np.array([0, 1, 1, 1]), "shape"), channels=1)
    ones = graph.add("Add", ones, graph.constant(np.float32(1), "one"), channels=1)
    window = {"strides": [1, 1], "dilations": [1, 1], "pads": [0, 0, 0, 0], "group": 1}
    tensors = [
        graph.add("Conv", ones, graph.constant(xy.reshape(-1, 1, 1, 1), "weights"), channels=xy.size, **window)
        for xy in local
    ]
    lanes = [Lane(tensor, count, region) for tensor, count, region in zip(tensors, counts, regions, strict=True)]
    row = to_crop(graph, frames, lanes, MAP_SCALE)
    numbers = result(graph, row, (2 * max(counts) * len(counts),))
    expected = expected_frames()
    for k, (xy, region) in enumerate(zip(local, regions, strict=True)):
        axes, corner = expected[:, region, :, :2], expected[:, region, :, 2]
        moved = np.einsum("nij,pj->npi", MAP_SCALE * axes, xy) + corner[:, None]
        np.testing.assert_allclose(numbers[:, places(k, len(xy), max(counts))], moved, rtol=0, atol=1e-3)
