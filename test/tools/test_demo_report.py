"""Statistics of messages whose arrival is made up."""

import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from facemesh_ros.tools.demo_report import Statistics, loss, table


def samples(count=31, rate_hz=30.0, presences=(0.9,), dropped=0, drops=1, latency_ms=4.0):
    return [
        SimpleNamespace(
            arrived_s=100.0 + index / rate_hz,
            latency_ms=latency_ms,
            presences=presences,
            stage_ms={"detect": float(index == 0), "total": 5.0},
            dropped=dropped + drops * index,
        )
        for index in range(count)
    ]


def shown(given):
    console = Console(width=100, force_terminal=False)
    with console.capture() as capture:
        console.print(table(given, "a title"))
    return capture.get()


def cells(row, given):
    """Return what the table says in a row, without the row's name."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown(given).splitlines() if "│" in line]
    return next(found[1:] for found in rows if found[0] == row)


def test_no_messages_are_said_to_be_waited_for():
    assert "waiting for the first message" in shown([])


def test_one_message_has_no_rate():
    statistics = Statistics.of(samples(1))
    assert (statistics.messages, statistics.seconds, statistics.rate_hz) == (1, 0.0, 0.0)


@pytest.mark.parametrize("rate_hz", [5.0, 30.0])
def test_the_rate_is_that_of_the_arrivals_whatever_their_number(rate_hz):
    for count in (2, 31, 300):
        assert Statistics.of(samples(count, rate_hz)).rate_hz == pytest.approx(rate_hz)


def test_what_was_dropped_before_the_first_message_does_not_count():
    assert Statistics.of(samples(31, dropped=1000)).dropped == 30


def test_messages_without_faces_count_as_such():
    statistics = Statistics.of(samples(10) + samples(5, presences=()))
    assert (statistics.messages, statistics.with_face, statistics.faces) == (15, 10, 0)


def test_the_least_presence_is_that_of_any_face():
    assert Statistics.of([*samples(3, presences=(0.9, 0.6)), *samples(3)]).least_presence == 0.6
    assert Statistics.of(samples(3, presences=())).least_presence is None


def test_a_stage_that_seldom_runs_counts_by_its_share():
    assert Statistics.of(samples(20)).stage_ms == {"detect": pytest.approx(1 / 20), "total": 5.0}


def test_the_parts_of_mesh_are_indented_below_it():
    stages = ("detect", "mesh", "crop", "network", "post", "pose")
    (sample,) = samples(1)
    sample.stage_ms = dict.fromkeys(stages, 1.0)
    rows = [re.match(r"│( +)(\w+), mean", line) for line in shown([sample]).splitlines()]
    depths = {row[2]: len(row[1]) for row in filter(None, rows)}
    assert tuple(depths) == stages
    assert len({depths[stage] for stage in ("detect", "mesh", "pose")}) == 1
    assert {depths[stage] - depths["mesh"] for stage in ("crop", "network", "post")} == {2}


def test_latency_is_median_and_95th_percentile():
    given = [sample for value in range(101) for sample in samples(1, latency_ms=float(value))]
    statistics = Statistics.of(given)
    assert (statistics.median_latency_ms, statistics.p95_latency_ms) == (50.0, 95.0)


def test_the_line_says_it_all():
    assert Statistics.of(samples(301)).line() == (
        "301 messages in 10.0 s: 30.0 Hz, a face in 301 of 301, latency 4.0 ms median, 4.0 ms p95, dropped 300"
    )


@pytest.mark.parametrize(
    ("count", "seconds"),
    [
        (
            1,
            "1",
        ),
        (2, "2"),
        (91, "30"),
    ],
)
def test_the_table_sets_the_last_second_beside_the_last_minute(count, seconds):
    assert cells("messages", samples(count)) == [seconds, str(count)]


def test_each_column_of_the_table_has_its_own_figures():
    assert cells("total, mean", samples(91)) == ["5.0 ms", "5.0 ms"]
    assert cells("detect, mean", samples(91)) == ["0.0 ms", f"{1 / 91:.1f} ms"]
    assert cells("images dropped", samples(91)) == ["29", "90"]


def test_a_long_run_is_laid_out_from_its_last_minute_alone():
    class Counted(list):
        reads = 0

        def __getitem__(self, key):
            taken = super().__getitem__(key)
            self.reads += len(taken) if isinstance(key, slice) else 1
            return taken

    run = Counted(samples(30 * 3600))
    assert cells("messages", run) == ["30", "1800"]
    assert run.reads < 2000


@pytest.mark.parametrize(
    ("played_hz", "dropped_each", "is_lost"),
    [(30.0, 0, False), (32.0, 0, False), (60.0, 0, True), (60.0, 1, False), (300.0, 1, True)],
)
def test_images_are_lost_when_far_more_were_played_than_seen_or_dropped(played_hz, dropped_each, is_lost):
    given = Statistics.of(samples(301, drops=dropped_each))
    assert (loss(given, played_hz) is not None) == is_lost


def test_a_loss_is_told_with_its_size_and_the_remedy():
    told = loss(Statistics.of(samples(301, drops=0)), 90.0)
    assert told.startswith("about 599 of 900 images were lost")
    assert "--shm-size=512m" in told


@pytest.mark.parametrize(("count", "played_hz", "is_lost"), [(1, 90.0, False), (6, 90.0, False), (13, 90.0, True)])
def test_a_few_images_that_are_missing_at_the_start_are_no_loss(count, played_hz, is_lost):
    assert (loss(Statistics.of(samples(count, drops=0)), played_hz) is not None) == is_lost


def test_the_table_of_faceless_messages_has_no_presence():
    assert "–" in shown(samples(3, presences=()))
