"""Laws of rows that are shared out to threads: the same numbers, in the same order, and nobody waits for the busy."""

import os
import threading

import numpy as np
import pytest

from facemesh_ros import spread as spread_module
from facemesh_ros.spread import each, spread, usable_threads

DEADLINE_S = 60.0


def rows(count):
    return np.random.default_rng(count).integers(0, 256, (count, 5), np.uint8)


def echoed(images):
    """What a network returns that hands its input through: two outputs."""
    return images.astype(np.float32), 10.0 * images[:, 0].astype(np.float32)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 9])
def test_the_outputs_are_those_of_one_run(count, threads):
    images = rows(count)
    for got, expected in zip(spread(echoed, images, threads), echoed(images), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("count", "threads"), [(4, 2), (3, 3), (8, 3)])
def test_the_parts_run_at_the_same_time_and_are_nearly_equal(count, threads):
    sizes, together = [], threading.Barrier(threads)

    def run(images):
        sizes.append(len(images))
        together.wait(DEADLINE_S)
        return echoed(images)

    spread(run, rows(count), threads)
    assert sum(sizes) == count
    assert max(sizes) - min(sizes) <= 1


def test_one_row_stays_in_the_thread_of_who_asks():
    where = []
    spread(lambda images: (where.append(threading.current_thread()), echoed(images))[1], rows(1), 4)
    assert where == [threading.current_thread()]


def test_who_asks_runs_what_nobody_else_has_time_for():
    is_over, where = threading.Event(), []
    busy = [spread_module._threads(2).submit(is_over.wait, DEADLINE_S) for _ in range(2)]

    def run(images):
        where.append(threading.current_thread())
        return echoed(images)

    images = rows(5)
    outputs = spread(run, images, 3)
    assert not any(job.done() for job in busy)
    is_over.set()
    assert where == 3 * [threading.current_thread()]
    np.testing.assert_array_equal(outputs[0], images)


@pytest.mark.parametrize("bad", [0, 1, 2, 3])
def test_the_error_of_a_part_is_raised_when_no_part_runs_any_more(bad):
    images = np.arange(4, dtype=np.uint8).reshape(-1, 1)
    at_work, all_begun = [], threading.Barrier(4)

    def run(part):
        at_work.append(part[0, 0])
        all_begun.wait(DEADLINE_S)
        try:
            if part[0, 0] == bad:
                raise ZeroDivisionError(f"row {bad}")
            return echoed(part)
        finally:
            at_work.remove(part[0, 0])

    with pytest.raises(ZeroDivisionError, match=f"row {bad}"):
        spread(run, images, 4)
    assert at_work == []


def test_many_who_ask_at_the_same_time_each_get_their_own():
    answers = {}

    def ask(number):
        answers[number] = spread(echoed, np.full((6, 5), number, np.uint8), 3)[0]

    asking = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(DEADLINE_S)
    assert all((answers[number] == number).all() for number in range(20))


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_each_thing_is_worked_on_once_and_answers_come_in_order(count, threads):
    seen = []
    answers = each(lambda thing: (seen.append(thing), 10 * thing)[1], list(range(count)), threads)
    assert answers == [10 * thing for thing in range(count)]
    assert sorted(seen) == list(range(count))


def test_0_threads_are_one_a_core_up_to_four(monkeypatch):
    for cores, expected in ((1, 1), (2, 2), (4, 4), (64, 4)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, n=cores: set(range(n)))
        assert usable_threads(0) == expected
    assert usable_threads(7) == 7
