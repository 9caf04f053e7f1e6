"""Fixtures of the tests that need ROS 2: real nodes and topics on this machine alone."""

import importlib
import os
import warnings

import pytest
from workspaces import HAS_COLCON, build_workspace


@pytest.fixture(scope="session", autouse=True)
def _own_domain(tmp_path_factory):
    """Keep topics and log files apart from those of others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 101))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        patch.setenv("ROS_LOG_DIR", str(tmp_path_factory.mktemp("ros_log")))
        yield


@pytest.fixture(scope="session")
def _message_support():
    """Load what rclpy loads at the first message; it imports modules that Python has deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        importlib.import_module("rosidl_generator_py")


@pytest.fixture
def rig(_message_support):
    """Nodes that talk to each other."""
    from rig import Rig

    rig = Rig()
    yield rig
    rig.close()


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    """A colcon workspace in which the package is built, without its tests."""
    if not HAS_COLCON:
        pytest.skip("no colcon here")
    folder = tmp_path_factory.mktemp("workspace")
    build_workspace(folder)
    return folder
