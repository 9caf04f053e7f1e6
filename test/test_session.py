import logging
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from facemesh_ros import gpu_thread
from facemesh_ros.errors import DeviceError, ModelError, StuckDeviceError
from facemesh_ros.gpu_thread import GpuThread
from facemesh_ros.models import NETWORKS, models_dir
from facemesh_ros.session import Session, has_engine
from facemesh_ros.ways import Threads, Way

onnxruntime = pytest.importorskip("onnxruntime")
HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
AS_ON_A_GPU = Way("cpu", "gpu", (("CPUExecutionProvider", {}),), memory="cpu", has_graphs=True, largest=8)
"""Bound buffers, buckets, joined requests and the GPU's thread, with nothing of them on a GPU."""


def noise(rows, size=192, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (rows, size, size, 3), np.uint8)


@pytest.fixture(scope="module")
def bound(networks):
    return Session.by(AS_ON_A_GPU, "mesh", most_rows=2)


@pytest.mark.parametrize(
    ("name", "size", "outputs"),
    [
        ("detector_short", 128, {"regressors": (896, 16), "logits": (896,)}),
        ("detector_full", 192, {"regressors": (2304, 16), "logits": (2304,)}),
        ("mesh", 192, {"points": (468, 3), "presence_logit": ()}),
        ("attention", 192, {"points": (478, 3), "presence_logit": ()}),
    ],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_network_takes_a_batch_and_gives_its_named_outputs(networks, name, size, outputs, batch):
    session = Session.open(name, "cpu")
    assert session.input_size == size
    images = np.zeros((batch, size, size, 3), np.uint8)
    for got, shape in zip(session.run(images, *outputs), outputs.values(), strict=True):
        assert got.shape == (batch, *shape)
        assert got.dtype == np.float32


def test_the_same_image_gives_the_same_bits(networks):
    session = Session.open("mesh", "cpu")
    image = np.random.default_rng(0).integers(0, 256, (1, 192, 192, 3), np.uint8)
    first, second = (session.run(image, "points")[0] for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name", ["mesh", "attention", "detector_short"])
@pytest.mark.parametrize("threads", [Threads(rows=2), Threads(rows=3, intra_op=2)])
def test_threads_change_no_bit(networks, name, threads):
    size = NETWORKS[name].input_size
    images = noise(4, size)
    alone, many = Session.on("cpu", name), Session.on("cpu", name, threads=threads)
    for expected, got in zip(*(each.run(images, *each.output_shapes) for each in (alone, many)), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", ["mesh", "attention", "detector_short"])
def test_many_threads_an_operator_change_digits_at_most(networks, name):
    images = noise(3, NETWORKS[name].input_size)
    alone, many = Session.on("cpu", name), Session.on("cpu", name, threads=Threads(intra_op=4))
    for expected, got in zip(*(each.run(images, *each.output_shapes) for each in (alone, many)), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_without_networks_the_error_names_the_remedy(tmp_path):
    with pytest.raises(ModelError, match="facemesh models install"):
        Session.open("mesh", "cpu", folder=tmp_path)


def test_an_altered_network_is_not_loaded(networks, tmp_path):
    for file in models_dir().iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    damaged = next(path for path in tmp_path.iterdir() if path.name.startswith("mesh") and "cpu" in path.name)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(ModelError, match=damaged.name):
        Session.open("mesh", "cpu", folder=tmp_path)


@pytest.mark.skipif(HAS_CUDA, reason="this machine has CUDA")
def test_a_form_that_this_machine_does_not_use_need_not_be_whole(networks, tmp_path):
    for file in models_dir().iterdir():
        if file.is_file() and "-gpu-" not in file.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert Session.open("mesh", "auto", folder=tmp_path).device == "cpu"


def test_auto_runs_somewhere(networks):
    assert Session.open("mesh", "auto").device in ("cpu", "cuda")


@pytest.mark.skipif(HAS_CUDA, reason="this machine has CUDA")
def test_a_device_that_is_not_there_falls_back_with_a_warning(networks, caplog):
    with caplog.at_level(logging.WARNING):
        assert Session.open("mesh", "cuda").device == "cpu"
    assert "device is cuda" in caplog.text


@pytest.mark.skipif(HAS_CUDA, reason="this machine has CUDA")
@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_required_device_that_is_not_there_is_refused_with_the_remedy(networks, device):
    with pytest.raises(DeviceError, match=f"device is {device}.*onnxruntime-gpu"):
        Session.open("mesh", device, require_device=True)


def test_what_is_asked_for_is_prepared(bound):
    assert bound.prepared_rows[:2] == (1, 2)
    assert Session.open("mesh", "cpu").prepared_rows == ()


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 8, 9, 19])
def test_with_bound_buffers_every_image_gets_its_own_result(bound, rows):
    images = noise(rows)
    points, logits = bound.run(images, "points", "presence_logit")
    expected = Session.open("mesh", "cpu").run(images, "points", "presence_logit")
    for got, other in zip((points, logits), expected, strict=True):
        np.testing.assert_allclose(got, other, rtol=0, atol=1e-3)
    assert max(bound.prepared_rows) <= AS_ON_A_GPU.largest


def test_outputs_come_in_the_order_asked_for(bound):
    logits, points = bound.run(noise(2), "presence_logit", "points")
    assert (logits.shape, points.shape) == ((2,), (2, 468, 3))
    (alone,) = bound.run(noise(2), "presence_logit")
    assert np.array_equal(alone, logits)


def test_results_that_are_kept_do_not_change(bound):
    (first,) = bound.run(noise(2), "points")
    kept = first.copy()
    bound.run(noise(2, seed=1), "points")
    assert np.array_equal(first, kept)


def test_many_threads_get_what_each_gets_alone(bound):
    batches = [noise(1 + who % 3, seed=who) for who in range(6)]
    alone = [bound.run(images, "points")[0] for images in batches]
    wrong = []

    def ask(who):
        for _ in range(5):
            (points,) = bound.run(batches[who], "points")
            if not np.allclose(points, alone[who], rtol=0, atol=1e-4):
                wrong.append(who)

    threads = [threading.Thread(target=ask, args=[who]) for who in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_all_runs_are_made_by_the_gpus_thread_one_after_the_other(bound, monkeypatch):
    run, names = bound._buckets.run, []
    monkeypatch.setattr(
        bound._buckets, "run", lambda images: names.append(threading.current_thread().name) or run(images)
    )
    threads = [threading.Thread(target=bound.run, args=[noise(1), "points"]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(names) == {gpu_thread.NAME}
    assert 1 <= len(names) <= len(threads)


@pytest.fixture
def hanging(networks, monkeypatch):
    """A session whose next run does not end until the test does; and what ends it."""
    monkeypatch.setattr(GpuThread, "_current", None)
    session = Session.by(AS_ON_A_GPU, "mesh", most_rows=2)
    run, may_end = session._buckets.run, threading.Event()
    monkeypatch.setattr(session._buckets, "run", lambda images: may_end.wait() and run(images))
    yield session, may_end
    may_end.set()


def test_a_run_that_does_not_end_is_an_error_for_all_who_wait_and_a_new_session_runs(hanging, monkeypatch):
    session, _ = hanging
    monkeypatch.setattr("facemesh_ros.session.RUN_S", 0.01)
    errors = []

    def ask():
        try:
            session.run(noise(1), "points")
        except StuckDeviceError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, errors))) == len(threads)
    monkeypatch.undo()
    assert Session.by(AS_ON_A_GPU, "mesh").run(noise(1), "points")[0].shape == (1, 468, 3)


def test_a_batch_that_is_to_be_prepared_first_has_more_time(hanging, monkeypatch):
    session, may_end = hanging
    monkeypatch.setattr("facemesh_ros.session.RUN_S", 0.0)
    images, outputs = noise(4), []
    thread = threading.Thread(target=lambda: outputs.extend(session.run(images, "points")))
    thread.start()
    may_end.set()
    thread.join()
    assert 4 in session.prepared_rows
    assert outputs[0].shape == (4, 468, 3)


def test_a_run_on_the_gpu_that_fails_is_an_error_that_says_what_and_what_to_do(networks):
    session = Session.by(AS_ON_A_GPU, "mesh", most_rows=2)
    session._buckets._made[2]._binding.clear_binding_inputs()  # onnxruntime's own error, from within its run
    with pytest.raises(DeviceError, match=r"mesh on cpu failed, .*Missing Input.*nvidia-smi.*restart") as one:
        session.run(noise(2), "points")
    assert not isinstance(one.value, StuckDeviceError)
    assert session.run(noise(1), "points")[0].shape == (1, 468, 3), "the next run goes on"


FORK = """
    import os, signal, threading
    import numpy as np
    from facemesh_ros.errors import DeviceError
    from facemesh_ros.session import Session
    from facemesh_ros.ways import Way

    way = Way("cpu", "gpu", (("CPUExecutionProvider", {}),), memory="cpu", has_graphs=True, largest=8)
    images = np.zeros((1, 192, 192, 3), np.uint8)
    session = Session.by(way, "mesh")
    run, begun, may_end = session._buckets.run, threading.Event(), threading.Event()
    session._buckets.run = lambda images: begun.set() or may_end.wait() and run(images)
    threading.Thread(target=session.run, args=[images, "points"], daemon=True).start()
    begun.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(40)  # a child that waits for ever ends by it
        try:
            session.run(images, "points")
        except DeviceError as error:
            print(error, flush=True)
        print(Session.by(way, "mesh").run(images, "points")[0].shape, flush=True)
        os._exit(0)  # as multiprocessing does: onnxruntime's own clean-up hangs in a forked child
    else:
        print("status", os.waitpid(child, 0)[1], flush=True)
        may_end.set()
        print(session.run(images, "points")[0].shape, flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_in_a_forked_child_a_network_of_the_parents_is_refused_in_the_middle_of_a_run_too(networks):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(FORK)], capture_output=True, text=True, timeout=60.0)
    refusal, *others = done.stdout.splitlines()
    assert "does not survive a fork" in refusal
    assert others == ["(1, 468, 3)", "status 0", "(1, 468, 3)"]


@pytest.fixture
def building(networks, tmp_path, monkeypatch):
    """A TensorRT of which some ways fail after they have left an engine; what it was asked for, way by way."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("facemesh_ros.runtime.check_usable", str)
    tried, failing = [], set()

    def by(way, *_):
        options = way.providers[0][1]
        kind = "with profile" if "trt_profile_min_shapes" in options else "without"
        engines = Path(options["trt_engine_cache_path"])
        tried.append((kind, [path.stem for path in engines.glob("*.engine")]))
        (engines / f"{kind}.engine").write_bytes(b"engine")
        if kind in failing:
            raise DeviceError(f"{kind} it does not run")
        return way

    monkeypatch.setattr(Session, "by", by)
    return tried, failing


def test_tensorrts_second_way_has_an_engine_of_its_own_and_goes_first_once_that_is_built(building, caplog):
    tried, failing = building
    failing.add("with profile")
    Session.on("tensorrt", "mesh")
    assert tried == [("with profile", []), ("without", [])]
    assert caplog.text.count("building") == 2
    assert has_engine("mesh", None, "fp32") and not has_engine("mesh", None, "fp16")
    tried.clear(), caplog.clear()
    Session.on("tensorrt", "mesh")
    assert tried == [("without", ["without"])]
    assert not caplog.records


def test_where_tensorrts_best_way_runs_no_other_is_tried(building):
    tried, _ = building
    for _ in range(2):
        Session.on("tensorrt", "mesh")
    assert tried == [("with profile", []), ("with profile", ["with profile"])]


def test_a_device_that_hangs_in_one_way_is_not_tried_in_another(networks, monkeypatch):
    monkeypatch.setattr("facemesh_ros.runtime.check_usable", str)
    tried = []

    def by(way, *_):
        tried.append(way)
        raise StuckDeviceError("it hangs")

    monkeypatch.setattr(Session, "by", by)
    with pytest.raises(StuckDeviceError):
        Session.on("cuda", "mesh")
    assert len(tried) == 1


@pytest.fixture
def broken_gpu(monkeypatch):
    """A machine with a GPU and a provider that is not to be had from this build of onnxruntime."""
    monkeypatch.setattr("facemesh_ros.runtime.check_usable", str)


@pytest.mark.skipif(HAS_CUDA, reason="this machine has CUDA")
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_gpu_that_fails_is_told_of_with_auto_as_well(networks, broken_gpu, caplog):
    assert Session.open("mesh", "auto").device == "cpu"
    assert "cuda cannot be used here" in caplog.text


@pytest.mark.skipif(HAS_CUDA, reason="this machine has CUDA")
@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_no_way_that_fails_leaves_another_provider_in_its_place(networks, broken_gpu, device, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DeviceError):
        Session.on(device, "mesh")
