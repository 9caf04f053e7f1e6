"""What the package's files promise each other: versions, messages, dependencies, and what a wheel contains."""

import ast
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ElementTree.parse(ROOT / "package.xml").getroot()
VERSION = MANIFEST.findtext("version")
MESSAGES = sorted((ROOT / "msg").glob("*.msg"))
OPTIONAL_ROS_PACKAGES = {"cv_bridge", "hri_msgs"}
UNIT = re.compile(r"\b(px|m|rad|ms|seconds|unit|units|count)\b")

every_message = pytest.mark.parametrize("message", MESSAGES, ids=[path.stem for path in MESSAGES])


def fields_with_comments(message):
    """(type, name, comment above) of each field; fields that follow each other share the comment above the first."""
    comment, previous_was_field = [], False
    for line in message.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            comment = [*comment, line] if not previous_was_field else [line]
            previous_was_field = False
        elif not line:
            comment, previous_was_field = [], False
        else:
            yield (*line.split()[:2], " ".join(comment))
            previous_was_field = True


def ros_packages_imported():
    for path in (ROOT / "facemesh_ros" / "ros").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            yield from (n.split(".")[0] for n in names if re.match(r"rclpy|\w+_(msgs|srvs|interfaces)\b", n))


@pytest.fixture(scope="module")
def wheel_contents(tmp_path_factory):
    """Names in the wheel that pip builds of the source distribution of a copy of the source tree."""
    folder = tmp_path_factory.mktemp("wheel")
    copied = [
        *("facemesh_ros", "setup.py", "pyproject.toml"),
        *("MANIFEST.in", "package.xml", "README.md", "CHANGELOG.rst", "LICENSE"),
    ]
    for name in copied:
        source = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, folder / name, ignore=ignore) if source.is_dir() else shutil.copy(source, folder)
    for command in (
        ["setup.py", "--quiet", "sdist"],
        ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", f"dist/facemesh_ros-{VERSION}.tar.gz"],
    ):
        done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_bears_the_version_of_package_xml(wheel_contents):
    assert f"\nVersion: {VERSION}\n".encode() in wheel_contents[f"facemesh_ros-{VERSION}.dist-info/METADATA"]


def test_the_changelog_begins_with_the_version_of_package_xml():
    headings = re.findall(r"^(\d+\.\d+\.\d+|Forthcoming)\b.*\n[-=~^]+$", (ROOT / "CHANGELOG.rst").read_text(), re.M)
    assert next(heading for heading in headings if heading != "Forthcoming") == VERSION


def test_the_wheel_carries_every_file_of_the_library(wheel_contents):
    files = [path for path in (ROOT / "facemesh_ros").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {str(path.relative_to(ROOT)) for path in files} == {n for n in wheel_contents if ".dist-info/" not in n}


def test_cmake_installs_the_library_whole():
    [rule] = re.findall(
        r"install\(\s*DIRECTORY \$\{PROJECT_NAME\}/\s(.*?)\)", (ROOT / "CMakeLists.txt").read_text(), re.DOTALL
    )
    assert re.findall(r"PATTERN (\S+) (\w+)", rule) == [('"__pycache__"', "EXCLUDE")]
    assert "FILES_MATCHING" not in rule and "REGEX" not in rule


def test_the_wheel_brings_the_command(wheel_contents):
    entry_points = wheel_contents[f"facemesh_ros-{VERSION}.dist-info/entry_points.txt"].decode()
    assert "facemesh = facemesh_ros.tools.__main__:main" in entry_points


@pytest.mark.parametrize("name", ["facemesh", "facemesh_node"])
def test_an_executable_for_ros2_run_starts_a_module_that_exists(name):
    script = ROOT / "scripts" / name
    assert os.access(script, os.X_OK)
    module = re.search(r"^from (\S+) import main\b", script.read_text(), re.M).group(1)
    assert find_spec(module) is not None


def test_no_module_hides_the_generated_messages():
    names = {path.stem for path in (ROOT / "facemesh_ros").iterdir()}
    assert not names & {"msg", "srv", "action"}


def test_every_message_is_built():
    built = re.findall(r'"(msg/\w+\.msg)"', (ROOT / "CMakeLists.txt").read_text())
    assert built == [str(path.relative_to(ROOT)) for path in MESSAGES]


@every_message
def test_a_message_says_first_what_it_is(message):
    assert message.read_text(encoding="utf-8").startswith("# ")


@every_message
def test_every_field_of_a_message_has_a_comment_and_numbers_have_a_unit(message):
    shared = message.read_text(encoding="utf-8").split("\n\n")[0]
    for kind, name, comment in fields_with_comments(message):
        assert comment, f"{name} has no comment"
        if re.match(r"u?int|float", kind):
            assert UNIT.search(comment) or UNIT.search(shared), f"{name}: say the unit (or 'no unit') in {comment!r}"


def test_every_ros_package_that_is_imported_is_declared():
    tags = ("depend", "exec_depend")
    declared = {element.text for tag in tags for element in MANIFEST.iter(tag)}
    assert set(ros_packages_imported()) - OPTIONAL_ROS_PACKAGES <= declared


def test_every_cmake_package_that_is_looked_for_is_declared():
    tags = ("depend", "buildtool_depend", "test_depend")
    declared = {element.text for tag in tags for element in MANIFEST.iter(tag)}
    assert set(re.findall(r"find_package\((\w+)", (ROOT / "CMakeLists.txt").read_text())) <= declared


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_an_example_in_python_can_be_run_and_is_installed(example):
    assert os.access(example, os.X_OK)
    assert f"install(PROGRAMS examples/{example.name} " in (ROOT / "CMakeLists.txt").read_text()
