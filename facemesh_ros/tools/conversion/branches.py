"""Run branches of the same structure side by side: one grouped convolution in the place of several small ones.

The attention network refines three, then five regions with equal towers of tiny convolutions, whose overhead outweighs
their arithmetic. A *lane* is the feature map of one branch; lanes are packed one after the other along the channels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from facemesh_ros.tools.conversion.graph import Graph, Node
from facemesh_ros.tools.conversion.passes import WINDOW_1X1

Lanes = tuple[str, ...]


def fuse_branches(graph: Graph) -> None:
    """Fuse the operators that have the same place in branches that start at the outputs of one Split."""
    for split in [node for node in graph.nodes if node.op == "Split" and node.attributes["axis"] == 1]:
        _Fusion(graph, {split.outputs: split.inputs[0]}).fuse(split)
    graph.drop_unused()


@dataclass
class _Fusion:
    """The fusion of the branches behind one Split."""

    graph: Graph
    packed: dict[Lanes, str]
    """Lanes → the tensor that holds them all."""
    nodes: list[Node] = field(default_factory=list)
    """The fused operators, in order."""

    def fuse(self, split: Node) -> None:
        groups = [group for group in _groups(self.graph, split) if len(group) > 1]
        for group in groups:
            self.nodes += self._fused(group)
        self._use_packed_for_concats()
        self._place(split, groups)

    def _fused(self, group: Sequence[Node]) -> list[Node]:
        """Return one operator for the group, and a Split for readers of single lanes."""
        graph = self.graph
        lanes = [tuple(node.inputs[i] for node in group) for i, _ in enumerate(_maps(graph, group[0]))]
        inputs = [self._pack(one) for one in lanes]
        sizes = [graph.channels[node.output] for node in group]
        fused = _FUSERS[group[0].op](graph, group, inputs)
        graph.channels[fused.output] = sum(sizes)
        outputs = tuple(node.output for node in group)
        self.packed[outputs] = fused.output
        lengths = graph.constant(np.array(sizes, np.int64), "sizes")
        return [fused, Node("Split", (fused.output, lengths), outputs, {"axis": 1})]

    def _pack(self, lanes: Lanes) -> str:
        """Return the tensor that holds lanes in this order, joining them where none does yet."""
        if lanes not in self.packed:
            channels = sum(self.graph.channels[lane] for lane in lanes)
            joined = self.graph.make("Concat", lanes, channels=channels, axis=1)
            self.nodes.append(joined)
            self.packed[lanes] = joined.output
        return self.packed[lanes]

    def _use_packed_for_concats(self) -> None:
        joins = [node for node in self.graph.nodes if node.op == "Concat" and node.attributes["axis"] == 1]
        self.graph.replace_tensors({n.output: self.packed[n.inputs] for n in joins if n.inputs in self.packed})

    def _place(self, split: Node, groups: Sequence[Sequence[Node]]) -> None:
        """Put the fused operators behind the Split in the place of the single ones."""
        replaced = {node for group in groups for node in group}
        start = self.graph.nodes.index(split) + 1
        behind = [node for node in self.graph.nodes[start:] if node not in replaced]
        self.graph.nodes = self.graph.nodes[:start] + self.nodes + behind


def _groups(graph: Graph, split: Node) -> list[list[Node]]:
    """Return the operators behind a Split by depth and kind; those of one group do not depend on each other."""
    depth = dict.fromkeys(split.outputs, 0)
    groups: dict[tuple[int, object], list[Node]] = defaultdict(list)
    for node in graph.nodes:
        maps = _maps(graph, node)
        if node.op in _FUSERS and maps and all(name in depth for name in maps):
            depth[node.output] = 1 + max(depth[name] for name in maps)
            groups[(depth[node.output], _kind(graph, node))].append(node)
    return [groups[key] for key in sorted(groups, key=lambda key: key[0])]


def _maps(graph: Graph, node: Node) -> list[str]:
    return [name for name in node.inputs if name in graph.channels]


def _kind(graph: Graph, node: Node) -> tuple[object, ...]:
    """Return what operators of a group have in common."""
    widths = tuple(graph.channels[name] for name in _maps(graph, node))
    shapes = tuple(graph.constants[name].shape for name in node.inputs if name in graph.constants)
    return node.op, repr(sorted(node.attributes.items())), widths, shapes


def _fuse_convolutions(graph: Graph, group: Sequence[Node], inputs: Sequence[str]) -> Node:
    attributes = {**group[0].attributes, "group": group[0].attributes["group"] * len(group)}
    stacked = [np.concatenate([graph.constants[name] for name in names]) for names in _constants(group)]
    return graph.make("Conv", (inputs[0], *(graph.constant(one, "lanes") for one in stacked)), **attributes)


def _constants(group: Sequence[Node]) -> list[tuple[str, ...]]:
    """Return the weights of all convolutions, then their biases."""
    return list(zip(*(node.inputs[1:] for node in group), strict=True))


def _fuse_prelus(graph: Graph, group: Sequence[Node], inputs: Sequence[str]) -> Node:
    slopes = np.concatenate([graph.constants[node.inputs[1]] for node in group])
    return graph.make("PRelu", (inputs[0], graph.constant(slopes, "slopes")))


def _fuse_channel_pads(graph: Graph, group: Sequence[Node], inputs: Sequence[str]) -> Node:
    """Return a grouped 1×1 convolution: the zeros come behind each lane, not behind all."""
    outputs, lane = graph.channels[group[0].output], graph.channels[group[0].inputs[0]]
    before = int(graph.constants[group[0].inputs[1]][1])
    kernel = np.tile(np.eye(outputs, lane, -before, dtype=np.float32)[:, :, None, None], (len(group), 1, 1, 1))
    return graph.make("Conv", (inputs[0], graph.constant(kernel, "weights")), group=len(group), **WINDOW_1X1)


def _fuse_alike(graph: Graph, group: Sequence[Node], inputs: Sequence[str]) -> Node:
    return graph.make(group[0].op, inputs, **group[0].attributes)


_FUSERS: Mapping[str, Callable[[Graph, Sequence[Node], Sequence[str]], Node]] = {
    "Add": _fuse_alike,
    "Conv": _fuse_convolutions,
    "MaxPool": _fuse_alike,
    "PRelu": _fuse_prelus,
    "Pad": _fuse_channel_pads,
    "Relu": _fuse_alike,
}
