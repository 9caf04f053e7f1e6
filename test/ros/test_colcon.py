"""The same files in a colcon workspace: messages and code as one package, executables, launch files, configuration."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("colcon", path=f"{sys.prefix}/bin:{os.defpath}") is None, reason="no colcon here"),
]


def build_environment():
    """The environment that `make setup` builds in: the sourced ROS, or the wheels of this virtual environment."""
    spec = importlib.util.spec_from_file_location("setup_env", ROOT / "scripts" / "setup_env.py")
    setup_env = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup_env)
    return setup_env.child_environment(setup_env.sourced_ros())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A colcon workspace in which the package is built, without its tests."""
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "src").mkdir()
    (folder / "src" / "facemesh_ros").symlink_to(ROOT)
    definitions = {
        "BUILD_TESTING": "OFF",
        "CMAKE_PROJECT_INCLUDE": ROOT / "scripts" / "drop_missing_includes.cmake",
        "Python3_EXECUTABLE": sys.executable,
    }
    arguments = [f"-D{name}={value}" for name, value in definitions.items()]
    command = ["colcon", "build", "--event-handlers", "console_direct+", "--cmake-args", *arguments]
    done = subprocess.run(command, cwd=folder, env=build_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run_sourced(workspace, command):
    """What a command prints in a shell in which the workspace is sourced."""
    line = f"source install/setup.bash && {command}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=workspace, env=build_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_messages_and_library_are_one_package(workspace):
    code = "import facemesh_ros; from facemesh_ros.msg import FaceMeshArray; from facemesh_ros import FaceMesher"
    where = run_sourced(workspace, f'"{sys.executable}" -c "{code}; print(facemesh_ros.__file__)"')
    assert Path(where).is_relative_to(workspace / "install")


@pytest.mark.parametrize("name", ["facemesh", "facemesh_node"])
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
