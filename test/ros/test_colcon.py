"""The same files in a colcon workspace: messages and code as one package, executables, launch files, configuration."""

import os
import sys
from pathlib import Path

import pytest
from workspaces import ROOT, run_sourced

pytestmark = pytest.mark.slow


def test_messages_and_library_are_one_package(workspace):
    code = "import facemesh_ros; from facemesh_ros.msg import FaceMeshArray; from facemesh_ros import FaceMesher"
    where = run_sourced(workspace, f'"{sys.executable}" -c "{code}; print(facemesh_ros.__file__)"')
    assert Path(where).is_relative_to(workspace / "install")


@pytest.mark.parametrize("name", ["facemesh", "facemesh_node", "face_reader.py"])
def test_executables_lie_where_ros2_run_looks(workspace, name):
    assert os.access(workspace / "install" / "facemesh_ros" / "lib" / "facemesh_ros" / name, os.X_OK)


@pytest.mark.parametrize("folder", ["config", "launch"])
def test_launch_files_and_configuration_are_installed(workspace, folder):
    installed = workspace / "install" / "facemesh_ros" / "share" / "facemesh_ros" / folder
    names = {path.name for path in (ROOT / folder).iterdir() if path.name != "__pycache__"}
    assert names
    assert names <= {path.name for path in installed.iterdir()}


def test_the_web_page_is_installed_with_its_code(workspace):
    given = {path.name for path in (ROOT / "facemesh_ros" / "tools" / "viewer" / "page").iterdir()}
    [folder] = (workspace / "install").glob("facemesh_ros/**/facemesh_ros/tools/viewer/page")
    assert given and given == {path.name for path in folder.iterdir()}
