"""The subcommand: arguments, order of work, files; on data made up in a temporary folder."""

import io
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_faces import (
    Scripted,
    annotated,
    found,
    result,
    write_clip_of,
    write_counted,
    write_gt,
    write_image,
    write_motion,
)
from rich.console import Console

from facemesh_ros import Config
from facemesh_ros.errors import ConfigError, FaceMeshError
from facemesh_ros.tools import evaluate
from facemesh_ros.tools.__main__ import main
from facemesh_ros.tools.evaluation.ibug68 import Ibug68
from facemesh_ros.tools.evaluation.report import LEAST_WIDTH
from facemesh_ros.tools.evaluation.subjects import Library


@pytest.fixture
def scripted(monkeypatch):
    """Put a scripted subject in the place of the library; return what it was made with."""
    made = {}

    def library(config, still_faces, stream_faces, version):
        made.update(config=config, still_faces=still_faces, stream_faces=stream_faces)
        return Scripted(Library.name, made["stills"], made["frames"])

    library.name = Library.name
    monkeypatch.setattr(evaluate, "Library", library)
    made.update(stills=[result(found())] * 9, frames=[result(found(identity=1))] * 9)
    return made


@pytest.fixture
def data(tmp_path):
    write_gt(tmp_path / "data", [("gt/a.png", "s", True, [annotated(bbox_size=60.0), annotated((500, 50))])])
    write_counted(tmp_path / "data", [("images/b.png", 1, "one")])
    write_clip_of(tmp_path / "data", 3)
    return tmp_path / "data"


def run(data, *options):
    return main(["evaluate", str(data), "--out", str(data.parent / "out"), *options])


def written(data):
    return json.loads((data.parent / "out" / "evaluation.json").read_text(encoding="utf-8"))


def test_tables_json_and_pictures_are_written(scripted, data, capsys):
    assert run(data) == 0
    printed = capsys.readouterr().out
    assert "Annotated faces" in printed and "Clips: ids" in printed
    out = data.parent / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "evaluation.json",
        "evaluation.md",
        "worst_missed.png",
        "worst_nme.png",
    ]
    assert "| all | facemesh_ros | 1/2 | 50 % |" in (out / "evaluation.md").read_text(encoding="utf-8")
    assert "Left out" not in (out / "evaluation.md").read_text(encoding="utf-8")
    assert cv2.imread(str(out / "worst_missed.png")) is not None
    figures = written(data)
    assert figures["gt"]["groups"][0]["subjects"]["facemesh_ros"]["found"] == 1
    assert figures["machine"]["cores"] >= 1 and figures["machine"]["packages"]["cv2"] == cv2.__version__
    assert figures["subjects"] == {"facemesh_ros": {"version": "made up"}}
    assert {"gt", "images", "videos", "failures", "command", "created", "pixel_shift"} <= set(figures)


def test_pictures_of_an_earlier_run_do_not_stay_and_those_of_others_do(scripted, data):
    out = data.parent / "out"
    for name in ("worst_ids.png", "worst_ids_mediapipe.png", "worst_holiday.png"):
        write_image(out / name)
    (out / "peer.log").write_text("mine")
    assert run(data) == 0
    assert sorted(path.name for path in out.glob("worst_[hi]*")) == ["worst_holiday.png"]
    assert (out / "peer.log").read_text() == "mine"


def test_settings_reach_the_library(scripted, data):
    run(data, "--set", "detector.min_score=0.3", "--set", "detector.range=full", "--set", "filter.enabled=false")
    config = scripted["config"]
    assert (config.device, config.detector.min_score, config.detector.range) == ("cpu", 0.3, "full")
    assert config.filter.enabled is False
    assert (scripted["still_faces"], scripted["stream_faces"]) == (32, 4)
    run(data, "--max-faces", "7", "--device", "auto")
    assert (scripted["still_faces"], scripted["stream_faces"], scripted["config"].device) == (7, 7, "auto")


def test_a_bad_setting_is_refused(scripted, data, capsys):
    assert run(data, "--set", "detector.min_score=2") == 1
    assert "detector.min_score is 2" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        Config.from_dotted({"detector.min_score": 2})


@pytest.mark.parametrize(
    "options",
    [["--only", "pictures"], ["--limit", "0"], ["--set", "max_faces"], ["--peer", "dlib"], ["--max-faces", "x"]],
)
def test_wrong_usage_is_refused(scripted, data, options):
    with pytest.raises(SystemExit):
        run(data, *options)


@pytest.mark.parametrize(("setting", "option"), [("max_faces=1", "--max-faces"), ("device=cpu", "--device")])
def test_a_parameter_with_an_option_of_its_own_is_not_set_otherwise(scripted, data, capsys, setting, option):
    with pytest.raises(SystemExit):
        run(data, "--set", setting)
    assert f"has an option of its own: use {option}" in " ".join(capsys.readouterr().err.split())


def test_only_some_and_the_first_ones(scripted, data):
    run(data, "--only", "images,videos", "--limit", "1")
    figures = written(data)
    assert figures["gt"] is None and figures["images"]["subjects"]["facemesh_ros"]["found"] == 1


def test_a_shift_is_taken_off_all_subjects(scripted, data):
    scripted["stills"] = [result(found((52, 52)))] * 9
    run(data, "--pixel-shift", "2")
    figures = written(data)
    assert figures["pixel_shift"] == 2.0
    assert figures["gt"]["groups"][0]["subjects"]["facemesh_ros"]["nme51_iod"]["mean"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("terminal", "width"), [(True, LEAST_WIDTH), (False, 160)])
def test_figures_are_not_cut_in_a_narrow_terminal_nor_in_a_pipe(scripted, data, monkeypatch, terminal, width):
    consoles = []

    def narrow():
        consoles.append(Console(width=60, force_terminal=terminal, file=io.StringIO()))
        return consoles[0]

    monkeypatch.setattr(evaluate, "Console", narrow)
    assert run(data) == 0
    assert consoles[0].width == width


def test_no_data_is_one_line(scripted, tmp_path, capsys):
    assert run(tmp_path / "nothing") == 1
    assert "there is no folder" in capsys.readouterr().err


def test_an_out_that_cannot_be_made_is_one_line(scripted, data, capsys):
    (data.parent / "out").write_text("a file")
    assert run(data) == 1
    assert "name another with --out" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that takes no files from anybody")
def test_an_out_that_takes_no_files_is_told_before_the_work(scripted, data, capsys):
    scripted["stills"] = scripted["frames"] = iter(())
    assert main(["evaluate", str(data), "--out", "/proc/self"]) == 1
    assert "nothing can be written to the folder /proc/self" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_one_line(scripted, data, capsys):
    (data.parent / "out" / "evaluation.json").mkdir(parents=True)
    assert run(data) == 1
    assert "name another with --out" in capsys.readouterr().err


def test_what_fails_is_named_and_does_not_stop_the_run(scripted, data, capsys):
    scripted["stills"] = [FaceMeshError("it was too dark"), result(found())]
    assert run(data) == 0
    assert "left out: gt/a.png facemesh_ros: it was too dark" in capsys.readouterr().out
    assert written(data)["failures"][0]["name"] == "gt/a.png"
    report = (data.parent / "out" / "evaluation.md").read_text(encoding="utf-8")
    assert report.endswith("## Left out\n\n- gt/a.png facemesh_ros: it was too dark\n")


def test_a_run_in_which_everything_fails_does_not_pass(scripted, data, capsys):
    scripted["stills"] = [FaceMeshError("no")] * 2
    assert run(data, "--only", "gt,images") == 1
    printed = capsys.readouterr()
    assert "left out: images/b.png facemesh_ros: no" in printed.out
    assert "nothing could be evaluated" in printed.err
    assert len(written(data)["failures"]) == 2


def test_the_peer_runs_in_the_same_call(scripted, data, monkeypatch, capsys):
    closed = []

    class Peer(Scripted):
        def __init__(self, python, still_faces, stream_faces, log):
            closed.append((str(python), still_faces, stream_faces))
            super().__init__("mediapipe", [result(found((53, 54)))] * 9, [result(found())] * 9)

        def close(self):
            closed.append("closed")

    monkeypatch.setattr(evaluate, "MediaPipe", Peer)
    assert run(data, "--peer", "mediapipe", "--peer-python", sys.executable) == 0
    assert closed == [(sys.executable, 32, 4), "closed"]
    assert "mediapipe" in capsys.readouterr().out
    common = written(data)["gt"]["groups"][0]["common"]
    assert common["subjects"]["mediapipe"]["nme51_iod"]["mean"] == pytest.approx(5 / 60)
    assert (data.parent / "out" / "worst_nme_mediapipe.png").is_file()


@pytest.mark.models
def test_the_moving_face_from_end_to_end(networks, moving_face, tmp_path):
    """Truth from the library itself: what it finds again in the same pictures has no error."""
    data = tmp_path / "data"
    frame = moving_face.frame_bgr(0)
    library = Library(Config.from_dotted({"device": "cpu"}), 4, 4, "")
    (face,) = library.still(np.ascontiguousarray(frame[..., ::-1])).faces
    truth = {"pts68": Ibug68().points(face.points).tolist(), "pose_approx": {"yaw": 5.0, "pitch": 0.0, "roll": 0.0}}
    write_gt(data, [("gt/a.png", "moving face", True, [truth])])
    write_counted(data, [("images/b.png", 1, "one"), ("images/c.png", 0, "gray")])
    for name in ("gt/a.png", "images/b.png", "mediapipe_expected/portrait.jpg"):
        write_image(data / name, frame)
    path = data / "video" / "clip.avi"
    path.parent.mkdir()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30.0, frame.shape[1::-1])
    for present in (True,) * 8 + (False,) * 3 + (True,) * 4:
        writer.write(frame if present else np.full_like(frame, 90))
    writer.release()
    write_motion(path.with_name("clip_gt.csv"), [1] * 8 + [0] * 3 + [1] * 4)
    assert run(data) == 0
    got = written(data)
    ours = got["gt"]["groups"][0]["subjects"]["facemesh_ros"]
    assert ours["recall"] == 1.0 and ours["nme68_iod"]["mean"] < 1e-6
    assert got["gt"]["pictures"]["facemesh_ros"]["false"] == 0
    assert got["images"]["subjects"]["facemesh_ros"]["exact"] == 2
    clip = got["videos"][0]["subjects"]["facemesh_ros"]
    first, absent, again = clip["segments"]
    assert (first["found"], absent["false_frames"], again["found"]) == (8, 0, 4)
    assert first["error_mean"] < 0.02 and again["frames_to_reacquire"] == 0
    assert clip["ids"]["switches"] == 0 and clip["reappearances"] == 1
