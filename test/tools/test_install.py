"""What is installed is whole or not there at all, whatever happens on the way."""

import errno
import os
import shutil
import subprocess
import sys

import pytest
from bundles import PUBLISHED, REPOSITORY, bundle, quiet, run_python, temporary_files

from facemesh_ros.errors import ModelError
from facemesh_ros.models import FORMS, MANIFEST, find_network, read_manifest

pytest.importorskip("tflite", reason="needs the extra `convert`: pip install facemesh_ros[convert]")
pytest.importorskip("onnx", reason="needs the extra `convert`: pip install facemesh_ros[convert]")

from tflite_writer import OP, landmark_network

from facemesh_ros.tools import install as install_module
from facemesh_ros.tools.install import install, write_atomically


@pytest.fixture(scope="module")
def installed_once(published, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    install(folder, published, allow_unknown=False, report=quiet)
    return folder


@pytest.fixture
def installed(installed_once, tmp_path):
    """A folder of the test's own with all published networks installed."""
    return shutil.copytree(installed_once, tmp_path / "installed")


def assert_all_found(folder):
    for name in PUBLISHED:
        for form in FORMS:
            assert find_network(name, form, folder).is_file()
    assert temporary_files(folder) == []


@pytest.mark.models
def test_every_network_is_installed_in_every_form(installed):
    assert_all_found(installed)
    assert set(read_manifest(installed)) == set(PUBLISHED)
    listed = {file for network in read_manifest(installed).values() for file in network.files.values()}
    assert listed == {path.name for path in installed.glob("*.onnx")}


@pytest.mark.models
def test_a_second_installation_does_nothing_and_needs_no_converter(installed):
    """Offline, without onnx, tflite or pip, and without writing."""
    before = {path: path.stat().st_mtime_ns for path in installed.rglob("*")}
    code = """
import sys
sys.modules.update(dict.fromkeys(("onnx", "tflite", "flatbuffers", "pip"), None))
from pathlib import Path
from facemesh_ros.tools.install import install
print(install(Path(sys.argv[1]), None, False, lambda *said: print(said)))
"""
    result = run_python(code, installed)
    assert (result.returncode, result.stdout) == (0, "[]\n"), result.stderr
    assert {path: path.stat().st_mtime_ns for path in installed.rglob("*")} == before


@pytest.mark.models
def test_an_altered_network_is_put_right_offline(installed, monkeypatch):
    """From the weights kept beside the networks."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    broken = find_network("mesh", "cpu", installed)
    broken.write_bytes(broken.read_bytes()[:-1])
    assert install(installed, None, allow_unknown=False, report=quiet) == ["mesh"]
    assert_all_found(installed)


@pytest.mark.models
def test_a_damaged_manifest_is_put_right(installed, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (installed / MANIFEST).write_text("{")
    assert install(installed, None, allow_unknown=False, report=quiet) == list(PUBLISHED)
    assert_all_found(installed)


@pytest.mark.models
def test_a_newer_converter_replaces_the_networks(installed, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(install_module, "converter_digest", lambda: "newer")
    assert install(installed, None, allow_unknown=False, report=quiet) == list(PUBLISHED)
    assert {network.converter for network in read_manifest(installed).values()} == {"newer"}
    assert_all_found(installed)


@pytest.mark.models
def test_a_network_of_a_bundle_is_put_right_from_what_was_kept(task, tmp_path, published, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    install(tmp_path / "models", published, allow_unknown=False, report=quiet)
    install(tmp_path / "models", task, allow_unknown=True, report=quiet)
    find_network("landmarker", "cpu", tmp_path / "models").unlink()
    assert install(tmp_path / "models", None, allow_unknown=False, report=quiet) == ["landmarker"]
    find_network("landmarker", "cpu", tmp_path / "models").unlink()
    (tmp_path / "models" / "sources" / "face_landmarks_detector.tflite").unlink()
    with pytest.raises(ModelError, match="the weights of landmarker are no longer in .*--from"):
        install(tmp_path / "models", None, allow_unknown=False, report=quiet)


@pytest.mark.models
def test_a_bundle_leaves_the_other_networks_in_place(task, installed):
    assert install(installed, task, allow_unknown=True, report=quiet) == ["landmarker"]
    assert_all_found(installed)
    assert install(installed, task, allow_unknown=True, report=quiet) == []


def test_a_missing_converter_is_said_with_the_remedy(tmp_path, task):
    code = """
import sys
from pathlib import Path
sys.modules.update(dict.fromkeys(("onnx", "tflite", "flatbuffers"), None))
from facemesh_ros.tools.install import install
install(Path(sys.argv[1]), Path(sys.argv[2]), True, lambda *said: None)
"""
    result = run_python(code, tmp_path / "models", task)
    assert "-m pip install flatbuffers onnx tflite`" in result.stderr.splitlines()[-1]
    assert read_manifest(tmp_path / "models") == {}


def test_a_network_with_an_unknown_operator_changes_nothing(tmp_path):
    def middle(writer, source):
        return writer.operator(OP.TANH, [source], writer.shape(source))

    data = landmark_network(size=256, middle=middle)
    task = bundle(tmp_path / "own.task", face_landmarks_detector__tflite=data)
    with pytest.raises(ModelError, match="operators TANH are unknown"):
        install(tmp_path / "models", task, allow_unknown=True, report=quiet)
    assert read_manifest(tmp_path / "models") == {}


@pytest.mark.models
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_and_leaves_what_was_there(number, installed, monkeypatch):
    before = read_manifest(installed)
    monkeypatch.setattr(install_module, "converter_digest", lambda: "newer")

    def full(handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(install_module.os, "fsync", full)
    with pytest.raises(ModelError, match=r"the disk is full: free \d+ MB, or set FACEMESH_MODELS to another folder"):
        install(installed, None, allow_unknown=False, report=quiet)
    assert read_manifest(installed) == before
    assert_all_found(installed)


def test_a_folder_that_cannot_be_made_is_said(tmp_path, task):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot write to"):
        install(tmp_path / "file" / "models", task, allow_unknown=True, report=quiet)


KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
import facemesh_ros.tools.install as module
left, fsync = int(sys.argv[3]), os.fsync
def fsync_until_killed(handle):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(handle)
module.os.fsync = fsync_until_killed
module.converter_digest = lambda: "newer"
convert = module.load_converter()
def convert_otherwise(*args):
    conversion = convert(*args)
    return replace(conversion, onnx=conversion.onnx + b"newer")
module.load_converter = lambda: convert_otherwise
module.install(Path(sys.argv[1]), Path(sys.argv[2]), True, lambda *said: None)
"""


@pytest.mark.parametrize("writes", range(9))
def test_a_run_that_is_killed_leaves_the_old_network_or_the_new_one(writes, tmp_path, task):
    """Killed at the n-th sync: two files, the kept weights and the manifest are synced, each with its folder."""
    folder = tmp_path / "models"
    install(folder, task, allow_unknown=True, report=quiet)
    result = run_python(KILLED, folder, task, writes)
    assert result.returncode == (-9 if writes < 8 else 0), result.stderr
    for form in FORMS:
        assert find_network("landmarker", form, folder).is_file()
    install(folder, task, allow_unknown=True, report=quiet)
    assert temporary_files(folder) == []
    assert len(list(folder.glob("*.onnx"))) == len(FORMS)


def test_a_reader_of_the_old_file_keeps_it_whole(tmp_path):
    path = tmp_path / "network.onnx"
    write_atomically(path, b"old")
    with path.open("rb") as reader:
        write_atomically(path, b"a new one")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"a new one"
    assert list(tmp_path.iterdir()) == [path]


def test_only_networks_that_were_replaced_are_removed(tmp_path, task):
    for name in ("landmarker-cpu-00000000.onnx", "my_own.onnx"):
        (tmp_path / name).write_bytes(b"")
    install(tmp_path, task, allow_unknown=True, report=quiet)
    assert (tmp_path / "my_own.onnx").exists()
    assert not (tmp_path / "landmarker-cpu-00000000.onnx").exists()


def test_runs_at_the_same_time_take_turns(tmp_path, task):
    code = """
import sys
from pathlib import Path
from facemesh_ros.tools.install import install
print(install(Path(sys.argv[1]), Path(sys.argv[2]), True, lambda *said: None))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])}
    command = [sys.executable, "-c", code, str(tmp_path / "models"), str(task)]
    runs = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = sorted(run.communicate()[0] for run in runs)
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert said == ["['landmarker']\n", "[]\n", "[]\n"]
    assert find_network("landmarker", "cpu", tmp_path / "models").is_file()
