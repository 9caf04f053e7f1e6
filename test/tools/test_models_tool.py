"""The command `facemesh models`."""

import argparse
import re

import pytest
from bundles import PUBLISHED

from facemesh_ros.errors import ModelError
from facemesh_ros.models import FORMS, find_network

pytest.importorskip("tflite", reason="needs the extra `convert`: pip install facemesh_ros[convert]")
pytest.importorskip("onnx", reason="needs the extra `convert`: pip install facemesh_ros[convert]")

from tflite_writer import landmark_network

from facemesh_ros.tools import models as tool


def run_tool(*arguments):
    parser = argparse.ArgumentParser()
    tool.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["models", *map(str, arguments)])
    return args.run(args)


def test_the_tool_installs_and_says_where(tmp_path, task, capsys):
    arguments = ("install", "--from", task, "--allow-unknown", "--folder", tmp_path / "models")
    assert run_tool(*arguments) == 0
    assert f"Installed landmarker in {tmp_path / 'models'}" in capsys.readouterr().out
    assert run_tool(*arguments) == 0
    assert "Nothing to do" in capsys.readouterr().out


def test_the_list_shows_what_is_installed_and_what_is_not(tmp_path, task, capsys):
    run_tool("install", "--from", task, "--allow-unknown", "--folder", tmp_path)
    find_network("landmarker", "gpu", tmp_path).write_bytes(b"")
    capsys.readouterr()
    assert run_tool("list", "--folder", tmp_path) == 0
    blocks = dict(re.findall(r"^ (\w+) +(cpu .*\n .*)$", capsys.readouterr().out, re.MULTILINE))
    for name in PUBLISHED:
        assert blocks[name].count("not installed") == len(FORMS)
        assert "Apache-2.0" in blocks[name] and "mediapipe==0.10.21" in blocks[name]
    cpu, gpu = blocks["landmarker"].splitlines()
    assert "landmarker-cpu-" in cpu and "face_landmarker.task" in cpu and "altered" not in cpu
    assert gpu.split()[0] == "gpu" and "altered" in gpu and "landmarker-gpu-" not in gpu


def test_a_network_of_ones_own_is_converted(tmp_path, capsys):
    (tmp_path / "own.tflite").write_bytes(landmark_network())
    for form in FORMS:
        assert run_tool("convert", tmp_path / "own.tflite", tmp_path / f"{form}.onnx", "--form", form) == 0
    assert (tmp_path / "cpu.onnx").read_bytes() != (tmp_path / "gpu.onnx").read_bytes()
    assert "MMACs" in capsys.readouterr().out


def test_converting_what_is_not_there_is_said(tmp_path):
    with pytest.raises(ModelError, match="cannot convert"):
        run_tool("convert", tmp_path / "missing.tflite", tmp_path / "out.onnx")
