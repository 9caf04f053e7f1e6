"""The graph between reading and writing: ONNX operators in NCHW, constants as arrays, edited by a form's passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(eq=False)
class Node:
    """One ONNX operator; tensors and constants are named by strings."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """The only output of an operator that has one."""
        return self.outputs[0]


@dataclass(eq=False)
class Graph:
    """Operators in an order in which they can run."""

    input_size: int
    """px; the side of the square image that comes in."""
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)
    """Feature maps (N, C, H, W) → C. What is not a feature map is not listed."""
    outputs: dict[str, str] = field(default_factory=dict)
    """Public name of an output → tensor."""
    output_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Public name of an output → shape behind the batch axis."""
    _names: Counter[str] = field(default_factory=Counter)

    def constant(self, value: Array | Sequence[Any], hint: str = "constant") -> str:
        """Store a constant under a fresh name; float64 becomes float32."""
        array = np.asarray(value)
        name = self.fresh(hint)
        self.constants[name] = array.astype(np.float32) if array.dtype == np.float64 else array
        return name

    def fresh(self, hint: str) -> str:
        """Return a name that nothing bears yet."""
        self._names[hint] += 1
        return f"{hint}_{self._names[hint]}"

    def add(self, op: str, *inputs: str, channels: int | None = None, **attributes: Any) -> str:
        """Append an operator with one output and return that output; ``channels`` marks it a feature map."""
        node = self.make(op, inputs, channels=channels, **attributes)
        self.nodes.append(node)
        return node.output

    def make(self, op: str, inputs: Sequence[str], channels: int | None = None, **attributes: Any) -> Node:
        """Make an operator with one output without placing it."""
        output = self.fresh(op.lower())
        if channels is not None:
            self.channels[output] = channels
        return Node(op, tuple(inputs), (output,), attributes)

    def split(self, tensor: str, sizes: Sequence[int], axis: int) -> tuple[str, ...]:
        """Append a Split and return its outputs; along axis 1 they are feature maps."""
        outputs = tuple(self.fresh("split") for _ in sizes)
        if axis == 1:
            self.channels.update(zip(outputs, sizes, strict=True))
        lengths = self.constant(np.array(sizes, np.int64), "sizes")
        self.nodes.append(Node("Split", (tensor, lengths), outputs, {"axis": axis}))
        return outputs

    def consumers(self) -> dict[str, list[Node]]:
        """Return tensor → the operators that read it."""
        readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                readers.setdefault(name, []).append(node)
        return readers

    def producers(self) -> dict[str, Node]:
        """Return tensor → the operator that writes it."""
        return {output: node for node in self.nodes for output in node.outputs}

    def replace_tensors(self, renamed: dict[str, str]) -> None:
        """Let every reader of a key read its value instead."""

        def resolve(name: str) -> str:
            while name in renamed:
                name = renamed[name]
            return name

        for node in self.nodes:
            node.inputs = tuple(resolve(name) for name in node.inputs)
        self.outputs = {public: resolve(name) for public, name in self.outputs.items()}

    def drop_unused(self) -> None:
        """Remove the operators and constants that no output needs."""
        needed = set(self.outputs.values())
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if needed.intersection(node.outputs):
                needed.update(node.inputs)
                kept.append(node)
        self.nodes = kept[::-1]
        self.constants = {name: value for name, value in self.constants.items() if name in needed}


def merge_equal(graph: Graph) -> None:
    """Compute once what several operators compute from the same inputs."""
    seen: dict[tuple[object, ...], Node] = {}
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        node.inputs = tuple(renamed.get(name, name) for name in node.inputs)
        key = (node.op, repr(sorted(node.attributes.items())), tuple(_input_keys(graph, node.inputs)))
        first = seen.setdefault(key, node)
        if first is not node:
            renamed.update(zip(node.outputs, first.outputs, strict=True))
    graph.replace_tensors(renamed)
    graph.drop_unused()


def _input_keys(graph: Graph, names: Iterable[str]) -> Iterable[object]:
    """Name a constant by its value, a tensor by its name."""
    for name in names:
        value = graph.constants.get(name)
        yield name if value is None else (value.shape, value.dtype.str, value.tobytes())
