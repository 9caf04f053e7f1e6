import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from facemesh_ros.errors import ModelError
from facemesh_ros.models import (
    FORMS,
    MANIFEST,
    NETWORKS,
    InstalledNetwork,
    find_network,
    manifest_bytes,
    models_dir,
    read_manifest,
)


def installed_network(name="mesh", content=b"a network"):
    return InstalledNetwork(
        name=name,
        source="a test",
        source_sha256="0" * 64,
        converter="0",
        input_size=192,
        outputs={"points": (468, 3), "presence_logit": ()},
        macs=1,
        files={form: f"{name}-{form}.onnx" for form in FORMS},
        sha256=dict.fromkeys(FORMS, hashlib.sha256(content).hexdigest()),
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with the network ``mesh`` installed."""
    network = installed_network()
    for file in network.files.values():
        (tmp_path / file).write_bytes(b"a network")
    (tmp_path / MANIFEST).write_bytes(manifest_bytes({"mesh": network}))
    return tmp_path


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    networks = {"mesh": installed_network(), "attention": installed_network("attention")}
    (tmp_path / MANIFEST).write_bytes(manifest_bytes(networks))
    assert read_manifest(tmp_path) == networks


def test_an_empty_or_missing_folder_has_no_networks(tmp_path):
    assert read_manifest(tmp_path) == {}
    assert read_manifest(tmp_path / "missing") == {}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "/home/ada/.local/share/facemesh_ros/models"),
        ({"XDG_DATA_HOME": ""}, "/home/ada/.local/share/facemesh_ros/models"),
        ({"XDG_DATA_HOME": "/data"}, "/data/facemesh_ros/models"),
        ({"FACEMESH_MODELS": "/models", "XDG_DATA_HOME": "/data"}, "/models"),
        ({"FACEMESH_MODELS": "~/models"}, "/home/ada/models"),
    ],
)
def test_the_folder_comes_from_the_environment(environment, expected, monkeypatch):
    for name in ("FACEMESH_MODELS", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/ada", **environment}.items():
        monkeypatch.setenv(name, value)
    assert models_dir() == Path(expected)


@pytest.mark.parametrize("form", FORMS)
def test_an_installed_network_is_found(form, folder, monkeypatch):
    monkeypatch.setenv("FACEMESH_MODELS", str(folder))
    assert find_network("mesh", form) == find_network("mesh", form, folder) == folder / f"mesh-{form}.onnx"


def test_a_network_that_is_not_installed_names_the_remedy(folder):
    with pytest.raises(ModelError, match=r"'attention' is not installed in .*: run `facemesh models install`"):
        find_network("attention", "cpu", folder)
    with pytest.raises(ModelError, match=r"--from face_landmarker\.task --allow-unknown"):
        find_network("landmarker", "cpu", folder)


@pytest.mark.parametrize("content", [b"", b"a networ", b"a Network", b"a network!"])
def test_an_altered_network_is_never_handed_out(content, folder):
    (folder / "mesh-cpu.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"mesh-cpu\.onnx is missing or not as it was installed"):
        find_network("mesh", "cpu", folder)
    assert find_network("mesh", "gpu", folder)


def test_a_missing_file_is_said(folder):
    (folder / "mesh-cpu.onnx").unlink()
    with pytest.raises(ModelError, match="missing"):
        find_network("mesh", "cpu", folder)


@pytest.mark.parametrize(
    ("name", "form", "message"),
    [
        ("mesch", "cpu", "network 'mesch' is unknown; allowed are detector_short, detector_full, mesh, attention, "),
        ("mesh", "npu", "form 'npu' is unknown; allowed are cpu, gpu"),
    ],
)
def test_unknown_names_list_the_known_ones(name, form, message, folder):
    with pytest.raises(ModelError, match=message):
        find_network(name, form, folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"format": 1}',
        '{"format": 1, "networks": {"mesh": {}}}',
        '{"format": 1, "networks": []}',
    ],
)
def test_a_damaged_manifest_is_said(text, tmp_path):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ModelError, match=r"manifest\.json cannot be read .*: delete it, then run"):
        read_manifest(tmp_path)


def test_a_manifest_that_lacks_a_form_is_damaged(tmp_path):
    network = replace(installed_network(), files={"cpu": "mesh-cpu.onnx"})
    (tmp_path / MANIFEST).write_bytes(manifest_bytes({"mesh": network}))
    with pytest.raises(ModelError, match="lists the forms cpu"):
        read_manifest(tmp_path)


def test_a_manifest_of_another_version_is_said(folder):
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**content, "format": 2}))
    with pytest.raises(ModelError, match="has format 2, this version reads 1: run `facemesh models install`"):
        find_network("mesh", "cpu", folder)


def test_every_network_of_the_table_is_complete():
    assert list(NETWORKS) == ["detector_short", "detector_full", "mesh", "attention", "landmarker"]
    for name, network in NETWORKS.items():
        assert network.name == name
        assert network.licence
        assert set(network.outputs) in ({"regressors", "logits"}, {"points", "presence_logit"})
        assert (network.source_sha256 is None) == (network.macs is None) == (name == "landmarker")
