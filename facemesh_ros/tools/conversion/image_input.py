"""What becomes of the image between the input and the first convolution."""

from __future__ import annotations

import numpy as np

from facemesh_ros.tools.conversion.graph import Array, Graph, Node
from facemesh_ros.tools.conversion.translation import INPUT


def cast_image_first(graph: Graph) -> None:
    """Make the image float before it is transposed: TensorRT takes uint8 for an input, and for nothing that follows."""
    transpose, cast = _chain_from_image(graph)[:2]
    if (transpose.op, cast.op) == ("Transpose", "Cast"):
        transpose.op, cast.op = cast.op, transpose.op
        transpose.attributes, cast.attributes = cast.attributes, transpose.attributes


def convolve_interleaved_image(graph: Graph) -> None:
    """Take the image (N, H, W, 3) for one channel (N, 1, H, 3 · W) and convolve it with interleaved weights.

    A step of one pixel becomes a step of three columns. The scale goes into the weights; an offset stays before the
    convolution, as that many grey levels, so that padding is still zero. Nothing changes where other operators read
    the image than one convolution.
    """
    chain = _chain_from_image(graph)
    ops = [node.op for node in chain]
    if ops not in (["Transpose", "Cast", "Mul", "Conv"], ["Transpose", "Cast", "Mul", "Add", "Conv"]):
        return
    convolution, scale = chain[-1], graph.constants[chain[2].inputs[1]]
    shape = graph.constant(np.array([0, 1, graph.input_size, 3 * graph.input_size]), "shape")
    rows = graph.make("Reshape", (INPUT, shape))
    nodes = [rows, graph.make("Cast", (rows.output,), channels=1, to="FLOAT")]
    if len(chain) == 5:
        levels = graph.constants[chain[3].inputs[1]] / scale
        nodes.append(graph.make("Add", (nodes[-1].output, graph.constant(levels, "levels")), channels=1))
    _interleave(graph, convolution, nodes[-1].output, scale)
    graph.nodes = nodes + [node for node in graph.nodes if node not in chain[:-1]]
    graph.drop_unused()


def _chain_from_image(graph: Graph) -> list[Node]:
    """Return the operators that follow each other from the image on, up to the first that several read."""
    consumers = graph.consumers()
    chain, readers = [], consumers[INPUT]
    while len(readers) == 1:
        chain.append(readers[0])
        readers = [] if readers[0].op == "Conv" else consumers.get(readers[0].output, [])
    return chain


def _interleave(graph: Graph, node: Node, image: str, scale: Array) -> None:
    weights = graph.constants[node.inputs[1]] * scale
    kernel = weights.transpose(0, 2, 3, 1).reshape(len(weights), 1, weights.shape[2], -1)
    node.inputs = (image, graph.constant(kernel, "weights"), *node.inputs[2:])
    top, left, bottom, right = node.attributes["pads"]
    node.attributes["pads"] = [top, 3 * left, bottom, 3 * right]
    vertical, horizontal = node.attributes["strides"]
    node.attributes["strides"] = [vertical, 3 * horizontal]
