"""Rewrites of single operators into ones that a runtime runs faster, with the same result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from facemesh_ros.tools.conversion.graph import Array, Graph, Node

WINDOW_1X1: Mapping[str, Any] = {"strides": [1, 1], "dilations": [1, 1], "pads": [0, 0, 0, 0]}
"""Attributes of a 1×1 convolution."""


def rewrite(graph: Graph, replace: Callable[[Node], list[Node] | None]) -> None:
    """Put other operators in the place of some; the last of them takes over the output's name."""
    nodes: list[Node] = []
    for node in graph.nodes:
        replacement = replace(node)
        if replacement:
            replacement[-1].outputs = node.outputs
        nodes.extend([node] if replacement is None else replacement)
    graph.nodes = nodes
    graph.drop_unused()


def is_feature_map(graph: Graph, node: Node) -> bool:
    return node.output in graph.channels


def fold_spatial_pads(graph: Graph) -> None:
    """Let convolutions pad for themselves where zeros are padded around a feature map."""
    consumers = graph.consumers()
    renamed = {}
    for node in graph.nodes:
        if node.op != "Pad":
            continue
        pads = graph.constants[node.inputs[1]].reshape(2, 4)
        readers = consumers[node.output]
        if pads[:, :2].any() or any(reader.op != "Conv" for reader in readers):
            continue
        for reader in readers:
            reader.attributes["pads"] = [
                int(own + extra) for own, extra in zip(reader.attributes["pads"], pads[:, 2:].ravel(), strict=True)
            ]
        renamed[node.output] = node.inputs[0]
    graph.replace_tensors(renamed)
    graph.drop_unused()


def pointwise(graph: Graph, tensor: str, weights: Array, groups: int = 1) -> Node:
    """Make a 1×1 convolution; ``weights`` are (outputs, inputs of a group)."""
    kernel = graph.constant(weights.astype(np.float32)[:, :, None, None], "weights")
    return graph.make("Conv", (tensor, kernel), channels=len(weights), group=groups, **WINDOW_1X1)


def convolve_prelus(graph: Graph) -> None:
    """Write prelu(x) = x + (1 − a) · relu(−x) with depthwise 1×1 convolutions, which fuse with Relu and Add.

    PRelu itself has no kernel in the CPU runtime's blocked layout: each would cost two reorderings. The identity holds
    for slopes of any size and sign.
    """

    def replace(node: Node) -> list[Node] | None:
        if node.op != "PRelu" or not is_feature_map(graph, node):
            return None
        source, slopes = node.inputs[0], graph.constants[node.inputs[1]].reshape(-1, 1)
        negated = pointwise(graph, source, np.full_like(slopes, -1.0), len(slopes))
        below = graph.make("Relu", (negated.output,), channels=len(slopes))
        scaled = pointwise(graph, below.output, 1.0 - slopes, len(slopes))
        return [negated, below, scaled, graph.make("Add", (source, scaled.output), channels=len(slopes))]

    rewrite(graph, replace)


def enter_blocked_layout(graph: Graph) -> None:
    """Convolve with the identity what comes from outside the runtime's blocked layout, where a sum reads it too.

    Else the runtime brings only the convolutions' copies into its layout, and the residual sums run outside.
    """
    consumers = graph.consumers()

    def replace(node: Node) -> list[Node] | None:
        readers = consumers.get(node.output, [])
        if node.op not in ("Reshape", "Concat") or not is_feature_map(graph, node):
            return None
        if all(reader.op != "Add" for reader in readers):
            return None
        channels = graph.channels[node.output]
        inner = Node(node.op, node.inputs, (graph.fresh("outside"),), node.attributes)
        graph.channels[inner.output] = channels
        return [inner, pointwise(graph, inner.output, np.ones((channels, 1)), channels)]

    rewrite(graph, replace)
