"""What the scripts in bench/ do with data that lacks something, and what they make of figures."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_faces import Scripted, annotated, found, result, write_counted, write_gt

BENCH = Path(__file__).parents[2] / "bench"


def bench(name):
    spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def run(name, *arguments, cwd):
    command = [sys.executable, str(BENCH / f"{name}.py"), *map(str, arguments)]
    environment = {"PYTHONPATH": str(BENCH.parent), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.models
@pytest.mark.parametrize("name", ["ablation", "exposure", "reach"])
def test_a_folder_that_is_missing_is_one_line(networks, tmp_path, name):
    done = run(name, tmp_path / "nowhere", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{name}.py: there is no folder") and done.stderr.count("\n") == 1


@pytest.mark.models
@pytest.mark.parametrize(("name", "size"), [("ablation", 60.0), ("exposure", 60.0), ("reach", 10.0)])
def test_data_without_a_face_that_counts_is_one_line(networks, tmp_path, name, size):
    write_gt(tmp_path, [("gt/a.png", "YouTube Faces", True, [annotated(bbox_size=size)])])
    done = run(name, tmp_path, cwd=tmp_path)
    assert done.returncode == 1
    assert "gt.json has no face" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / f"{name}.json").exists()


@pytest.fixture
def ablation(monkeypatch, tmp_path):
    """Run the ablation with every variant finding the same; return the rows printed and the JSON written."""
    module = bench("ablation")

    def measured(answers):
        monkeypatch.setattr(module, "Variant", lambda name, _: Scripted(name, answers))
        monkeypatch.setattr(sys, "argv", ["ablation.py", str(tmp_path), "--json", str(tmp_path / "a.json")])
        assert module.main() == 0
        return json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)

    return measured


def test_the_ablation_has_mean_and_median_of_all_of_frontal_and_of_turned_faces(ablation, tmp_path):
    pose = {"pitch": 0.0, "roll": 0.0}
    yaws = (0.0, 14.9, 15.0, 30.0)
    items = [(f"gt/{n}.png", "s", True, [annotated(pose_approx={"yaw": yaw, **pose})]) for n, yaw in enumerate(yaws)]
    write_gt(tmp_path, items)
    written = ablation([result(found((50 + x, 50))) for x in (0, 6, 0, 12)])
    row = written["rows"][0]
    assert row["NME51 in %, same faces"] == "7.50 / 5.00"
    assert row["NME51 in %, |yaw| < 15°"] == "5.00 / 5.00"
    assert row["NME51 in %, |yaw| ≥ 30°"] == "20.00 / 20.00"
    assert (row["annotated found"], row["counted found"], row["ms, counted"]) == ("4/4", "0/0", "–")
    assert written["errors"]["all parts"]["|yaw| < 15°"]["faces"] == 2


def test_an_ablation_without_turned_faces_has_no_figure_for_them(ablation, tmp_path):
    write_gt(tmp_path, [("gt/a.png", "s", True, [annotated()])])
    write_counted(tmp_path, [("images/b.png", 1, "")])
    written = ablation([result(found())] * 2)
    assert written["rows"][0]["NME51 in %, |yaw| ≥ 30°"] == "–"
    assert written["rows"][0]["counted found"] == "1/1"
    assert written["errors"]["all parts"]["|yaw| ≥ 30°"] == {"faces": 0, "nme51_iod": None}


def test_a_search_that_costs_more_than_promised_is_told():
    row = {"size_wh": (640, 480), "network": "mesh"}
    assert bench("search").misses([{**row, "ratio": 1.15}]) == []
    assert bench("search").misses([{**row, "ratio": 1.16}]) == ["640×480, mesh: 1.16, promised 1.15"]


def test_the_search_is_measured_in_one_block_or_more(tmp_path):
    done = run("search", "--blocks", "0", cwd=tmp_path)
    assert done.returncode == 2 and "'0' is no whole number from 1" in done.stderr


def test_a_drawing_that_takes_longer_than_promised_is_told_of_one_face_of_usual_size():
    row = {"faces": 1, "face_px": 400.0, "draw_ms": [3.0]}
    late = {"draw_ms": [2.9, 3.1, 9.0]}
    misses = bench("draw").misses
    assert misses([row, {**row, **late, "faces": 2}, {**row, **late, "face_px": 501.0}]) == []
    assert misses([{**row, **late}]) == ["one face of 400 px: 3.1 ms, promised 3"]
