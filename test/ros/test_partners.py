"""Who waits for whom, and for how long: images and the messages that belong to them, on a clock of their own."""

import statistics

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import info_message, stamp

from facemesh_ros.ros.convert import stamp_seconds
from facemesh_ros.ros.partners import ASKING, PATIENT_MISSES, Partners

pytestmark = pytest.mark.ros

WAIT_S = 0.03
STEP_S = 0.033


class Streams:
    """Partners whose messages come, as planned, when a clock that waiting moves has come so far."""

    def __init__(self, kept=8, tolerance_s=0.0):
        self.now_s = 0.0
        self.partners = Partners(kept, WAIT_S, tolerance_s, lambda: self.now_s)
        self.partners._changed.wait_for = self._wait_for
        self._planned = []

    def plan(self, seconds, lag_s, off_s=0.0):
        """Let a message come so long after the image of this stamp; its own stamp is ``off_s`` later."""
        self._planned = sorted([*self._planned, (seconds + lag_s, seconds + off_s)])

    def image(self, seconds):
        """Let an image come at the time of its stamp; return how long it waits, and the stamp of its partner."""
        self._deliver(seconds)
        self.now_s = max(self.now_s, seconds)
        began_s = self.now_s
        found = self.partners.partner_of(stamp(seconds))
        return self.now_s - began_s, None if found is None else stamp_seconds(found.header)

    def run(self, images, lag_s, of_images=1, off_s=0.0, start=0):
        """Let images come at a steady rate, every ``of_images``-th with a message; return waits and partners."""
        stamps = [1.0 + STEP_S * number for number in range(start, start + images)]
        for seconds in stamps[::of_images]:
            self.plan(seconds, lag_s, off_s)
        waits, partners = zip(*map(self.image, stamps), strict=True)
        return waits, partners

    def _deliver(self, until_s):
        while self._planned and self._planned[0][0] <= until_s:
            arrival_s, seconds = self._planned.pop(0)
            self.now_s = max(self.now_s, arrival_s)
            self.partners.put(info_message(seconds))

    def _wait_for(self, has_come, timeout_s):
        end_s = self.now_s + timeout_s
        while not has_come() and self._planned and self._planned[0][0] <= end_s:
            self._deliver(self._planned[0][0])
        if not has_come():
            self.now_s = end_s
        return has_come()


def found(partners):
    return [partner is not None for partner in partners]


def test_nobody_waits_where_nothing_ever_came():
    waits, partners = Streams().run(3 * PATIENT_MISSES, lag_s=1e6)
    assert (max(waits), any(found(partners))) == (0.0, False)


@pytest.mark.parametrize("lag_s", [-0.005, 0.0, 0.004, 0.029])
def test_what_comes_in_time_is_waited_for_as_long_as_it_takes(lag_s):
    waits, partners = Streams().run(50, lag_s)
    assert found(partners)[1:] == [True] * 49
    assert max(waits) == pytest.approx(max(lag_s, 0.0))


@pytest.mark.parametrize("lag_s", [0.031, 0.045, 0.2])
def test_what_always_comes_too_late_is_not_waited_for(lag_s):
    streams = Streams()
    waits, partners = streams.run(50, lag_s)
    assert not any(found(partners))
    assert sum(waits) <= 2 * WAIT_S
    assert streams.partners.lag_s == pytest.approx(lag_s)


def test_once_it_comes_in_time_again_it_is_waited_for_again():
    streams = Streams()
    streams.run(50, 0.045)
    _, partners = streams.run(20, 0.004, start=50)
    assert found(partners)[2:] == [True] * 18


@pytest.mark.parametrize("of_images", [2, 3, 4])
def test_an_image_whose_partner_is_not_due_by_the_rate_does_not_wait(of_images):
    waits, partners = Streams().run(60, 0.002, of_images)
    assert found(partners)[of_images:] == ([True] + [False] * (of_images - 1)) * (60 // of_images - 1)
    assert max(waits[4 * of_images :]) == pytest.approx(0.002)


def test_stamps_that_never_agree_end_the_waiting():
    streams = Streams()
    waits, partners = streams.run(60, lag_s=0.002, off_s=0.005)
    assert not any(found(partners))
    assert waits[2 * PATIENT_MISSES :] == (0.0,) * (60 - 2 * PATIENT_MISSES)
    assert streams.partners.lag_s is None


def test_a_newer_message_ends_the_wait_since_a_topic_keeps_its_order():
    streams = Streams()
    streams.run(5, 0.0)
    streams.plan(2.0, lag_s=0.007, off_s=0.02)
    assert streams.image(2.0) == (pytest.approx(0.007), None)


def test_lost_messages_cost_their_images_a_wait_and_no_more():
    streams = Streams()
    streams.run(20, 0.002)
    assert streams.image(1.0 + 20 * STEP_S) == (pytest.approx(WAIT_S), None)
    waits, partners = streams.run(20, 0.002, start=21)
    assert (max(waits), all(found(partners))) == (pytest.approx(0.002), True)


def test_a_topic_that_falls_silent_is_given_up():
    streams = Streams()
    streams.run(20, 0.002)
    waits, _ = streams.run(4 * PATIENT_MISSES, lag_s=1e6, start=20)
    assert sum(waits) <= (PATIENT_MISSES + 1) * WAIT_S


def test_messages_of_a_bag_that_loops_are_the_newest_again():
    """What was put first is forgotten first, unless it was put again."""
    partners = Partners(2, 0.0)
    for seconds in (1.0, 2.0, 1.0, 3.0):
        partners.put(info_message(seconds))
    assert partners.partner_of(stamp(1.0)) is not None
    assert partners.partner_of(stamp(2.0)) is None


def test_the_second_round_of_a_bag_that_loops_is_waited_for_like_the_first():
    streams = Streams()
    streams.run(200, 0.002)
    streams.now_s = 0.0
    waits, partners = streams.run(200, 0.002)
    assert (all(found(partners)), max(waits)) == (True, pytest.approx(0.002))


def test_images_without_a_partner_are_not_remembered_for_ever():
    streams = Streams()
    streams.run(3 * ASKING, lag_s=1e6)
    assert len(streams.partners._asked_s) == ASKING


def test_the_exact_stamp_is_waited_for_though_one_before_is_within_the_tolerance():
    streams = Streams(tolerance_s=0.05)
    _, partners = streams.run(20, 0.005)
    stamps = [1.0 + STEP_S * number for number in range(20)]
    assert partners[2:] == pytest.approx(stamps[2:])


@pytest.mark.parametrize("off_s", [-0.012, 0.01, 0.014])
def test_with_a_tolerance_the_nearest_pairs_however_the_stamps_lie(off_s):
    waits, partners = Streams(tolerance_s=0.03).run(60, 0.005, off_s=off_s)
    nearest = [1.0 + STEP_S * number + off_s for number in range(60)]
    assert partners[5:] == pytest.approx(nearest[5:])
    assert max(waits) <= WAIT_S + 1e-9


def test_with_a_tolerance_an_image_takes_the_partner_of_the_one_before_where_it_has_none_of_its_own():
    waits, partners = Streams(tolerance_s=0.05).run(60, 0.002, of_images=2)
    stamps = [1.0 + STEP_S * (number - number % 2) for number in range(60)]
    assert partners[4:] == pytest.approx(stamps[4:])
    assert statistics.median(waits) <= 0.002 + 1e-9


def test_how_late_a_partner_is_counts_also_where_its_stamp_is_off_within_the_tolerance():
    streams = Streams(tolerance_s=0.01)
    waits, _ = streams.run(50, lag_s=0.045, off_s=0.005)
    assert streams.partners.lag_s == pytest.approx(0.045)
    assert sum(waits) <= 3 * WAIT_S


def test_of_slower_messages_with_stamps_of_their_own_each_image_takes_the_nearest():
    _, partners = Streams(tolerance_s=0.025).run(60, lag_s=0.022, of_images=2, off_s=0.02)
    nearest = [1.02 + STEP_S * (number - number % 2) for number in range(60)]
    assert partners[4:] == pytest.approx(nearest[4:])
