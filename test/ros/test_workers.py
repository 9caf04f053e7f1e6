"""Threads that do the work of several lanes."""

import threading
from types import SimpleNamespace

import pytest

from facemesh_ros.ros import workers
from facemesh_ros.ros.workers import Workers, finish

DEADLINE_S = 10.0


class Bench:
    """Lanes whose work waits for leave, and what was worked on."""

    def __init__(self, lanes, count):
        self.leave = [threading.Event() for _ in range(lanes)]
        self.begun = [threading.Semaphore(0) for _ in range(lanes)]
        self.done = [[] for _ in range(lanes)]
        self.ended = [threading.Semaphore(0) for _ in range(lanes)]
        self.workers = Workers("test", [lambda item, lane=lane: self.work(lane, item) for lane in range(lanes)], count)

    def work(self, lane, item):
        self.begun[lane].release()
        assert self.leave[lane].wait(DEADLINE_S)
        self.done[lane].append(item)
        self.ended[lane].release()

    def give_leave(self, *lanes):
        for lane in lanes:
            self.leave[lane].set()


@pytest.fixture
def bench():
    made = []

    def make(lanes, count):
        made.append(Bench(lanes, count))
        return made[-1]

    yield make
    for one in made:
        one.give_leave(*range(len(one.leave)))
        assert finish([one.workers], DEADLINE_S) == [()]


def test_so_many_lanes_are_worked_at_as_there_are_workers(bench):
    three = bench(lanes=3, count=2)
    for lane in range(3):
        three.workers.put(lane, "a")
    for lane in (0, 1):
        assert three.begun[lane].acquire(timeout=DEADLINE_S)
    assert not three.begun[2].acquire(blocking=False)
    three.give_leave(0)
    assert three.begun[2].acquire(timeout=DEADLINE_S)


def test_a_lane_is_worked_at_by_one_worker_and_its_newest_item_is_next(bench):
    one = bench(lanes=1, count=3)
    one.workers.put(0, "a")
    assert one.begun[0].acquire(timeout=DEADLINE_S)
    assert [one.workers.put(0, item) for item in "bcd"] == [False, True, True]
    assert not one.begun[0].acquire(blocking=False)
    one.give_leave(0)
    for _ in "ad":
        assert one.ended[0].acquire(timeout=DEADLINE_S)
    assert one.done[0] == ["a", "d"]


def test_a_worker_that_is_held_up_is_relieved_once_and_its_lane_goes_on_when_it_is_back(bench):
    two = bench(lanes=2, count=1)
    two.give_leave(1)
    two.workers.put(0, "stuck")
    assert two.begun[0].acquire(timeout=DEADLINE_S)
    two.workers.put(1, "a")
    for _ in range(3):
        two.workers.relieve([0])
    assert two.ended[1].acquire(timeout=DEADLINE_S)
    assert sum(thread.is_alive() for thread in two.workers._threads) == 2
    held_up = two.workers._threads[0]
    two.give_leave(0)
    held_up.join(DEADLINE_S)
    assert not held_up.is_alive()
    two.workers.put(0, "after")
    for _ in range(2):
        assert two.ended[0].acquire(timeout=DEADLINE_S)
    assert two.done == [["stuck", "after"], ["a"]]


def test_who_is_not_at_work_is_not_relieved(bench):
    two = bench(lanes=2, count=1)
    two.workers.relieve([0, 1])
    assert len(two.workers._threads) == 1


def test_closing_finishes_what_is_at_hand_and_begins_nothing(bench):
    two = bench(lanes=2, count=1)
    two.workers.put(0, "at hand")
    assert two.begun[0].acquire(timeout=DEADLINE_S)
    two.workers.put(1, "waiting")
    two.give_leave(0, 1)
    assert finish([two.workers], DEADLINE_S) == [()]
    assert two.done == [["at hand"], []]


def test_closing_tells_which_lanes_do_not_end(bench):
    three = bench(lanes=3, count=3)
    three.give_leave(1)
    for lane in range(3):
        three.workers.put(lane, "a")
    assert three.ended[1].acquire(timeout=DEADLINE_S)
    for lane in (0, 2):
        assert three.begun[lane].acquire(timeout=DEADLINE_S)
    (busy,) = finish([three.workers], 0.05)
    assert set(busy) - {1} == {0, 2}


@pytest.mark.parametrize(
    ("takes_s", "waits_s"),
    [((0.0, 0.0, 0.0), [5, 5, 5]), ((2.0, 1.0, 1.0), [5, 3, 2]), ((9.0, 9.0, 9.0), [5, 0, 0])],
    ids=["nothing at hand", "slow", "without end"],
)
def test_groups_that_are_finished_together_share_one_deadline(bench, monkeypatch, takes_s, waits_s):
    """By a clock that only waiting moves."""
    clock_s, waited = [100.0], []
    groups = [bench(lanes=2, count=2).workers, bench(lanes=1, count=1).workers]
    threads = [thread for group in groups for thread in group._threads]
    for thread, of_thread_s in zip(threads, takes_s, strict=True):

        def join(timeout_s, of_thread_s=of_thread_s):
            waited.append(timeout_s)
            clock_s[0] += min(of_thread_s, timeout_s)

        monkeypatch.setattr(thread, "join", join)
    monkeypatch.setattr(workers, "time", SimpleNamespace(monotonic=lambda: clock_s[0]))
    finish(groups, 5.0)
    assert waited == waits_s
    monkeypatch.undo()


def test_no_group_begins_anything_while_another_is_waited_for(bench):
    """What is made of the item at hand, and put to the other group, is not begun with."""
    one, other = bench(lanes=1, count=1), bench(lanes=1, count=1)
    other.give_leave(0)
    one.work = lambda _, item: (one.begun[0].release(), one.leave[0].wait(DEADLINE_S), other.workers.put(0, item))
    one.workers.put(0, "a")
    assert one.begun[0].acquire(timeout=DEADLINE_S)
    (thread,) = one.workers._threads
    join = thread.join
    thread.join = lambda timeout_s: (one.give_leave(0), join(timeout_s))
    assert finish([one.workers, other.workers], DEADLINE_S) == [(), ()]
    assert other.done == [[]]
