"""A network, opened and warmed up on a device."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemesh_ros import runtime
from facemesh_ros.bound import BoundBatch
from facemesh_ros.buckets import Buckets, Outputs
from facemesh_ros.devices import first_usable
from facemesh_ros.engines import EngineKey
from facemesh_ros.errors import DeviceError, ModelError, StuckDeviceError
from facemesh_ros.gpu_thread import RUN_S, GpuThread, open_on_gpu
from facemesh_ros.joined import Joined
from facemesh_ros.models import NETWORKS, find_network, sha256_of
from facemesh_ros.nvidia import first_gpu, tensorrt_version
from facemesh_ros.spread import spread
from facemesh_ros.types import UInt8
from facemesh_ros.ways import FORMS, ONE_THREAD, Threads, Way, ways

_log = logging.getLogger(__name__)
AT_ONCE = 8
"""Most images of one camera that are put together for a GPU where they could be run one by one."""
_AFTER_A_FAILURE = (
    "if memory is short, nvidia-smi shows who has it, and a lower max_faces or fewer cameras take less; if it is "
    "something else and comes again, restart this process; or set device to cpu"
)


class Session:
    """One network on one device. Any thread may run it. Use :meth:`open` or :meth:`on`."""

    def __init__(self, ort_session: Any, name: str, way: Way, gpu: GpuThread | None = None) -> None:
        """Wrap an onnxruntime session of a network in this project's form (see :mod:`facemesh_ros.models`).

        ``gpu`` is the thread that it was opened on, if it was, and that runs it.
        """
        self._runtime = ort_session
        self.name = name
        self.way = way
        """How it runs: see :mod:`facemesh_ros.ways`."""
        image = ort_session.get_inputs()[0]
        self.input_size = int(image.shape[1])
        """Side of the square input image, px."""
        self.output_shapes = {output.name: tuple(output.shape) for output in ort_session.get_outputs()}
        """Output name → shape; a text stands for the batch."""
        self._buckets = Buckets(self._bound_batch, way.largest)
        self._gpu = gpu
        self._joined = Joined(self._run_on_gpu)

    @classmethod
    def open(
        cls,
        name: str,
        device: str = "auto",
        require_device: bool = False,
        folder: Path | None = None,
        precision: str = "fp32",
    ) -> Session:
        """Load an installed network and run it once, on the device asked for or with a warning on the next best.

        Args:
            name: a name of :data:`facemesh_ros.models.NETWORKS`.
            device: cpu, cuda, tensorrt or auto.
            require_device: refuse to fall back to a slower device than the one named.
            folder: where the networks are installed; None for :func:`facemesh_ros.models.models_dir`.
            precision: fp32, or fp16 on TensorRT.

        Raises:
            ModelError: the network is not installed, altered or unreadable.
            DeviceError: ``require_device`` and the device is not usable here.
        """
        return first_usable(
            device,
            require_device,
            lambda candidate: cls.on(candidate, name, folder, precision),
            lambda: has_engine(name, folder, precision),
        ).opened

    @classmethod
    def on(
        cls,
        device: str,
        name: str,
        folder: Path | None = None,
        precision: str = "fp32",
        most_rows: int = 1,
        threads: Threads = ONE_THREAD,
    ) -> Session:
        """Load an installed network on exactly this device, in the best way that works, and run it once.

        Args:
            device: cpu, cuda or tensorrt, which builds its engine where there is none yet: that takes minutes.
            name: as for :meth:`open`, and so for the next two.
            folder: of the networks.
            precision: of TensorRT.
            most_rows: of the batches to prepare for; larger ones are prepared when they come, which makes them wait.
            threads: of a run on the CPU.

        Raises:
            ModelError: the network is not installed, altered or unreadable.
            DeviceError: the device is not usable here; the message says why.
        """
        runtime.check_usable(device)
        find_network(name, FORMS[device], folder)
        failure = DeviceError("no way was tried")
        every = ways(device, precision, NETWORKS[name].input_size, threads)
        for way, key in _keyed(every, name, folder, precision):
            if key is not None:
                if not key.is_built:
                    _log.warning("building TensorRT's engine of %s in %s: this takes minutes, once", name, key.folder)
                key.prepare()
            try:
                session = cls.by(way, name, folder, most_rows)
            except StuckDeviceError:
                raise  # the device would hang in the next way as well
            except DeviceError as error:
                _log.info("%s does not run by %s: %s", name, way.providers[0], error)
                failure = error
                continue
            if key is not None:
                key.mark_built()
            return session
        raise failure

    @classmethod
    def by(cls, way: Way, name: str, folder: Path | None = None, most_rows: int = 1) -> Session:
        """Load an installed network in exactly this way and run it once; arguments and errors as for :meth:`on`."""
        path = find_network(name, way.form, folder)
        try:
            if way.memory is None:
                session = cls(runtime.load(path, way), name, way)
                session.warm_up()
                return session
            return open_on_gpu(lambda gpu: cls._prepared(path, name, way, most_rows, gpu), way.prepare_s)
        except DeviceError as error:
            if way.device != "cpu":
                raise
            raise ModelError(
                f"onnxruntime cannot open {path}: {error}; delete it and run `facemesh models install` with this "
                "version"
            ) from error

    @classmethod
    def _prepared(cls, path: Path, name: str, way: Way, most_rows: int, gpu: GpuThread) -> Session:
        session = cls(runtime.load(path, way), name, way, gpu)
        try:
            session._buckets.prepare(most_rows)
        except DeviceError:
            raise
        except Exception as error:  # of onnxruntime's extension module: a kernel that fails, memory that is short
            raise DeviceError(runtime.reason(error)) from error
        return session

    @property
    def device(self) -> str:
        """What it runs on: cpu, cuda or tensorrt."""
        return self.way.device

    @property
    def threads(self) -> int:
        """By how many threads things that are independent are worked on, crops and views too; on a GPU by one."""
        return self.way.threads.rows

    @property
    def at_once(self) -> int:
        """Of how many images to make a run that could be several: on a CPU of one, which leaves the most to share."""
        return 1 if self.way.memory is None else AT_ONCE

    @property
    def prepared_rows(self) -> tuple[int, ...]:
        """The batch sizes that are prepared; none where batches are run as they come."""
        return self._buckets.made

    def run(self, images: UInt8, *outputs: str) -> tuple[NDArray[np.float32], ...]:
        """Run a batch of (N, S, S, 3) uint8 RGB images; return the named outputs, each (N, …) float32.

        On a GPU, what several threads ask for at the same time is one batch. The arrays are the caller's own.

        Raises:
            DeviceError: a run on the GPU fails, or this process was forked off after the network was opened.
            StuckDeviceError: a run on the GPU does not end. The messages say what to do.
        """
        if self.way.memory is None:
            return spread(lambda part: tuple(self._runtime.run(outputs, {"image": part})), images, self.threads)
        assert self._gpu is not None
        self._gpu.check_process()  # before it waits for requests of threads that only the parent has
        every = dict(zip(self.output_shapes, self._joined.run(images), strict=True))
        return tuple(every[name] for name in outputs)

    def warm_up(self) -> None:
        """Run once on a black image, so that the first real one is not slow."""
        size = self.input_size
        self.run(np.zeros((1, size, size, 3), np.uint8), *self.output_shapes)

    def _run_on_gpu(self, images: UInt8) -> Outputs:
        assert self._gpu is not None
        limit_s = RUN_S if self._buckets.are_made_for(len(images)) else self.way.prepare_s
        return self._gpu.do(lambda: self._run_buckets(images), limit_s)

    def _run_buckets(self, images: UInt8) -> Outputs:
        try:
            return self._buckets.run(images)
        except Exception as error:  # of onnxruntime's extension module, for the most part: see runtime.load
            raise DeviceError(
                f"a run of {self.name} on {self.device} failed, of {len(images)} images: {runtime.reason(error)}; "
                f"{_AFTER_A_FAILURE}"
            ) from error

    def _bound_batch(self, rows: int) -> BoundBatch:
        assert self.way.memory is not None
        image = (None, self.input_size, self.input_size, 3)
        shapes = {"image": image, **self.output_shapes}
        return BoundBatch(self._runtime, shapes, rows, self.way.memory, self.way.has_graphs)


def has_engine(name: str, folder: Path | None, precision: str) -> bool:
    """Tell whether TensorRT's engine of an installed network is built, and TensorRT there to run it."""
    try:
        runtime.check_usable("tensorrt")
    except DeviceError:
        return False
    every = ways("tensorrt", precision, NETWORKS[name].input_size)
    return any(key is not None and key.is_built for _, key in _keyed(every, name, folder, precision))


def _keyed(
    every: Sequence[Way], name: str, folder: Path | None, precision: str
) -> Sequence[tuple[Way, EngineKey | None]]:
    """Return ways to run a network on a device, on TensorRT with the keys of their engines: those built go first."""
    if every[0].device != "tensorrt":
        return [(way, None) for way in every]
    keys = [_engine_key(name, folder, precision, way) for way in every]
    keyed = [(way.with_engines(key.folder), key) for way, key in zip(every, keys, strict=True)]
    keyed.sort(key=lambda pair: not pair[1].is_built)
    return keyed


def _engine_key(name: str, folder: Path | None, precision: str, way: Way) -> EngineKey:
    sha256 = sha256_of(find_network(name, way.form, folder).read_bytes())
    versions = runtime.version(), tensorrt_version()
    return EngineKey(name, sha256, precision, way.providers, way.largest, *versions, first_gpu())
