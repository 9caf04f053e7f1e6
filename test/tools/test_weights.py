"""Where weights come from, and which are refused."""

import os
import shutil

import pytest
from bundles import PUBLISHED, bundle, make_wheel, quiet, temporary_files

from facemesh_ros.errors import ModelError
from facemesh_ros.models import find_network, read_manifest

pytest.importorskip("tflite", reason="needs the extra `convert`: pip install facemesh_ros[convert]")
pytest.importorskip("onnx", reason="needs the extra `convert`: pip install facemesh_ros[convert]")


from facemesh_ros.tools import weights
from facemesh_ros.tools.install import install
from facemesh_ros.tools.weights import read_weights


@pytest.mark.models
def test_a_wheel_serves_as_well_as_a_folder(published, tmp_path):
    from_folder, from_wheel = (read_weights(origin, False) for origin in (published, make_wheel(published, tmp_path)))
    assert from_wheel == from_folder
    assert {weights.network.name for weights in from_wheel} == set(PUBLISHED)
    assert {weights.source for weights in from_wheel} == {"mediapipe==0.10.21"}


@pytest.mark.models
def test_the_wheel_is_fetched_through_pip(published, tmp_path, monkeypatch):
    pytest.importorskip("pip", reason="this Python has no pip")
    make_wheel(published, tmp_path)
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    said = []
    install(tmp_path / "models", None, allow_unknown=False, report=lambda *report: said.append(report[0]))
    assert set(read_manifest(tmp_path / "models")) == set(PUBLISHED)
    assert said[0] == "fetching mediapipe==0.10.21"
    assert said[-1] == "converted attention"


def test_an_index_without_the_wheel_is_said_with_the_remedy(tmp_path, monkeypatch):
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ModelError, match=r"could not fetch mediapipe==0\.10\.21: .*give it with --from"):
        install(tmp_path / "models", None, allow_unknown=False, report=quiet)
    assert temporary_files(tmp_path / "models") == []


@pytest.mark.models
@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1000], lambda data: data[:1000] + b"x" + data[1001:], lambda _: b""]
)
def test_weights_that_are_not_as_published_are_refused(damage, published, tmp_path):
    origin = shutil.copytree(published, tmp_path / "origin")
    file = origin / "face_landmark.tflite"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ModelError, match=r"face_landmark\.tflite of origin has SHA-256 .*, published is 1055cb9d"):
        install(tmp_path / "models", origin, allow_unknown=True, report=quiet)
    assert read_manifest(tmp_path / "models") == {}


@pytest.mark.models
def test_a_truncated_wheel_is_refused(published, tmp_path):
    wheel = make_wheel(published, tmp_path)
    wheel.write_bytes(wheel.read_bytes()[:-5000])
    with pytest.raises(ModelError, match="truncated or not a zip file"):
        install(tmp_path / "models", wheel, allow_unknown=False, report=quiet)


def test_an_origin_without_networks_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for origin in (tmp_path / "empty", bundle(tmp_path / "other.whl", readme__txt=b"")):
        with pytest.raises(ModelError, match=r"holds none of the networks' files \(face_detection_full_range"):
            install(tmp_path / "models", origin, allow_unknown=False, report=quiet)


def test_an_origin_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"missing\.whl cannot be read"):
        install(tmp_path / "models", tmp_path / "missing.whl", allow_unknown=False, report=quiet)


def test_a_bundle_of_unknown_weights_needs_a_word(task, tmp_path):
    with pytest.raises(ModelError, match=r"face_landmarks_detector\.tflite of face_landmarker\.task .*--allow-unknown"):
        install(tmp_path / "models", task, allow_unknown=False, report=quiet)
    assert install(tmp_path / "models", task, allow_unknown=True, report=quiet) == ["landmarker"]
    assert find_network("landmarker", "cpu", tmp_path / "models").is_file()
    network = read_manifest(tmp_path / "models")["landmarker"]
    assert (network.input_size, network.outputs["points"]) == (256, (478, 3))


def test_the_size_of_a_folder_is_told_while_its_files_and_folders_vanish(tmp_path, monkeypatch):
    for name in ("a/one", "b/two", "three"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    assert weights._size(tmp_path) == 15
    scan = os.scandir

    def vanishing(path):
        if str(path).endswith("/b"):
            raise FileNotFoundError(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    assert weights._size(tmp_path) == 10
