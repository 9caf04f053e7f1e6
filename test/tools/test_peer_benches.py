"""What the benches against the peer make of figures, their films, and how the document gets its tables."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def load(monkeypatch):
    """Import scripts of bench/, which import each other by their bare names."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCH))
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__).parent == BENCH:
            del sys.modules[name]


def blocks(wall_ms, faces=1):
    return [{"wall_ms": [ms] * 2, "cpu_ms": [ms] * 2, "faces": [faces] * 2, "rss_mb": 100.0} for ms in wall_ms]


@pytest.fixture
def library_row(load):
    """Return the row of the library's first target for blocks of both sides."""
    library = load("library")
    case, target = next(iter(library.TARGETS.items()))

    def row(ours, peer):
        return {"name": str(case), **library.summary(case, {"ours": ours, "peer": peer}), "target": target}

    return row


def test_a_ratio_of_the_library_is_the_median_over_blocks_of_peer_over_us(library_row):
    row = library_row(blocks([2.0, 2.0, 4.0]), blocks([4.0, 6.0, 40.0]))
    assert row["wall_ratios"] == [2.0, 3.0, 10.0]
    assert row["wall_ratio"] == row["cpu_ratio"] == 3.0


def test_a_target_of_the_library_is_met_from_its_ratio_on(load, library_row):
    library = load("library")
    met, missed = library_row(blocks([1.0]), blocks([1.7])), library_row(blocks([1.0]), blocks([1.69]))
    assert (library.verdict(met), library.verdict(missed)) == ("1.7 met", "1.7 missed")
    assert library.misses([met]) == []
    assert library.misses([missed]) == ["468 points, 1, 1280×720: 1.69 times faster, target 1.7"]


def test_sides_that_do_not_follow_the_same_faces_are_not_compared(load, library_row):
    library = load("library")
    row = library_row(blocks([1.0]), blocks([9.0], faces=0))
    assert not row["comparable"]
    assert "all faces in 100 % / 0 %" in library.cells(row)
    assert library.verdict(row) == "1.7 uncompared"
    assert library.misses([row]) == ["468 points, 1, 1280×720: one side does not follow all faces, target 1.7"]


def test_every_case_with_a_target_is_among_the_cases(load):
    library = load("library")
    assert set(library.TARGETS) <= set(library.cases())
    assert len(set(map(str, library.cases()))) == len(library.cases())


def turn(load, latency_ms, cpu_s, sent=10, answered=10):
    return load("node_sides").Turn(sent, cpu_s, [latency_ms] * answered)


def test_an_image_without_an_answer_is_dropped_and_a_node_without_any_has_no_ratio(load):
    node, row_of = load("node"), load("node_sides").row_of
    assert row_of("x", [turn(load, 5.0, 0.1), turn(load, 5.0, 0.1, answered=7)])["dropped"] == 3
    silent = node.ratios({"ours": [turn(load, 5.0, 0.1)], "peer": [turn(load, 5.0, 0.1, answered=0)]})
    assert silent == {"cpu_ratio": None, "latency_ratio": None}


def test_a_node_that_is_less_ahead_than_promised_is_told_in_the_case_with_targets_alone(load):
    node = load("node")
    ratios = node.ratios({"ours": [turn(load, 4.0, 0.04)], "peer": [turn(load, 6.0, 0.06)]})
    assert ratios == {"cpu_ratio": pytest.approx(1.5), "latency_ratio": pytest.approx(1.5)}
    assert node.misses([{**ratios, "is_target": False}]) == []
    assert node.misses([{**ratios, "is_target": True}]) == ["cpu: 1.50 times less than the peer's, target 2"]


def test_slopes_are_those_of_the_line(load):
    rows = [{"axis": "faces", "value": count, "ms": 3.0 + 2.0 * count} for count in (1, 2, 8)]
    assert load("scale").slopes(rows) == {"faces": {"ms_each": pytest.approx(2.0), "ms_at_none": pytest.approx(3.0)}}


@pytest.mark.parametrize(("curve", "grows"), [([100.0, 102.0, 99.0], False), ([100.0, 102.1, 100.0], True)])
def test_memory_that_was_ever_two_mb_above_its_start_grows(load, curve, grows):
    report = {"rows": [], "memory_mb": list(enumerate(curve))}
    assert bool(load("scale").misses(report)) == grows


@pytest.mark.parametrize("faces", [1, 2, 3, 4, 8, 32])
def test_a_crowd_has_a_tile_for_each_face_and_repeats(load, faces):
    films = load("films")
    crowd = films.Crowd(faces, (320, 180))
    frame = crowd.frame_bgr(3)
    assert frame.shape == (180, 320, 3)
    assert np.array_equal(frame, crowd.frame_bgr(3 + films.PERIOD_FRAMES))
    (width, height), columns = crowd._tile_wh, 320 // crowd._tile_wh[0]
    tiles = [
        frame[y : y + height, x : x + width]
        for y in range(0, 181 - height, height)
        for x in range(0, 321 - width, width)
    ]
    assert columns * width <= 320
    assert sum(bool(tile.any()) for tile in tiles) == faces


def test_a_film_on_disk_is_rgb_and_written_once(load, tmp_path):
    films = load("films")
    path = films.write_film(tmp_path, 1, (64, 48), 2)
    assert np.array_equal(np.load(path)[1], films.film_of(1, (64, 48)).frame_bgr(1)[..., ::-1])
    when = path.stat().st_mtime_ns
    assert films.write_film(tmp_path, 1, (64, 48), 2).stat().st_mtime_ns == when


def test_a_document_is_filled_between_its_markers_again_and_again(load):
    filled = load("performance").filled
    document = "before <!-- a --> old <!-- /a --> after"
    once = filled(document, {"a": r"new \1"})
    assert once == "before <!-- a -->\nnew \\1\n<!-- /a --> after"
    assert filled(once, {"a": r"new \1"}) == once
    with pytest.raises(SystemExit, match="<!-- b -->"):
        filled(document, {"b": "x"})


def test_the_page_on_performance_is_what_its_results_say(load):
    performance = load("performance")
    text = performance.DOCUMENT.read_text(encoding="utf-8")
    assert performance.filled(text, {name: section() for name, section in performance.SECTIONS.items()}) == text
    for path in performance.RESULTS.iterdir():
        assert path.stat().st_size < 150_000, path
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
