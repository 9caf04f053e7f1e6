"""Laws of joined requests: what threads ask for at the same time is one run, and nobody notices."""

import logging
import threading

import numpy as np
import pytest

from facemesh_ros.joined import Joined

DEADLINE_S = 60.0


def rows(*values):
    return np.array(values, np.uint8).reshape(-1, 1)


def echoed(images):
    """What a network returns that hands its input through: two outputs."""
    return images.astype(np.float32), 10.0 * images[:, 0].astype(np.float32)


class Gate:
    """A run whose first call waits until it is let through; it records the batches."""

    def __init__(self, is_bad=lambda _: False):
        self.is_bad = is_bad
        self.close()

    def close(self):
        self.batches, self.is_entered, self.may_go = [], threading.Event(), threading.Event()

    def __call__(self, images):
        self.batches.append(images[:, 0].tolist())
        if len(self.batches) == 1:
            self.is_entered.set()
            assert self.may_go.wait(DEADLINE_S)
        elif self.is_bad(images):
            raise ValueError("out of memory")
        return echoed(images)


class Caller(threading.Thread):
    def __init__(self, joined, images):
        super().__init__()
        self.joined, self.images, self.outputs, self.error = joined, images, None, None
        self.start()

    def run(self):
        try:
            self.outputs = self.joined.run(self.images)
        except BaseException as error:
            self.error = error

    def end(self):
        self.join(DEADLINE_S)
        assert not self.is_alive(), "deadlock"
        return self


def during_a_run(gate, batches):
    """Start a run of the row 0, have others ask for batches meanwhile, one after the other, and end them all."""
    return asked_during_a_run(Joined(gate), gate, batches)


def asked_during_a_run(joined, gate, batches):
    callers = [Caller(joined, rows(0))]
    assert gate.is_entered.wait(DEADLINE_S)
    for images in batches:
        callers.append(Caller(joined, images))
        expected = len(callers) - 1
        while len(joined._waiting) < expected:  # its thread has still to get there
            pass
    gate.may_go.set()
    return [caller.end() for caller in callers]


def test_alone_it_is_the_run_itself():
    images = rows(1, 2, 3)
    seen = []
    outputs = Joined(lambda batch: seen.append(batch) or echoed(batch)).run(images)
    assert seen[0] is images, "nothing is copied for one"
    assert all(np.array_equal(a, b) for a, b in zip(outputs, echoed(images), strict=True))


def test_who_comes_during_a_run_goes_in_the_next_one_together_and_in_order():
    gate = Gate()
    during_a_run(gate, [rows(1, 2), rows(3), rows(4, 5)])
    assert gate.batches == [[0], [1, 2, 3, 4, 5]]


@pytest.mark.parametrize("sizes", [[1], [1, 1], [3, 1, 2], [0, 2], [2, 0, 0, 1]])
def test_every_request_gets_its_own_rows(sizes):
    batches = [rows(*range(10 * i, 10 * i + size)) for i, size in enumerate(sizes, 1)]
    for caller in during_a_run(Gate(), batches):
        assert all(np.array_equal(a, b) for a, b in zip(caller.outputs, echoed(caller.images), strict=True))


@pytest.mark.parametrize("bad", range(4))
def test_where_a_run_for_several_fails_only_who_asked_for_the_bad_rows_gets_the_error(bad):
    batches = [rows(1), rows(2, 3), rows(), rows(4)]
    batches[bad] = rows(5, 255)
    callers = during_a_run(Gate(lambda images: (images == 255).any()), batches)
    for index, caller in enumerate(callers):
        if index == bad + 1:
            assert str(caller.error) == "out of memory"
            assert caller.outputs is None
        else:
            assert caller.error is None
            assert all(np.array_equal(a, b) for a, b in zip(caller.outputs, echoed(caller.images), strict=True))


def test_rows_that_are_too_many_together_are_run_one_request_after_the_other():
    gate = Gate(lambda images: len(images) > 2)
    callers = during_a_run(gate, [rows(1, 2), rows(3), rows(4, 5)])
    assert gate.batches == [[0], [1, 2, 3, 4, 5], [1, 2], [3], [4, 5]]
    assert not [caller.error for caller in callers if caller.error is not None]


def test_no_two_threads_get_the_same_error():
    first, *others = during_a_run(Gate(lambda _: True), [rows(1), rows(2), rows(3)])
    assert first.error is None and first.outputs is not None
    assert [str(other.error) for other in others] == ["out of memory"] * 3
    assert len({id(other.error) for other in others}) == 3


def test_that_requests_fail_only_together_is_warned_of_once_with_what_to_do(caplog):
    gate = Gate(lambda images: len(images) > 2)
    joined = Joined(gate)
    for _ in range(3):
        gate.close()
        callers = asked_during_a_run(joined, gate, [rows(1, 2), rows(3), rows(4, 5)])
        assert all(caller.error is None for caller in callers)
        assert len(gate.batches) == 5
    (record,) = (record for record in caplog.records if record.levelno >= logging.WARNING)
    for word in ("3 requests", "5 rows", "one by one", "takes longer", "max_faces", "Fewer cameras", "out of memory"):
        assert word in record.getMessage()


def test_where_a_request_fails_alone_as_well_its_error_is_all_that_is_said(caplog):
    during_a_run(Gate(lambda images: (images == 255).any()), [rows(1), rows(255)])
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_who_is_interrupted_while_he_runs_for_others_leaves_them_to_another():
    interrupts = [KeyboardInterrupt()]

    def interrupt_once(_):
        if interrupts:
            raise interrupts.pop()
        return False

    callers = during_a_run(Gate(interrupt_once), [rows(1), rows(2), rows(3)])
    left = [caller for caller in callers if not isinstance(caller.error, KeyboardInterrupt)]
    assert len(left) == 3
    for caller in left:
        assert np.array_equal(caller.outputs[0], echoed(caller.images)[0])


def test_after_an_error_all_goes_on():
    calls = []

    def run(images):
        calls.append(len(images))
        if len(calls) == 1:
            raise ValueError("once")
        return echoed(images)

    joined = Joined(run)
    with pytest.raises(ValueError, match="once"):
        joined.run(rows(1))
    assert np.array_equal(joined.run(rows(2))[0], echoed(rows(2))[0])


def test_many_threads_get_what_is_theirs_and_only_one_runs_at_a_time():
    threads, times = 8, 200
    lock, most = threading.Lock(), []

    def run(images):
        assert lock.acquire(blocking=False), "two runs at once"
        try:
            most.append(len(images))
            return echoed(images)
        finally:
            lock.release()

    joined, wrong = Joined(run), []

    def ask(who):
        generator = np.random.default_rng(who)
        for _ in range(times):
            images = generator.integers(0, 256, (generator.integers(1, 5), 1), np.uint8)
            outputs = joined.run(images)
            if not all(np.array_equal(a, b) for a, b in zip(outputs, echoed(images), strict=True)):
                wrong.append(images)

    callers = [threading.Thread(target=ask, args=[who], daemon=True) for who in range(threads)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(DEADLINE_S)
        assert not caller.is_alive(), "deadlock"
    assert not wrong
    assert len(most) <= threads * times
