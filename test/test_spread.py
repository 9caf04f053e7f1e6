"""Laws of rows that are shared out to threads: the same numbers, in the same order, and nobody waits for the busy."""

import gc
import os
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from facemesh_ros import spread as spread_module
from facemesh_ros.spread import each, spread, usable_cores, usable_threads

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


class Thing:
    """Of which one can tell whether it is still kept."""


def are_kept(references):
    gc.collect()
    return any(reference() is not None for reference in references)


def test_who_asks_does_what_nobody_else_has_time_for_and_nothing_is_kept_of_it(monkeypatch):
    monkeypatch.setattr(spread_module, "_helpers", spread_module._Helpers())
    all_busy, is_over = threading.Barrier(4), threading.Event()

    def stay(_):
        all_busy.wait(DEADLINE_S)
        is_over.wait(DEADLINE_S)

    busy = threading.Thread(target=each, args=(stay, [1, 2, 3], 3))
    busy.start()
    all_busy.wait(DEADLINE_S)
    where, things = [], [Thing() for _ in range(5)]
    left = [weakref.ref(thing) for thing in things]
    each(lambda _: where.append(threading.current_thread()), things, 3)
    assert where == 5 * [threading.current_thread()]
    del things
    assert busy.is_alive() and not are_kept(left)
    is_over.set()
    busy.join(DEADLINE_S)


def test_who_helped_keeps_nothing(monkeypatch):
    monkeypatch.setattr(spread_module, "_helpers", spread_module._Helpers())
    together, things = threading.Barrier(3), [Thing() for _ in range(3)]
    left = [weakref.ref(thing) for thing in things]
    each(lambda _: together.wait(DEADLINE_S) and None, things, 3)
    del things
    asleep = spread_module._helpers._turn._waiters  # of the condition: who waits for an invitation
    deadline_s = time.monotonic() + DEADLINE_S
    while len(asleep) < 2:
        assert time.monotonic() < deadline_s
    assert not are_kept(left)


def test_without_any_thread_to_be_had_all_is_done_by_who_asks(monkeypatch):
    def start(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(spread_module, "_helpers", spread_module._Helpers())
    monkeypatch.setattr(threading.Thread, "start", start)
    assert each(str, [1, 2, 3], 3) == ["1", "2", "3"]


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


def python(script, timeout_s=DEADLINE_S):
    """Run a script that ends with a word on the standard output; return that."""
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()[-1]


def test_work_is_shared_out_when_the_process_ends():
    script = """
import atexit, threading
from facemesh_ros.spread import each
def late():
    print(sum(each(lambda n: n, list(range(50)), 3)), flush=True)
def after_main():
    threading.main_thread().join()
    late()
threading.Thread(target=after_main).start()
atexit.register(late)
"""
    assert python(script) == "1225"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_has_helpers_of_its_own():
    script = """
import os, threading
from facemesh_ros.spread import each
def meet():
    together = threading.Barrier(3)
    each(lambda _: together.wait(30), [1, 2, 3], 3)
meet()
child = os.fork()
meet()
if child:
    print("well" if os.waitpid(child, 0)[1] == 0 else "ill", flush=True)
else:
    os._exit(0)
"""
    assert python(script) == "well"


def test_work_without_end_does_not_hold_up_the_end_of_the_process():
    script = """
import threading
from facemesh_ros.spread import each
at_work, never = threading.Barrier(4), threading.Event()
def stuck(_):
    at_work.wait(30)
    never.wait()
threading.Thread(target=each, args=(stuck, [1, 2, 3], 3), daemon=True).start()
at_work.wait(30)
print("ended", flush=True)
"""
    assert python(script) == "ended"


def test_without_a_way_to_tell_the_process_s_cores_the_machine_s_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert usable_cores() == usable_threads(0) == 3


def test_0_threads_are_one_a_core_up_to_four(monkeypatch):
    for cores, expected in ((1, 1), (2, 2), (4, 4), (64, 4)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, n=cores: set(range(n)))
        assert usable_threads(0) == expected
    assert usable_threads(7) == 7
