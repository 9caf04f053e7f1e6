from types import SimpleNamespace

import numpy as np
import pytest

from facemesh_ros.config import FilterConfig
from facemesh_ros.filters import OneEuroFilter, TrackFilters, smoothing_factor

POINTS = np.random.default_rng(0).uniform(100, 300, (468, 3)).astype(np.float32)


def run(points, stamps, config=None):
    one = OneEuroFilter(config or FilterConfig())
    return np.stack([one(p, t) for p, t in zip(points, stamps, strict=True)])


def test_a_face_at_rest_is_returned_as_it_is():
    out = run([POINTS] * 10, np.arange(10) / 30)
    assert np.array_equal(out, np.stack([POINTS] * 10))


def test_the_first_image_is_returned_as_it_is():
    assert np.array_equal(run([POINTS], [0.0])[0], POINTS)


def test_noise_on_a_face_at_rest_shrinks():
    rng = np.random.default_rng(1)
    noisy = [POINTS + rng.normal(0, 0.3, POINTS.shape).astype(np.float32) for _ in range(120)]
    out = run(noisy, np.arange(120) / 30)
    assert np.std(out[60:], axis=0).mean() < 0.75 * np.std(noisy[60:], axis=0).mean()


def test_a_moving_face_is_followed_with_less_lag_than_a_tenth_of_a_frame_a_frame():
    moving = [POINTS + np.float32(10 * i) for i in range(30)]
    out = run(moving, np.arange(30) / 30)
    assert np.abs(out[-1] - moving[-1]).max() < 1.0


@pytest.mark.parametrize("rate_hz", [15, 30, 60])
@pytest.mark.parametrize("speed", [0.1, 1.0])
def test_a_steady_motion_is_trailed_by_speed_over_the_cut_off_at_any_rate(rate_hz, speed):
    # (1 - alpha) / alpha is tau / period, so the distance is speed * tau: 1 / (2 pi beta) face sizes where beta rules.
    config = FilterConfig()
    size = np.ptp(POINTS[:, :2], axis=0).mean()
    stamps = np.arange(20 * rate_hz) / rate_hz
    moving = [POINTS + np.float32(speed * size * t) for t in stamps]
    trailed = (moving[-1] - run(moving, stamps, config)[-1]) / size
    cutoff_hz = config.min_cutoff_hz + config.beta * speed
    assert trailed == pytest.approx(np.full(POINTS.shape, speed / (2 * np.pi * cutoff_hz)), rel=0.02)


def test_shifting_the_face_shifts_the_result():
    rng = np.random.default_rng(5)
    walk = [POINTS + rng.normal(0, 1, POINTS.shape).astype(np.float32) for _ in range(20)]
    stamps = np.arange(20) / 30
    assert run([w + np.float32(64) for w in walk], stamps) == pytest.approx(run(walk, stamps) + 64, abs=1e-3)


def test_a_point_never_leaves_the_span_between_its_last_value_and_the_new_one():
    rng = np.random.default_rng(2)
    walk = [POINTS + np.float32(s) for s in rng.normal(0, 20, 40).cumsum()]
    out = run(walk, np.arange(40) / 30)
    for last, raw, now in zip(out[:-1], walk[1:], out[1:], strict=True):
        assert (now >= np.minimum(last, raw) - 1e-3).all()
        assert (now <= np.maximum(last, raw) + 1e-3).all()


def test_twice_the_face_gives_twice_the_result():
    rng = np.random.default_rng(3)
    walk = [POINTS + rng.normal(0, 1, POINTS.shape).astype(np.float32) for _ in range(20)]
    stamps = np.arange(20) / 30
    assert run([2 * w for w in walk], stamps) == pytest.approx(2 * run(walk, stamps), rel=1e-5)


@pytest.mark.parametrize("stamp", [0.5, 0.4, -0.4])
def test_a_stamp_that_stands_still_or_steps_back_returns_the_raw_points_and_changes_nothing(stamp):
    one, other = OneEuroFilter(FilterConfig()), OneEuroFilter(FilterConfig())
    for filtered in (one, other):
        filtered(POINTS, 0.5)
    assert np.array_equal(one(POINTS + 5, stamp), POINTS + 5)
    assert np.array_equal(one(POINTS + 1, 0.6), other(POINTS + 1, 0.6))


def test_a_gap_starts_the_filter_anew():
    config = FilterConfig(max_gap_s=1.0)
    out = run([POINTS, POINTS + 5, POINTS + 9], [0.0, 0.1, 1.2], config)
    assert not np.array_equal(out[1], POINTS + 5)
    assert np.array_equal(out[2], POINTS + 9)


def test_a_jump_back_starts_the_filter_anew_and_smoothing_goes_on():
    out = run([POINTS, POINTS + 5, POINTS + 9], [1000.0, 3.0, 3.03])
    assert np.array_equal(out[1], POINTS + 5)
    assert not np.array_equal(out[2], POINTS + 9)


def test_points_in_one_place_stay_finite():
    still = np.zeros((468, 3), np.float32)
    assert np.isfinite(run([still, still + 1, still + 3], [0.0, 0.1, 0.2])).all()


def test_another_number_of_points_starts_the_filter_anew():
    out = OneEuroFilter(FilterConfig())
    out(POINTS, 0.0)
    more = np.ones((478, 3), np.float32)
    assert np.array_equal(out(more, 0.1), more)


def test_the_smoothing_factor_is_that_of_the_paper():
    # A cut-off of 1 / (2 pi tau) with tau equal to the period weighs old and new alike.
    assert smoothing_factor(1 / (2 * np.pi * 0.1), 0.1) == pytest.approx(0.5)


def test_one_step_equals_the_formula_by_hand():
    one = OneEuroFilter(FilterConfig(min_cutoff_hz=1.0, beta=2.0, derivative_cutoff_hz=3.0))
    start = np.array([[0, 0, 0], [150, 50, 0]], np.float32)
    one(start, 0.0)
    moved = one(start + np.float32(10), 0.1)
    speed = 10 / 0.1 / 100 * (1 / (1 + 1 / (2 * np.pi * 3.0) / 0.1))
    alpha = 1 / (1 + 1 / (2 * np.pi * (1.0 + 2.0 * speed)) / 0.1)
    assert moved - start == pytest.approx(np.full((2, 3), 10 * alpha), rel=1e-5)


def test_columns_of_constants_give_what_each_gives_alone():
    # bench/filter.py tries all settings in one sweep.
    rng = np.random.default_rng(6)
    walk = [POINTS + rng.normal(0, 1, POINTS.shape).astype(np.float32) for _ in range(20)]
    names, settings = ("min_cutoff_hz", "beta", "derivative_cutoff_hz"), [(0.05, 80.0, 1.0), (1.0, 5.0, 2.0)]
    columns = dict(zip(names, np.array(settings).T[:, :, np.newaxis, np.newaxis], strict=True))
    sweep = OneEuroFilter(SimpleNamespace(**columns, max_gap_s=1.0))
    singles = [OneEuroFilter(FilterConfig(**dict(zip(names, one, strict=True)))) for one in settings]
    for index, points in enumerate(walk):
        both = np.broadcast_to(sweep(points, index / 30), (2, *POINTS.shape))
        assert np.array_equal(both, np.stack([single(points, index / 30) for single in singles]))


def test_two_tracks_are_each_smoothed_as_if_alone():
    rng = np.random.default_rng(4)
    faces = {1: POINTS, 2: np.vstack([3 * POINTS, POINTS[:10]])}
    films = {i: [p + rng.normal(0, 2, p.shape).astype(np.float32) for _ in range(20)] for i, p in faces.items()}
    filters, alone = TrackFilters(FilterConfig()), {i: OneEuroFilter(FilterConfig()) for i in faces}
    for index in range(20):
        for track_id in (1, 2) if index % 3 else (2,):  # now and then only the second is seen
            points = films[track_id][index]
            smooth = filters.smooth(track_id, points, index / 30)
            assert np.array_equal(smooth, alone[track_id](points, index / 30))
    assert len(filters) == 2


def test_a_track_that_was_forgotten_starts_anew():
    filters = TrackFilters(FilterConfig())
    filters.smooth(1, POINTS, 0.0)
    filters.keep([])
    assert np.array_equal(filters.smooth(1, POINTS + 5, 0.1), POINTS + 5)


def test_switched_off_it_returns_the_very_points():
    assert TrackFilters(FilterConfig(enabled=False)).smooth(1, POINTS, 0.0) is POINTS
