"""The stage timer, on a clock that the test moves."""

from contextlib import suppress

import pytest

from facemesh_ros.ros.timing import LATER, STAGES, StageTimer


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


def test_a_message_tells_of_every_stage_and_of_the_whole(timer):
    message = pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup").FaceMeshTiming
    assert (*STAGES, "total") == tuple(message.get_fields_and_field_types()) == tuple(timer.result_ms())


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


@pytest.mark.parametrize("name", [name for name in STAGES if name not in LATER])
def test_each_image_begins_at_zero(timer, clock, name):
    timer.begin(clock())
    with timer.stage(name):
        clock.pass_ms(9)
    timer.begin(clock())
    assert timer.result_ms()[name] == 0.0


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


@pytest.mark.parametrize("name", LATER)
def test_what_becomes_of_a_message_is_known_to_the_next_image_of_its_camera_alone(timer, clock, name):
    other_camera = StageTimer(clock)
    for previous_ms, duration_ms in ((0, 5), (5, 3), (3, 8)):
        timer.begin(clock())
        other_camera.begin(clock())
        assert timer.result_ms()[name] == pytest.approx(previous_ms)
        with timer.stage(name):
            clock.pass_ms(duration_ms)
        assert timer.stages_ms[name] == pytest.approx(duration_ms)
        assert other_camera.result_ms()[name] == 0.0


@pytest.mark.parametrize("name", LATER)
def test_images_that_come_to_nothing_do_not_hide_the_last_message(timer, clock, name):
    with timer.stage(name):
        clock.pass_ms(5)
    for _ in range(3):
        timer.begin(clock())
        assert timer.result_ms()[name] == pytest.approx(5)
