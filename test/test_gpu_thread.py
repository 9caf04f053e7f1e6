"""Laws of the GPU's thread: all in order, on one thread; what does not end holds up nobody for ever."""

import os
import subprocess
import sys
import textwrap
import threading

import pytest

from facemesh_ros import gpu_thread
from facemesh_ros.errors import NotBegunError, StuckDeviceError
from facemesh_ros.gpu_thread import GpuThread, open_on_gpu

DEADLINE_S = 60.0
SHORT_S = 0.01
"""A limit that work which waits for the test exceeds."""


class Hang:
    """Work that ends when it is let go."""

    def __init__(self):
        self.is_begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self):
        self.is_begun.set()
        assert self.may_end.wait(DEADLINE_S)
        return "late"


class Caller(threading.Thread):
    """Asks for work, on a thread of its own."""

    def __init__(self, ask):
        super().__init__(daemon=True)
        self.ask, self.result, self.error = ask, None, None
        self.start()

    def run(self):
        try:
            self.result = self.ask()
        except Exception as error:
            self.error = error

    def end(self):
        self.join(DEADLINE_S)
        assert not self.is_alive(), "it waits for ever"
        return self


@pytest.fixture
def hang():
    one = Hang()
    yield one
    one.may_end.set()


@pytest.fixture
def gpu():
    return GpuThread()


@pytest.fixture
def no_current(monkeypatch):
    monkeypatch.setattr(GpuThread, "_current", None)


def after(gpu, work):
    """Have work wait behind what is at hand; return who asks for it."""
    queued = len(gpu._waiting)
    caller = Caller(lambda: gpu.do(work, DEADLINE_S))
    while len(gpu._waiting) == queued and caller.is_alive():  # its thread has still to get there
        pass
    return caller


def test_all_work_is_done_by_one_thread_in_order(gpu):
    names, order = set(), []

    def work(index):
        names.add(threading.current_thread().name)
        order.append(index)
        return index

    assert [gpu.do(lambda index=index: work(index), DEADLINE_S) for index in range(5)] == order == list(range(5))
    for caller in [Caller(lambda: gpu.do(lambda: work(9), DEADLINE_S)) for _ in range(4)]:
        assert caller.end().result == 9
    assert names == {gpu_thread.NAME}
    assert len(order) == 9


def test_what_the_work_raises_is_raised_to_who_asked_and_all_goes_on(gpu):
    def fail():
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        gpu.do(fail, DEADLINE_S)
    assert gpu.do(lambda: 1, DEADLINE_S) == 1


def test_work_that_does_not_end_is_an_error_that_says_what_to_do(gpu, hang):
    with pytest.raises(StuckDeviceError, match=r"within 0\.01 s.*configure.*nvidia-smi.*device to cpu"):
        gpu.do(hang, SHORT_S)
    assert gpu.is_stuck


def test_who_waits_behind_it_gets_an_error_of_his_own_and_his_work_is_not_done(gpu, hang):
    done = []
    stuck = Caller(lambda: gpu.do(hang, 10 * SHORT_S))
    assert hang.is_begun.wait(DEADLINE_S)
    others = [after(gpu, lambda: done.append(1)) for _ in range(2)]
    errors = [caller.end().error for caller in (stuck, *others)]
    assert [type(error) for error in errors] == [StuckDeviceError, NotBegunError, NotBegunError]
    assert len(set(map(id, errors))) == 3
    hang.may_end.set()
    assert not done


def test_the_time_that_work_waits_for_its_turn_does_not_count(gpu, hang):
    first = Caller(lambda: gpu.do(hang, DEADLINE_S))
    assert hang.is_begun.wait(DEADLINE_S)
    ended = threading.Event()
    second = Caller(lambda: gpu.do(ended.is_set, SHORT_S))
    assert not ended.wait(5 * SHORT_S)
    assert second.is_alive()
    ended.set()
    hang.may_end.set()
    assert first.end().result == "late"
    assert second.end().result is True


def test_who_comes_later_is_refused_at_once(gpu, hang):
    with pytest.raises(StuckDeviceError):
        gpu.do(hang, SHORT_S)
    with pytest.raises(NotBegunError, match=r"within 0\.01 s"):
        gpu.do(lambda: 1, DEADLINE_S)


def test_a_run_that_ends_after_all_sets_the_thread_free(gpu, hang):
    with pytest.raises(StuckDeviceError):
        gpu.do(hang, SHORT_S)
    hang.may_end.set()
    with gpu._turn:
        assert gpu._turn.wait_for(lambda: not gpu.is_stuck, DEADLINE_S)
    assert gpu.do(lambda: 1, DEADLINE_S) == 1


def test_networks_share_a_thread_until_it_is_stuck(no_current, hang):
    first = GpuThread.current()
    assert open_on_gpu(lambda gpu: gpu, DEADLINE_S) is first is GpuThread.current()
    with pytest.raises(StuckDeviceError):
        first.do(hang, SHORT_S)
    second = open_on_gpu(lambda gpu: gpu, DEADLINE_S)
    assert second is not first
    assert second is GpuThread.current()


def test_a_thread_that_was_replaced_takes_no_more_work_even_if_its_run_ends_after_all(no_current, hang):
    first = GpuThread.current()
    with pytest.raises(StuckDeviceError):
        first.do(hang, SHORT_S)
    GpuThread.current()
    hang.may_end.set()
    first._thread.join(DEADLINE_S)
    assert not first._thread.is_alive()
    with pytest.raises(StuckDeviceError, match="opened now"):
        first.do(lambda: 1, DEADLINE_S)


def test_what_is_opened_behind_a_run_that_turns_out_to_be_stuck_goes_to_a_new_thread(no_current, hang):
    first = GpuThread.current()
    stuck = Caller(lambda: first.do(hang, 10 * SHORT_S))
    assert hang.is_begun.wait(DEADLINE_S)
    assert open_on_gpu(lambda gpu: gpu, DEADLINE_S) is not first
    assert isinstance(stuck.end().error, StuckDeviceError)


def test_what_is_opened_and_does_not_end_is_not_tried_for_ever(no_current, hang):
    with pytest.raises(StuckDeviceError) as caught:
        open_on_gpu(lambda _: hang(), SHORT_S)
    assert not isinstance(caught.value, NotBegunError)


PROCESS = """
    import threading, time
    from facemesh_ros import gpu_thread
    from facemesh_ros.gpu_thread import GpuThread

    gpu, begun = GpuThread(), threading.Event()
    {work}
    threading.Thread(target=lambda: gpu.do(work, {limit_s}), daemon=True).start()
    begun.wait()
    print("main ends")
"""


@pytest.mark.parametrize("limit_s", [0.01, 1000.0], ids=["known to be stuck", "not known yet"])
def test_the_process_ends_though_a_run_does_not(limit_s):
    work = "work = lambda: (begun.set(), threading.Event().wait())"
    assert ended(PROCESS.format(work=work, limit_s=limit_s)) == (0, "main ends\n")


def test_the_process_ends_in_order_in_the_middle_of_runs(networks):
    """An extension module that comes back from a run to an interpreter that is gone would abort the process."""
    work = """
    import numpy as np
    from facemesh_ros.session import Session
    session = Session.on("cpu", "mesh")
    images = np.zeros((32, 192, 192, 3), np.uint8)
    work = lambda: (begun.set(), session.run(images, "points"))"""
    assert ended(PROCESS.format(work=work.strip(), limit_s=1000.0)) == (0, "main ends\n")


FORK = """
    import os, signal, threading
    from facemesh_ros.errors import DeviceError, StuckDeviceError
    from facemesh_ros.gpu_thread import GpuThread, open_on_gpu

    gpu = GpuThread.current()
    print(gpu.do(lambda: "in the parent", 60.0), flush=True)
    held, may_end = threading.Event(), threading.Event()

    def wait():
        held.set()
        may_end.wait()

    def hold(lock):
        with lock:
            wait()

    {at_hand}
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # a child that waits for ever ends by it
        try:
            gpu.do(lambda: 1, 60.0)
        except DeviceError as error:
            print(error, flush=True)
        print(open_on_gpu(lambda other: other is not gpu and "in the child", 60.0), flush=True)
    else:
        print("status", os.waitpid(child, 0)[1], flush=True)
        may_end.set()
        print(gpu.do(lambda: "in the parent again", 60.0), flush=True)
"""
AT_HAND = {
    "nothing": "",
    "a run": "threading.Thread(target=lambda: gpu.do(wait, 60.0), daemon=True).start(); held.wait()",
    "a request": "threading.Thread(target=hold, args=[gpu._turn], daemon=True).start(); held.wait()",
    "an opening": "threading.Thread(target=hold, args=[GpuThread._choice], daemon=True).start(); held.wait()",
}
"""What another thread of the parent is at while it forks."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize("at_hand", AT_HAND.values(), ids=AT_HAND)
def test_a_forked_child_is_told_that_the_gpu_stayed_with_its_parent_and_may_open_networks_and_ends(at_hand):
    status, said = run(textwrap.dedent(FORK.format(at_hand=at_hand)))
    first, refusal, *others = said.splitlines()
    assert (status, first, others) == (0, "in the parent", ["in the child", "status 0", "in the parent again"])
    for word in ("does not survive a fork", "open the networks in the child", "spawn"):
        assert word in refusal


def ended(program):
    """Run a program; return its exit status and what it printed."""
    return run(textwrap.dedent(program).replace("\n    ", "\n"))


def run(lines):
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=DEADLINE_S)
    return done.returncode, done.stdout
