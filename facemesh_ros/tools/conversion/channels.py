"""Give feature maps whole blocks of channels, as the CPU runtime's blocked (NCHWc) layout wants them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import numpy as np

from facemesh_ros.tools.conversion.graph import Array, Graph, Node
from facemesh_ros.tools.conversion.passes import is_feature_map, pointwise, rewrite

_BLOCK = 16
"""Floats of an AVX-512 register: blocks have 16 channels there, 8 with AVX2."""
_KEEPS_CHANNELS = ("Relu", "Clip", "Add", "MaxPool", "AveragePool")


def convolve_channel_pads(graph: Graph) -> None:
    """Write the padding of channels with zeros as a 1×1 convolution, which stays in the runtime's blocked layout."""

    def replace(node: Node) -> list[Node] | None:
        if node.op != "Pad" or not is_feature_map(graph, node):
            return None
        before, after = graph.constants[node.inputs[1]].reshape(2, 4)
        if before[[0, 2, 3]].any() or after[[0, 2, 3]].any():
            return None
        channels = graph.channels[node.output]
        weights = np.eye(channels, channels - before[1] - after[1], -before[1])
        return [pointwise(graph, node.inputs[0], weights)]

    rewrite(graph, replace)


def round_channels(graph: Graph) -> None:
    """Widen every feature map between convolutions to a multiple of a block; the added channels are zero.

    Convolutions that only pad channels with zeros become the identity by that and are removed.
    """
    widths = {name: -(-graph.channels[name] // _BLOCK) * _BLOCK for name in _widenable(graph)}
    pads = [node for node in graph.nodes if _only_pads(graph, node)]
    for node in graph.nodes:
        if node.op == "Conv":
            _widen(graph, node, widths)
    graph.channels.update(widths)
    same = [node for node in pads if graph.channels[node.inputs[0]] == graph.channels[node.output]]
    graph.replace_tensors({node.output: node.inputs[0] for node in same})
    graph.drop_unused()


def _widenable(graph: Graph) -> set[str]:
    """Return the feature maps that nothing but convolutions and the like write and read, narrower than whole blocks."""
    consumers = graph.consumers()
    tensors = {
        node.output
        for node in graph.nodes
        if _is_blocked(graph, node)
        and node.output not in graph.outputs.values()
        and all(_is_blocked(graph, reader) for reader in consumers.get(node.output, []))
    }
    kept: set[str] = set()
    while kept != tensors:  # what is tied to a map that must stay as it is must stay too
        kept = set(tensors)
        for node in graph.nodes:
            tied = _tied(graph, node)
            if not kept.issuperset(tied):
                tensors.difference_update(tied)
    return {name for name in tensors if graph.channels[name] % _BLOCK}


def _is_depthwise(graph: Graph, node: Node) -> bool:
    outputs, inputs = graph.constants[node.inputs[1]].shape[:2]
    return bool(inputs == 1 and outputs == node.attributes["group"] > 1)


def _is_blocked(graph: Graph, node: Node) -> bool:
    if node.op == "Conv":
        return node.attributes["group"] == 1 or _is_depthwise(graph, node)
    if node.op not in _KEEPS_CHANNELS or node.output not in graph.channels:
        return False
    return all(name in graph.channels or graph.constants[name].ndim == 0 for name in node.inputs)


def _tied(graph: Graph, node: Node) -> tuple[str, ...]:
    """Return the feature maps that must have equally many channels for the sake of an operator."""
    if node.op == "Conv":
        return (node.inputs[0], node.output) if _is_depthwise(graph, node) else ()
    if node.op in _KEEPS_CHANNELS and node.output in graph.channels:
        return (*(name for name in node.inputs if name in graph.channels), node.output)
    return ()


def _widen(graph: Graph, node: Node, widths: Mapping[str, int]) -> None:
    """Give a convolution weights of zero for the added channels."""
    weights = graph.constants[node.inputs[1]]
    outputs, inputs = widths.get(node.output, len(weights)), widths.get(node.inputs[0], weights.shape[1])
    if _is_depthwise(graph, node):
        node.attributes["group"] = outputs
        inputs = 1
    if (outputs, inputs) == weights.shape[:2]:
        return
    constants = [graph.constant(_padded(weights, (outputs, inputs, *weights.shape[2:])), "weights")]
    if len(node.inputs) > 2:
        constants.append(graph.constant(_padded(graph.constants[node.inputs[2]], (outputs,)), "bias"))
    node.inputs = (node.inputs[0], *constants)


def _padded(value: Array, shape: tuple[int, ...]) -> Array:
    return np.pad(value, [(0, new - old) for new, old in zip(shape, value.shape, strict=True)])


def _only_pads(graph: Graph, node: Node) -> bool:
    """Tell whether a convolution copies its channels, perhaps with more channels of zero behind."""
    if node.op != "Conv" or len(node.inputs) > 2 or node.attributes["group"] != 1:
        return False
    weights = graph.constants[node.inputs[1]]
    is_pointwise = weights.shape[2:] == (1, 1) and node.attributes["strides"] == [1, 1]
    return is_pointwise and bool(np.array_equal(weights[:, :, 0, 0], np.eye(*weights.shape[:2])))


def sum_before_padding(graph: Graph) -> None:
    """Add a feature map that was padded with channels only to the channels that it has, and join the others after.

    relu(conv(x) + pad(y)) becomes the concatenation of relu(conv_low(x) + y) and relu(conv_high(x)), bit for bit: the
    zeros are neither made nor added. It takes 3 % off the short-range detector and at most 1 % off the others.
    """
    producers, consumers = graph.producers(), graph.consumers()

    def replace(node: Node) -> list[Node] | None:
        relu = node.op == "Relu"
        total = producers.get(node.inputs[0]) if relu else node
        if total is None or total.op != "Add" or (relu and len(consumers[total.output]) > 1):
            return None
        for convolution, pad in permutations(producers.get(name) for name in total.inputs):
            if convolution is None or pad is None or not _is_splittable(graph, convolution, pad):
                continue
            if len(consumers[convolution.output]) == 1:
                return _halves(graph, convolution, pad.inputs[0], relu)
        return None

    rewrite(graph, replace)


def _is_splittable(graph: Graph, convolution: Node, pad: Node) -> bool:
    """Tell whether a convolution's channels part in whole blocks where those begin that another one pads."""
    dense = convolution.op == "Conv" and convolution.attributes["group"] == 1
    return dense and _only_pads(graph, pad) and _added_blocks(graph, pad) > 0


def _added_blocks(graph: Graph, pad: Node) -> int:
    """Return how many blocks of zeros a convolution appends; 0 where it is not whole blocks to whole blocks."""
    width, extra = graph.channels[pad.inputs[0]], graph.channels[pad.output] - graph.channels[pad.inputs[0]]
    return 0 if extra % _BLOCK or width % _BLOCK else extra // _BLOCK


def _halves(graph: Graph, convolution: Node, addend: str, relu: bool) -> list[Node]:
    """Write a convolution in two halves, the first of them with an addend, and their concatenation."""
    width, total = graph.channels[addend], graph.channels[convolution.output]
    low, high = _channel_range(graph, convolution, 0, width), _channel_range(graph, convolution, width, total)
    nodes = [low, graph.make("Add", (low.output, addend), channels=width), high]
    halves = nodes[1:]
    if relu:
        halves = [graph.make("Relu", half.outputs, channels=graph.channels[half.output]) for half in halves]
        nodes += halves
    return [*nodes, graph.make("Concat", [half.output for half in halves], channels=total, axis=1)]


def _channel_range(graph: Graph, convolution: Node, start: int, stop: int) -> Node:
    """Make a convolution that gives some of the output channels of another."""
    constants = [graph.constant(graph.constants[name][start:stop], "weights") for name in convolution.inputs[1:]]
    inputs = (convolution.inputs[0], *constants)
    return graph.make("Conv", inputs, channels=stop - start, **convolution.attributes)


def join_channel_pads(graph: Graph) -> None:
    """Join whole blocks of zeros to a feature map instead of convolving it with the identity.

    The zeros come from a convolution with weights of zero, since their batch must follow the map's.
    """

    def replace(node: Node) -> list[Node] | None:
        if not _only_pads(graph, node):
            return None
        source, width = node.inputs[0], graph.channels[node.inputs[0]]
        extra = _added_blocks(graph, node) * _BLOCK
        if extra <= 0:
            return None
        groups = width if extra == width else 1  # depthwise where it can be: the fewest multiplications
        zeros = pointwise(graph, source, np.zeros((extra, width // groups)), groups)
        return [zeros, graph.make("Concat", (source, zeros.output), channels=width + extra, axis=1)]

    rewrite(graph, replace)
