"""Fixtures shared by all tests. What needs the networks or the picture is skipped, with the remedy, where they lack."""

import os
from pathlib import Path

import numpy as np
import pytest

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.models import find_network
from facemesh_ros.tools.moving_face import MovingFace

NETWORKS = ("detector_short", "detector_full", "mesh", "attention")


@pytest.fixture(scope="session")
def networks():
    """Skip unless the networks are installed."""
    try:
        for name in NETWORKS:
            find_network(name, "cpu")
    except FaceMeshError as error:
        pytest.skip(f"networks are not installed: {error}")
    return NETWORKS


@pytest.fixture(scope="session")
def moving_face():
    """The built-in moving face at 640×480."""
    try:
        return MovingFace()
    except FaceMeshError as error:
        pytest.skip(f"the built-in moving face is not at hand: {error}")


@pytest.fixture(scope="session")
def face_rgb(moving_face):
    """(480, 640, 3) uint8 RGB: a picture with one face."""
    picture = np.ascontiguousarray(moving_face.frame_bgr(0)[..., ::-1])
    picture.flags.writeable = False
    return picture


@pytest.fixture(scope="session")
def shared_data():
    """The folder of evaluation data, which is not part of the repository: $FACEMESH_SHARED, or ../shared/data."""
    folder = Path(os.environ.get("FACEMESH_SHARED") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"the evaluation data is not at hand: there is no {folder}; set FACEMESH_SHARED")
    return folder
