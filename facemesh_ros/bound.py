"""A batch of fixed size whose input and outputs have their places on the device: nothing is allocated when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from facemesh_ros import runtime
from facemesh_ros.buckets import Outputs
from facemesh_ros.errors import DeviceError
from facemesh_ros.page_locked import host_buffer
from facemesh_ros.types import UInt8

REGULAR_RUNS = 4
"""Until a CUDA graph is captured and replayed: onnxruntime runs up to twice as usual, then captures, then replays."""
REPLAY_MARGIN = 0.02
"""px and logits by which a replay may differ from a run without graph: other algorithms may be chosen for it."""
_NO_GRAPH = -1
"""The gpu_graph_id of a run that neither captures nor replays."""


class BoundBatch:
    """One network with one number of rows. For one thread at a time, always the same one: graphs belong to threads."""

    def __init__(
        self, session: Any, shapes: Mapping[str, tuple[Any, ...]], rows: int, memory: str, has_graph: bool
    ) -> None:
        """Reserve buffers, run until there is nothing left to prepare, and check what graphs give.

        Args:
            session: the onnxruntime session.
            shapes: of the session's input and outputs, by name, the batch axis first; ``image`` is the input.
            rows: of the batch.
            memory: where the values lie that the network reads and writes: cpu or cuda.
            has_graph: whether the session replays CUDA graphs.

        Raises:
            DeviceError: a replayed graph does not give what the network gives without it.
        """
        self._session, self._rows = session, rows
        self._host = host_buffer((rows, *shapes["image"][1:]))
        self._image = runtime.empty_value(self._host.shape, np.uint8, memory)
        outputs = {name: (rows, *shape[1:]) for name, shape in shapes.items() if name != "image"}
        self._outputs = [runtime.empty_value(shape, np.float32, memory) for shape in outputs.values()]
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input("image", self._image)
        for name, output in zip(outputs, self._outputs, strict=True):
            self._binding.bind_ortvalue_output(name, output)
        self._options = runtime.run_options(rows) if has_graph else None
        self._warm_up()

    def run(self, images: UInt8) -> Outputs:
        """Return the outputs for at most ``rows`` images (N, S, S, 3), in arrays of their own.

        What is left of the batch is filled with black: the result depends on nothing that ran before.
        """
        return self._run(images, self._options)

    def _run(self, images: UInt8, options: Any) -> Outputs:
        rows = len(images)
        self._host[:rows] = images
        self._host[rows:] = 0
        self._image.update_inplace(self._host)
        self._session.run_with_iobinding(self._binding, options)
        self._binding.synchronize_outputs()
        # On the CPU numpy() may show the very buffer that the next run writes to.
        return tuple(output.numpy()[:rows].copy() for output in self._outputs)

    def _warm_up(self) -> None:
        black = np.zeros_like(self._host)
        for _ in range(1 if self._options is None else REGULAR_RUNS):
            self.run(black)
        if self._options is not None:
            self._check_replay()

    def _check_replay(self) -> None:
        noise = np.random.default_rng(0).integers(0, 256, self._host.shape, np.uint8)
        for images in (noise, noise[:, ::-1]):
            # The replay goes first: one that does nothing would show what the run without graph left.
            replayed, plain = self.run(images), self._run(images, runtime.run_options(_NO_GRAPH))
            if not all(np.allclose(a, b, rtol=1e-3, atol=REPLAY_MARGIN) for a, b in zip(plain, replayed, strict=True)):
                raise DeviceError(f"a CUDA graph of {self._rows} rows does not give what the network gives without it")
