"""Whose turn it is: laws for any arrival of items, in any number of lanes."""

import random
import threading

import pytest

from facemesh_ros.ros.scheduler import Scheduler

DEADLINE_S = 10.0
every_seed = pytest.mark.parametrize("seed", range(25))


class History:
    """A scheduler driven by one thread through a random pattern of arrivals, and what was seen of it.

    ``waited`` counts, for each lane with an item at which nobody works, how often each other lane was served meanwhile.
    """

    def __init__(self, seed, steps=400):
        self.random = random.Random(seed)
        self.lanes = self.random.randint(1, 6)
        self.scheduler = Scheduler(self.lanes)
        self.weights = [self.random.choice([0.01, 0.2, 1.0, 10.0]) for _ in range(self.lanes)]  # slow and fast cameras
        self.put, self.taken, self.replaced = ([[] for _ in range(self.lanes)] for _ in range(3))
        self.waiting, self.busy, self.waited, self.worst = {}, [], {}, 0
        for item in range(steps):
            self.random.choice([self.arrive, self.arrive, self.take, self.finish])(item)

    def arrive(self, item):
        (lane,) = self.random.choices(range(self.lanes), self.weights)
        self.put[lane].append(item)
        assert self.scheduler.put(lane, item) == (lane in self.waiting)
        if lane in self.waiting:
            self.replaced[lane].append(self.waiting[lane])
        self.waiting[lane] = item
        self.note_ready()

    def take(self, _=None):
        if not set(self.waiting) - set(self.busy):
            return  # it would wait
        lane, item = self.scheduler.take()
        assert lane not in self.busy
        assert item == self.waiting.pop(lane)
        self.taken[lane].append(item)
        self.busy.append(lane)
        self.waited.pop(lane)
        for counts in self.waited.values():
            counts[lane] = counts.get(lane, 0) + 1
            self.worst = max(self.worst, counts[lane])

    def finish(self, _=None):
        if self.busy:
            self.scheduler.done(self.busy.pop(self.random.randrange(len(self.busy))))
            self.note_ready()

    def note_ready(self):
        for lane in set(self.waiting) - set(self.busy) - self.waited.keys():
            self.waited[lane] = {}


@every_seed
def test_who_waits_is_overtaken_by_each_other_lane_at_most_once(seed):
    assert History(seed).worst <= 1


@every_seed
def test_every_item_is_taken_or_replaced_or_still_there_and_in_order(seed):
    history = History(seed)
    for lane in range(history.lanes):
        still = [history.waiting[lane]] if lane in history.waiting else []
        assert sorted(history.taken[lane] + history.replaced[lane] + still) == history.put[lane]
        assert history.taken[lane] == sorted(history.taken[lane])


@every_seed
def test_where_all_lanes_always_have_an_item_they_are_served_in_turn(seed):
    lanes = 1 + seed % 6
    scheduler, served = Scheduler(lanes), []
    for item in range(5 * lanes):
        for lane in range(lanes):
            scheduler.put(lane, item)
        lane, _ = scheduler.take()
        served.append(lane)
        scheduler.done(lane)
    assert served == list(range(lanes)) * 5


def test_a_lane_that_is_never_done_holds_up_nobody_else():
    scheduler = Scheduler(3)
    scheduler.put(0, "stuck")
    assert scheduler.take() == (0, "stuck")
    for item in range(10):
        for lane in range(3):
            scheduler.put(lane, item)
        assert sorted([scheduler.take()[0], scheduler.take()[0]]) == [1, 2]
        scheduler.done(1)
        scheduler.done(2)
    assert scheduler.busy == (0,)


def taker(scheduler):
    """Start a thread that takes once; return it and the list that holds what it got."""
    got = []
    thread = threading.Thread(target=lambda: got.append(scheduler.take()), daemon=True)
    thread.start()
    return thread, got


def test_who_waits_gets_the_next_item():
    scheduler = Scheduler(2)
    thread, got = taker(scheduler)
    scheduler.put(1, "a")
    thread.join(DEADLINE_S)
    assert got == [(1, "a")]


def test_who_waits_for_a_lane_gets_its_item_once_it_is_done():
    scheduler = Scheduler(1)
    scheduler.put(0, "a")
    scheduler.take()
    scheduler.put(0, "b")
    thread, got = taker(scheduler)
    scheduler.done(0)
    thread.join(DEADLINE_S)
    assert got == [(0, "b")]


def test_closing_wakes_all_who_wait():
    scheduler = Scheduler(2)
    threads = [taker(scheduler) for _ in range(4)]
    scheduler.close()
    for thread, got in threads:
        thread.join(DEADLINE_S)
        assert got == [None]


def test_what_is_closed_neither_takes_nor_gives():
    scheduler = Scheduler(1)
    scheduler.put(0, "before")
    scheduler.close()
    assert scheduler.put(0, "after") is False
    assert scheduler.take() is None


def test_many_workers_and_arrivals_at_once_lose_nothing_but_what_is_replaced():
    scheduler, lanes, items = Scheduler(4), 4, 500
    taken, replaced, at_work = [[] for _ in range(lanes)], [0] * lanes, [threading.Lock() for _ in range(lanes)]

    def work():
        while (got := scheduler.take()) is not None:
            lane, item = got
            assert at_work[lane].acquire(blocking=False)
            taken[lane].append(item)
            at_work[lane].release()
            scheduler.done(lane)

    def arrive(lane):
        for item in range(items):
            replaced[lane] += scheduler.put(lane, item)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    arrivals = [threading.Thread(target=arrive, args=(lane,), daemon=True) for lane in range(lanes)]
    for thread in workers + arrivals:
        thread.start()
    for thread in arrivals:
        thread.join(DEADLINE_S)
    drained = threading.Event()
    while not drained.is_set():
        with scheduler._changed:
            if not scheduler._waiting and not scheduler._busy:
                drained.set()
    scheduler.close()
    for thread in workers:
        thread.join(DEADLINE_S)
    for lane in range(lanes):
        assert taken[lane] == sorted(set(taken[lane]))
        assert taken[lane][-1] == items - 1
        assert len(taken[lane]) + replaced[lane] == items
