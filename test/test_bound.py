"""Batches with bound buffers, on the CPU provider: the same code that a GPU runs, with its memory the machine's own."""

import numpy as np
import pytest

from facemesh_ros import runtime
from facemesh_ros.bound import REGULAR_RUNS, BoundBatch
from facemesh_ros.errors import DeviceError
from facemesh_ros.models import find_network
from facemesh_ros.ways import Way

PLAIN = Way("cpu", "gpu", (("CPUExecutionProvider", {}),))
SHAPES = {"image": ("N", 192, 192, 3), "points": ("N", 468, 3), "presence_logit": ("N",)}
ROWS = 4


@pytest.fixture(scope="module")
def session(networks):
    return runtime.load(find_network("mesh", "gpu"), PLAIN)


@pytest.fixture(params=[False, True], ids=["without graphs", "with graph numbers"])
def batch(session, request):
    return BoundBatch(session, SHAPES, ROWS, "cpu", request.param)


def noise(rows, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (rows, 192, 192, 3), np.uint8)


def plain(session, images):
    return session.run(["points", "presence_logit"], {"image": images})


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("rows", range(ROWS + 1))
def test_it_gives_what_the_session_gives(session, batch, rows):
    images = noise(rows)
    outputs = batch.run(images)
    assert [output.shape for output in outputs] == [(rows, 468, 3), (rows,)]
    filled = np.concatenate([images, np.zeros((ROWS - rows, 192, 192, 3), np.uint8)])
    assert equal(outputs, [output[:rows] for output in plain(session, filled)])


def test_outputs_are_not_overwritten_by_the_next_run(batch):
    first = batch.run(noise(2))
    kept = [output.copy() for output in first]
    batch.run(noise(ROWS, seed=1))
    assert equal(first, kept)


def test_what_ran_before_leaves_no_trace(batch):
    before = batch.run(noise(1))
    batch.run(noise(ROWS, seed=1))
    assert equal(batch.run(noise(1)), before)
    assert not batch._host[1:].any()


def test_the_buffers_stay_where_they_are(batch):
    places = [value.data_ptr() for value in (batch._image, *batch._outputs)]
    for rows in range(ROWS + 1):
        batch.run(noise(rows))
    assert [value.data_ptr() for value in (batch._image, *batch._outputs)] == places


class Graphs:
    """A session that runs, and then leaves the rest to graphs: of each number it runs so many times."""

    def __init__(self, session, times):
        self.session, self.times, self.runs = session, times, []

    def io_binding(self):
        return self.session.io_binding()

    def run_with_iobinding(self, binding, options):
        graph_id = options.get_run_config_entry("gpu_graph_id")
        self.runs.append(graph_id)
        if graph_id == "-1" or self.runs.count(graph_id) <= self.times:
            self.session.run_with_iobinding(binding, options)


def test_graphs_are_run_until_they_are_replayed_and_then_compared_with_runs_without(session):
    graphs = Graphs(session, times=100)
    BoundBatch(graphs, SHAPES, 2, "cpu", True)
    assert graphs.runs == ["2"] * REGULAR_RUNS + ["2", "-1"] * 2


def test_a_graph_that_does_nothing_any_more_is_found_out(session):
    with pytest.raises(DeviceError, match="CUDA graph of 2 rows"):
        BoundBatch(Graphs(session, times=REGULAR_RUNS), SHAPES, 2, "cpu", True)
