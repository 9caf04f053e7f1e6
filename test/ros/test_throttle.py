"""Complaints that repeat."""

from facemesh_ros.ros.throttle import PERIOD_S, Throttle


def test_each_kind_is_due_at_first_and_again_after_a_while():
    now = [100.0]
    throttle = Throttle(lambda: now[0])
    assert [throttle.is_due(kind) for kind in ("a", "a", "b")] == [True, False, True]
    now[0] += PERIOD_S
    assert throttle.is_due("a")
