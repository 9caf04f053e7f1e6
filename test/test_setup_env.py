"""The set-up script: what it refuses, what it skips, and that it says why in one line."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "setup_env.py"


@pytest.fixture
def setup_env(tmp_path, monkeypatch):
    """The script as a module, with its folders in an empty directory."""
    spec = importlib.util.spec_from_file_location("setup_env", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / ".venv").mkdir()
    (tmp_path / "build").mkdir()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "BUILD", tmp_path / "build")
    monkeypatch.setattr(module, "LOG", tmp_path / "build" / "setup.log")
    return module


@pytest.fixture
def no_ros_sourced(monkeypatch):
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)


def without_module(monkeypatch, setup_env, name):
    find_spec = setup_env.importlib.util.find_spec
    monkeypatch.setattr(
        setup_env.importlib.util, "find_spec", lambda wanted: None if wanted == name else find_spec(wanted)
    )


def done_already(setup_env, files, others=()):
    with setup_env.stamped("step", files, others) as is_current:
        return is_current


def test_a_step_is_done_once_until_a_file_or_a_choice_changes(setup_env, tmp_path):
    file = tmp_path / "input"
    file.write_text("one")
    assert not done_already(setup_env, [file])
    assert done_already(setup_env, [file])
    assert not done_already(setup_env, [file], ["another choice"])
    file.write_text("two")
    assert not done_already(setup_env, [file], ["another choice"])


def test_a_step_that_failed_is_done_again(setup_env):
    with pytest.raises(setup_env.SetupError), setup_env.stamped("step", []):
        raise setup_env.SetupError("it failed")
    assert not done_already(setup_env, [])


def test_a_step_that_failed_after_a_success_is_done_again(setup_env, tmp_path):
    file = tmp_path / "input"
    file.write_text("one")
    done_already(setup_env, [file])
    file.write_text("two")
    with pytest.raises(setup_env.SetupError), setup_env.stamped("step", [file]):
        raise setup_env.SetupError("it failed")
    file.write_text("one")
    assert not done_already(setup_env, [file])


def test_a_virtual_environment_of_someone_else_is_left_alone(setup_env):
    (setup_env.VENV / "theirs").touch()
    with pytest.raises(setup_env.SetupError, match="not made by make setup: move or delete it"):
        setup_env.make_venv(None)
    assert (setup_env.VENV / "theirs").exists()


def test_without_a_sourced_ros_the_wheels_are_used(setup_env, no_ros_sourced):
    assert setup_env.sourced_ros() is None


def test_a_sourced_ros_that_this_python_cannot_import_is_refused(setup_env, monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/opt/ros/jazzy")
    without_module(monkeypatch, setup_env, "rclpy")
    with pytest.raises(setup_env.SetupError, match="cannot import its rclpy: .*PYTHON=/usr/bin/python3"):
        setup_env.sourced_ros()


def test_the_wheels_are_refused_on_another_processor_and_a_newer_python(setup_env, monkeypatch):
    monkeypatch.setattr(setup_env.platform, "machine", lambda: "aarch64")
    with pytest.raises(setup_env.SetupError, match="no wheels for Linux on aarch64"):
        setup_env.check_machine(None)
    monkeypatch.setattr(setup_env.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(setup_env, "WHEEL_PYTHONS", ((3, 8), (3, 9)))
    with pytest.raises(setup_env.SetupError, match=r"only for 3.8 to 3.9: make setup PYTHON=python3.9"):
        setup_env.check_machine(None)


def test_a_missing_compiler_is_said_with_the_remedy(setup_env, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(setup_env.SetupError, match="no C\\+\\+ compiler was found: apt-get install g\\+\\+"):
        setup_env.check_machine("jazzy")


def test_a_missing_ensurepip_is_said_with_the_remedy(setup_env, monkeypatch):
    without_module(monkeypatch, setup_env, "ensurepip")
    with pytest.raises(setup_env.SetupError, match=r"apt-get install python3\.\d+-venv"):
        setup_env.check_machine("jazzy")


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("", "no output"),
        ("WARNING: Retrying after connection broken by 'X'\nERROR: No matching", "index cannot be reached"),
        ("ERROR: Could not install: [Errno 28] No space left on device", "the disk is full"),
        ("ERROR: ResolutionImpossible\nnotice: a new pip", "ERROR: ResolutionImpossible"),
    ],
)
def test_pip_output_becomes_one_line(setup_env, output, said):
    line = setup_env.pip_remedy(output)
    assert said in line
    assert "\n" not in line


def test_a_command_that_fails_is_told_in_one_line_and_kept_in_the_log(setup_env, capsys):
    command = [sys.executable, "-c", "print('some noise'); raise SystemExit('error: the reason')"]
    with pytest.raises(setup_env.SetupError, match=r"^error: the reason \(all output: build/setup.log\)$"):
        setup_env.run("a step", command, {})
    assert "some noise" in setup_env.LOG.read_text()
    assert capsys.readouterr().out == "setup: a step ... failed\n"


def test_tf2_msgs_is_built_only_where_there_is_none(setup_env, monkeypatch):
    assert setup_env.lacks_tf2_msgs(None)  # it has no wheel
    monkeypatch.setattr(setup_env.importlib.util, "find_spec", lambda name: name)
    assert not setup_env.lacks_tf2_msgs("jazzy")
    without_module(monkeypatch, setup_env, "tf2_msgs")
    assert setup_env.lacks_tf2_msgs("jazzy")


def test_children_do_not_inherit_another_environment(setup_env, monkeypatch):
    for name in setup_env.FOREIGN_VARIABLES:
        monkeypatch.setenv(name, "elsewhere")
    assert not set(setup_env.FOREIGN_VARIABLES) & set(setup_env.child_environment(None))
    assert set(setup_env.FOREIGN_VARIABLES) <= set(setup_env.child_environment("jazzy"))
