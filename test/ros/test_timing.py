"""The stage timer, on a clock that the test moves."""

from contextlib import suppress

import pytest

from facemesh_ros.ros.timing import STAGES, StageTimer


class FakeClock:
    now_s = 100.0

    def __call__(self):
        return self.now_s

    def pass_ms(self, duration_ms):
        self.now_s += 1e-3 * duration_ms


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def timer(clock):
    return StageTimer(clock)


def test_stages_that_did_not_run_are_zero(timer, clock):
    timer.begin(clock())
    assert timer.result_ms() == dict.fromkeys((*STAGES, "total"), 0.0)


def test_an_image_queues_from_its_arrival_until_work_begins(timer, clock):
    arrived_s = timer.now_s()
    clock.pass_ms(7)
    timer.begin(arrived_s)
    clock.pass_ms(3)
    result = timer.result_ms()
    assert (result["queue"], result["total"]) == pytest.approx((7, 10))


def test_a_stage_that_is_entered_twice_adds_up(timer, clock):
    timer.begin(clock())
    for duration_ms in (2, 5):
        with timer.stage("mesh"):
            clock.pass_ms(duration_ms)
    assert timer.result_ms()["mesh"] == pytest.approx(7)


def test_a_stage_that_fails_is_timed_all_the_same(timer, clock):
    timer.begin(clock())
    with suppress(ZeroDivisionError), timer.stage("decode"):
        clock.pass_ms(4)
        raise ZeroDivisionError
    assert timer.result_ms()["decode"] == pytest.approx(4)


def test_each_image_begins_at_zero(timer, clock):
    timer.begin(clock())
    with timer.stage("detect"):
        clock.pass_ms(9)
    timer.begin(clock())
    assert timer.result_ms()["detect"] == 0.0


def test_what_ends_after_the_message_is_made_is_told_in_the_next_one(timer, clock):
    for duration_ms, told_ms in ((3, 0), (5, 3)):
        timer.begin(clock())
        with timer.stage("build"):
            assert timer.result_ms()["build"] == pytest.approx(told_ms)
            clock.pass_ms(duration_ms)
        assert timer.stages_ms["build"] == pytest.approx(duration_ms)


def test_a_stage_inside_another_counts_in_both(timer, clock):
    timer.begin(clock())
    with timer.stage("mesh"):
        clock.pass_ms(1)
        with timer.stage("network"):
            clock.pass_ms(2)
    result = timer.result_ms()
    assert (result["mesh"], result["network"]) == pytest.approx((3, 2))
