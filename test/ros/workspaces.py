"""A colcon workspace that holds this package, and commands in a shell that has sourced it."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HAS_COLCON = shutil.which("colcon", path=f"{sys.prefix}/bin:{os.defpath}") is not None


def build_environment():
    """The environment that `make setup` builds in: the sourced ROS, or the wheels of this virtual environment."""
    spec = importlib.util.spec_from_file_location("setup_env", ROOT / "scripts" / "setup_env.py")
    setup_env = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup_env)
    return setup_env.child_environment(setup_env.sourced_ros())


def has_ros_package(name):
    """Say whether the package can be built against here."""
    prefixes = build_environment()["AMENT_PREFIX_PATH"].split(os.pathsep)
    return any((Path(prefix) / "share" / name / "package.xml").exists() for prefix in prefixes)


def build_workspace(folder):
    """Build the package in this folder, without its tests."""
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


def run_sourced(workspace, command):
    """What a command prints in a shell in which the workspace is sourced."""
    line = f"source install/setup.bash && {command}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=workspace, env=build_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
