"""The command `facemesh`: what it imports, prints and returns. Subcommands are replaced by stand-ins."""

import argparse
import importlib
import importlib.util
import subprocess
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools import __main__ as command
from facemesh_ros.tools.__main__ import COMMANDS, Command, main, version


@pytest.fixture
def stand_in(monkeypatch):
    """Put a subcommand `stand_in` into the table; the fixture's function says what it does."""

    def install(run, needs_ros=False):
        def add_parser(subparsers):
            parser = subparsers.add_parser("stand_in")
            parser.add_argument("--number", type=int, default=0)
            parser.set_defaults(run=run)

        monkeypatch.setitem(COMMANDS, "stand_in", Command("does as told", needs_ros))
        monkeypatch.setitem(sys.modules, "facemesh_ros.tools.stand_in", SimpleNamespace(add_parser=add_parser))

    return install


def raising(error):
    def run(args):
        raise error

    return run


def test_the_subcommands_arguments_and_status_go_through(stand_in):
    stand_in(lambda args: args.number)
    assert main(["stand_in", "--number", "7"]) == 7


def test_an_error_of_ours_is_one_line_and_status_1(stand_in, capsys):
    stand_in(raising(FaceMeshError("the disk is full: free some space")))
    assert main(["stand_in"]) == 1
    assert capsys.readouterr().err == "facemesh: the disk is full: free some space\n"


def test_any_other_error_is_a_bug_and_shown_as_one(stand_in):
    stand_in(raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["stand_in"])


def test_ctrl_c_is_status_130_without_a_word(stand_in, capsys):
    stand_in(raising(KeyboardInterrupt()))
    assert main(["stand_in"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("arguments", [[], ["no_such_command"], ["models"], ["--no-such-option"]])
def test_wrong_usage_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: facemesh" in capsys.readouterr().err


def test_help_names_every_subcommand_and_what_it_does(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name, known in COMMANDS.items():
        assert f"{name} {known.summary}" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_a_module_that_adds_its_parser_and_the_same_summary(name):
    parser = argparse.ArgumentParser(prog="x")
    subparsers = parser.add_subparsers()
    importlib.import_module(f"facemesh_ros.tools.{name}").add_parser(subparsers)
    assert list(subparsers.choices) == [name]
    assert callable(subparsers.choices[name].get_default("run"))
    assert f"{name} {COMMANDS[name].summary}" in " ".join(parser.format_help().split())


def test_help_loads_nothing_heavy():
    script = (
        "import sys\n"
        "from facemesh_ros.tools.__main__ import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'cv2', 'rich', 'rclpy', 'onnxruntime', 'scipy'} & set(sys.modules)\n"
        "sys.exit(' '.join(sorted(heavy)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_version_is_that_of_package_xml(request, capsys):
    manifest = request.config.rootpath / "package.xml"
    assert version() == ElementTree.parse(manifest).findtext("version")
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"facemesh_ros {version()}\n"


def test_outside_the_sources_the_version_is_that_of_the_ros_prefix(monkeypatch, tmp_path):
    share = tmp_path / "prefix" / "share" / "facemesh_ros"
    share.mkdir(parents=True)
    (share / "package.xml").write_text("<package><version>1.2.3</version></package>", encoding="utf-8")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'other'}:{tmp_path / 'prefix'}")
    monkeypatch.setattr(command, "__file__", str(tmp_path / "site-packages" / "facemesh_ros" / "tools" / "x.py"))
    assert version() == "1.2.3"


@pytest.mark.parametrize("absent", ["rclpy", "facemesh_ros.msg"])
def test_without_ros_a_ros_command_says_what_is_missing_and_the_remedy(absent, stand_in, monkeypatch, capsys):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == absent else (name == "rclpy" or find_spec(name))
    )
    stand_in(raising(AssertionError("it ran")), needs_ros=True)
    assert main(["stand_in"]) == 1
    told = capsys.readouterr().err
    assert f"has no {absent}" in told
    assert "make setup" in told
    assert told.count("\n") == 1


def test_a_ros_command_runs_in_the_environment_for_large_messages(stand_in, monkeypatch):
    done = []
    environment = SimpleNamespace(with_large_messages=lambda: done.append("environment"))
    monkeypatch.setitem(sys.modules, "facemesh_ros.ros.environment", environment)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)
    stand_in(lambda _: done.append("run") or 0, needs_ros=True)
    assert main(["stand_in"]) == 0
    assert done == ["environment", "run"]
