"""What is let out, and till when."""

import threading
from contextlib import suppress

import pytest

from facemesh_ros.ros.gate import Gate, GateClosedError

DEADLINE_S = 10.0


def started(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


class Inside:
    """A thread that is inside a gate until it is told to leave, and then says so."""

    def __init__(self, gate):
        self.gate, self.entered, self.may_leave, self.said = gate, threading.Event(), threading.Event(), []
        self.thread = started(self.go)
        assert self.entered.wait(DEADLINE_S)

    def go(self):
        with self.gate:
            self.entered.set()
            assert self.may_leave.wait(DEADLINE_S)
            self.said.append("inside")


def test_one_goes_through_again_and_again_until_it_is_closed():
    gate, sent = Gate(), []
    for number in range(3):
        with gate:
            sent.append(number)
    assert not gate.is_closed
    gate.close()
    assert gate.is_closed
    with pytest.raises(GateClosedError), gate:
        sent.append("after")
    gate.close()
    assert sent == [0, 1, 2]


def test_closing_waits_for_all_who_are_inside_and_lets_nobody_else_in():
    gate = Gate()
    one, other = Inside(gate), Inside(gate)  # neither waits for the other
    closing = started(lambda: (gate.close(), one.said.append("closed")))
    one.may_leave.set()
    one.thread.join(DEADLINE_S)
    closing.join(0.05)  # of one that waits, as it should, nothing is to be seen but that it has not ended
    assert closing.is_alive() and gate.is_closed
    with pytest.raises(GateClosedError), gate:
        pass
    other.may_leave.set()
    closing.join(DEADLINE_S)
    assert (one.said, other.said) == (["inside", "closed"], ["inside"])


def test_who_fails_inside_has_left():
    gate = Gate()
    with pytest.raises(ZeroDivisionError), gate:
        raise ZeroDivisionError
    closing = started(gate.close)
    closing.join(DEADLINE_S)
    assert not closing.is_alive()


def test_after_closing_nothing_is_sent_however_many_are_at_it():
    gate, sent = Gate(), []

    def send():
        with suppress(GateClosedError):
            while True:
                with gate:
                    sent.append(1)

    threads = [started(send) for _ in range(4)]
    while len(sent) < 100:
        pass
    gate.close()
    count = len(sent)
    for thread in threads:
        thread.join(DEADLINE_S)
    assert len(sent) == count
