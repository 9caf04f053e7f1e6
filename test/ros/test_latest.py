"""A slot for one value between two threads."""

import threading

from facemesh_ros.ros.latest import Latest

DEADLINE_S = 10.0


def waiting(slot):
    """Start a thread that takes; return it and the list that its value goes to."""
    taken = []
    thread = threading.Thread(target=lambda: taken.append(slot.take()), daemon=True)
    thread.start()
    return thread, taken


def test_what_is_put_is_taken():
    slot = Latest()
    slot.put("a")
    assert slot.take() == "a"


def test_the_newest_wins_and_every_overwriting_is_told():
    slot = Latest()
    assert [slot.put(value) for value in "abc"] == [False, True, True]
    assert slot.take() == "c"


def test_a_value_is_taken_once():
    slot = Latest()
    slot.put("a")
    slot.take()
    assert slot.put("b") is False
    assert slot.take() == "b"


def test_who_waits_gets_the_next_value():
    slot = Latest()
    thread, taken = waiting(slot)
    slot.put("a")
    thread.join(DEADLINE_S)
    assert taken == ["a"]


def test_closing_wakes_who_waits():
    slot = Latest()
    thread, taken = waiting(slot)
    slot.close()
    thread.join(DEADLINE_S)
    assert taken == [None]


def test_a_closed_slot_neither_takes_nor_gives():
    slot = Latest()
    slot.put("before")
    slot.close()
    assert slot.put("after") is False
    assert slot.take() is None
