"""When what comes again and again has ceased to."""

import pytest

from facemesh_ros.ros.pulse import Pulse

A_BIT_S = 1e-3


def beating(interval_s, began_s=100.0):
    """Return a pulse and the time of its last beat."""
    pulse, times_s = Pulse(), [began_s + n * interval_s for n in range(3)]
    for time_s in times_s:
        pulse.beat(time_s)
    return pulse, times_s[-1]


def test_without_a_beat_nothing_has_ceased():
    assert not Pulse().has_ceased(1e9)


@pytest.mark.parametrize(("interval_s", "patience_s"), [(0.0, 1.0), (1 / 30, 1.0), (0.5, 1.5), (1.0, 3.0), (9.0, 10.0)])
def test_it_has_ceased_after_three_intervals_or_a_second_or_ten(interval_s, patience_s):
    pulse, last_s = beating(interval_s)
    assert not pulse.has_ceased(last_s + patience_s - A_BIT_S)
    assert pulse.has_ceased(last_s + patience_s + A_BIT_S)


def test_after_the_first_beat_the_second_may_come_a_second_later():
    pulse = Pulse()
    pulse.beat(100.0)
    assert not pulse.has_ceased(102.0)
    assert pulse.has_ceased(103.1)


@pytest.mark.parametrize("interval_s", [1 / 30, 1.0, 3.0])
def test_what_goes_on_never_ceases(interval_s):
    pulse, last_s = beating(interval_s)
    for number in range(1, 50):
        now_s = last_s + number * interval_s
        assert not pulse.has_ceased(now_s)
        pulse.beat(now_s)


def test_while_the_clock_stands_still_nothing_ceases():
    pulse, last_s = beating(0.1)
    assert not any(pulse.has_ceased(last_s) for _ in range(100))


def test_silence_before_the_clock_went_back_does_not_count_and_silence_after_it_does():
    pulse, _ = beating(0.1)
    assert not pulse.has_ceased(5.0)
    assert not pulse.has_ceased(5.9)
    assert pulse.has_ceased(6.1)


def test_a_beat_after_the_clock_went_back_is_a_beat():
    pulse, _ = beating(0.1)
    pulse.beat(5.0)
    assert not pulse.has_ceased(5.9)
    assert pulse.has_ceased(6.1)
