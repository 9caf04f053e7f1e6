"""Fixtures of the tests of the tools."""

import shutil
from pathlib import Path

import pytest
from bundles import PUBLISHED, bundle

from facemesh_ros.models import models_dir


@pytest.fixture(scope="module")
def published(networks, tmp_path_factory):
    """A folder with the weights as they are published."""
    folder = tmp_path_factory.mktemp("published")
    for path in (models_dir() / "sources").glob("*.tflite"):
        if any(Path(network.source_file).name == path.name for network in PUBLISHED.values()):
            shutil.copy(path, folder)
    return folder


@pytest.fixture
def task(tmp_path):
    """A bundle with a landmark network of 256×256 px and 478 points, as a user may bring one."""
    pytest.importorskip("tflite", reason="needs the extra `convert`: pip install facemesh_ros[convert]")
    from tflite_writer import landmark_network

    data = landmark_network(size=256, points=478)
    return bundle(tmp_path / "face_landmarker.task", face_landmarks_detector__tflite=data, notes__txt=b"")
