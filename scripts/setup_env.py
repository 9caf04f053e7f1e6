"""Build .venv, from which the project runs out of its source tree: `make setup`.

Standard library only. Three steps, each skipped when nothing that it depends on has changed:
    1. Python packages: those of setup.py and, where no ROS is sourced, ROS 2 Jazzy as wheels;
    2. messages: generated and compiled by CMake into .venv; Python code is seen where it lies, so edits need no build;
    3. networks: `facemesh models install`, which itself knows what is installed already.
Over 300 lines because it has to run where nothing is installed, as one file.
What the tools print goes to build/setup.log; a failure is told in one line with its remedy, exit status 1.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036  the reason for this block is an older Python
    sys.exit(
        f"setup: this is Python {sys.version_info[0]}.{sys.version_info[1]}; facemesh_ros needs 3.10 or newer: "
        "make setup PYTHON=python3.12"
    )

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BUILD = ROOT / "build"
LOG = BUILD / "setup.log"
BIN = VENV / "bin"
PYTHON_LIB = VENV / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
MESSAGES_FOLDER = PYTHON_LIB / "ros-packages"
"""Not in site-packages: those come before the source tree and would hide the library there."""
MESSAGES = ROOT / "msg"
SCRIPTS = ROOT / "scripts"
WHEELS = SCRIPTS / "ros_jazzy_wheels.txt"
TF2_MSGS = SCRIPTS / "tf2_msgs"
WHEEL_PYTHONS = ((3, 10), (3, 13))
EXTRAS = "convert,demo,dev,test,view"
FOREIGN_VARIABLES = ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
"""Would make a child load another environment's packages. Where ROS is sourced they are how ROS is found."""


class SetupError(Exception):
    """What is missing and the remedy, in one line."""


def main() -> int:
    """Run the steps; return the exit status."""
    try:
        with only_one_at_a_time():
            ros = sourced_ros()
            check_machine(ros)
            environment = child_environment(ros)
            make_venv(ros)
            install_packages(ros, environment)
            build_messages(ros, environment)
        return install_networks(environment)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: interrupted; make setup goes on from here", file=sys.stderr)
        return 130


@contextlib.contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Wait for another `make setup` of this tree, and hold the next one off."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# What this machine has


def sourced_ros() -> str | None:
    """Return the name of the ROS 2 distribution that this shell has sourced, or None.

    Raises:
        SetupError: ROS is sourced, but this Python is not the one it was built for.
    """
    if not os.environ.get("AMENT_PREFIX_PATH") or not os.environ.get("ROS_DISTRO"):
        return None
    distribution = os.environ["ROS_DISTRO"]
    if importlib.util.find_spec("rclpy") is None:
        raise SetupError(
            f"ROS 2 {distribution} is sourced, but {sys.executable} cannot import its rclpy: "
            "name ROS's own Python (make setup PYTHON=/usr/bin/python3), or unset ROS_DISTRO to use wheels"
        )
    return distribution


def check_machine(ros: str | None) -> None:
    """Look for what neither pip nor this script can bring.

    Raises:
        SetupError: it is missing.
    """
    if ros is None:
        check_wheels_exist()
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupError(f"{sys.executable} cannot make virtual environments: apt-get install python{version}-venv")
    if not any(map(shutil.which, filter(None, [os.environ.get("CXX"), "c++", "g++", "clang++"]))):
        raise SetupError("no C++ compiler was found: apt-get install g++ (it also brings gcc)")
    if not any(map(shutil.which, filter(None, [os.environ.get("CC"), "cc", "gcc", "clang"]))):
        raise SetupError("no C compiler was found: apt-get install gcc")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        raise SetupError(f"{sys.executable} has no C headers: apt-get install python3-dev")


def check_wheels_exist() -> None:
    """Raise SetupError where ROS 2 has no wheels for this system, processor or Python."""
    lowest, highest = (".".join(map(str, version)) for version in WHEEL_PYTHONS)
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise SetupError(
            f"ROS 2 has no wheels for {platform.system()} on {platform.machine()}, only for Linux on x86_64: "
            "install ROS 2, source its setup.bash, and run make setup again"
        )
    if sys.version_info[:2] > WHEEL_PYTHONS[1]:
        raise SetupError(
            f"ROS 2 has no wheels for Python {platform.python_version()}, only for {lowest} to {highest}: "
            f"make setup PYTHON=python{highest}, or source an installed ROS 2"
        )


def child_environment(ros: str | None) -> dict[str, str]:
    """Return the environment in which the steps run."""
    environment = dict(os.environ)
    if ros is None:
        for name in FOREIGN_VARIABLES:
            environment.pop(name, None)
        environment |= {"AMENT_PREFIX_PATH": str(VENV), "CMAKE_PREFIX_PATH": str(VENV), "ROS_DISTRO": "jazzy"}
    elif importlib.util.find_spec("cv2") is not None:
        environment.setdefault("FACEMESH_OPENCV", "")
    environment["PATH"] = f"{BIN}{os.pathsep}{environment.get('PATH', os.defpath)}"
    environment["VIRTUAL_ENV"] = str(VENV)
    return environment


# The steps


def make_venv(ros: str | None) -> None:
    """Make an empty .venv, unless one of this Python and this ROS is there.

    Raises:
        SetupError: there is a .venv that this script did not make.
    """
    marker = VENV / "made_by_make_setup"
    key = f"{sys.base_prefix} {platform.python_version()} ros={ros or 'wheels'} at {VENV}\n"
    if marker.exists() and marker.read_text() == key and (BIN / "pip").exists():
        return
    if VENV.exists() and any(VENV.iterdir()) and not marker.exists():
        raise SetupError(f"{VENV} was not made by make setup: move or delete it, then run make setup again")
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir()
    marker.write_text(key)
    options = ["--system-site-packages"] if ros else []
    run("virtual environment", [sys.executable, "-m", "venv", *options, str(VENV)], dict(os.environ))


def install_packages(ros: str | None, environment: dict[str, str]) -> None:
    """Install the Python packages and, where no ROS is sourced, ROS 2 from wheels."""
    files = [ROOT / "setup.py", ROOT / "package.xml", WHEELS, Path(__file__)]
    choices = [environment.get(name, "default") for name in ("FACEMESH_OPENCV", "FACEMESH_ONNXRUNTIME")]
    with stamped("packages", files, choices) as is_current:
        if is_current:
            return
        arguments = [f"--editable=.[{EXTRAS}]", "--config-settings=editable_mode=compat"]
        if ros is None:
            arguments += ["--requirement", str(WHEELS)]
        else:
            arguments += ["--constraint", str(numpy_constraint())]
        title = "Python packages" + ("" if ros else " and ROS 2 Jazzy from wheels")
        run(title, [str(BIN / "pip"), "install", "--retries=2", *arguments], environment, remedy=pip_remedy)


def numpy_constraint() -> Path:
    """Write a pip constraint that keeps numpy at the major version that the sourced ROS was compiled for.

    Raises:
        SetupError: the ROS that is sourced has no numpy, which its messages need.
    """
    try:
        major = int(metadata.version("numpy").split(".")[0])
    except metadata.PackageNotFoundError:
        raise SetupError("the sourced ROS 2 has no numpy: apt-get install python3-numpy") from None
    path = BUILD / "constraints.txt"
    path.write_text(f"numpy<{major + 1}\n")
    return path


def build_messages(ros: str | None, environment: dict[str, str]) -> None:
    """Generate, compile and install the messages into .venv, and make them importable there."""
    scripts = [path for path in SCRIPTS.rglob("*") if path.is_file()]
    files = [ROOT / "package.xml", ROOT / "CMakeLists.txt", *MESSAGES.iterdir(), *scripts]
    with stamped("messages", files) as is_current:
        if is_current:
            return
        if lacks_tf2_msgs(ros):
            build_package("tf2_msgs", TF2_MSGS, environment)
        build_package("messages", ROOT, environment, FACEMESH_MESSAGES_ONLY="ON")
        make_importable(ros)


def lacks_tf2_msgs(ros: str | None) -> bool:
    """Say whether there is no tf2_msgs: it has no wheel, and a small installation of ROS may be without."""
    return ros is None or importlib.util.find_spec("tf2_msgs") is None


def build_package(name: str, source: Path, environment: dict[str, str], **further: str) -> None:
    """Generate and compile the messages of one ROS package into .venv."""
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    options = {
        "BUILD_TESTING": "OFF",
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_INSTALL_PREFIX": VENV,
        "CMAKE_PROJECT_INCLUDE": SCRIPTS / "drop_missing_includes.cmake",
        "PYTHON_INSTALL_DIR": MESSAGES_FOLDER.relative_to(VENV),
        "Python3_EXECUTABLE": BIN / "python",
        **further,
    }
    generator = ["-G", "Ninja"] if shutil.which("ninja", path=environment["PATH"]) else []
    definitions = [f"-D{option}={value}" for option, value in options.items()]
    configure = ["cmake", "-S", str(source), "-B", str(folder), *generator, *definitions]
    run(f"{name}: configure", configure, environment)
    run(f"{name}: compile", ["cmake", "--build", str(folder), "--target", "install"], environment)


def make_importable(ros: str | None) -> None:
    """Show Python the messages, and ROS the launch files and configurations of the source tree."""
    site_packages = PYTHON_LIB / "site-packages"
    (site_packages / "facemesh_ros_messages.pth").write_text(f"{MESSAGES_FOLDER}\n")
    if ros is not None:  # the wheels bring such a hook themselves
        shutil.copy(SCRIPTS / "facemesh_ros_libraries.py", site_packages)
        (site_packages / "facemesh_ros_libraries.pth").write_text("import facemesh_ros_libraries\n")
    for name in ("config", "launch"):
        link = VENV / "share" / "facemesh_ros" / name
        link.unlink(missing_ok=True)
        link.symlink_to(ROOT / name)


def install_networks(environment: dict[str, str]) -> int:
    """Bring the networks into the user's data folder; return the command's exit status."""
    command = [str(BIN / "facemesh"), "models", "install"]
    return subprocess.run(command, env=environment, check=False).returncode


# Running and remembering


@contextlib.contextmanager
def stamped(name: str, files: Sequence[Path], others: Sequence[str] = ()) -> Iterator[bool]:
    """Yield whether the step was done with these very inputs; remember them when it succeeds."""
    digest = hashlib.sha256("\n".join(others).encode())
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    stamp = VENV / f"stamp_{name}"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        yield True
        return
    stamp.unlink(missing_ok=True)
    yield False
    stamp.write_text(digest.hexdigest())


def last_error(output: str) -> str:
    """Return the last line that speaks of an error, else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no output"]
    return next((line for line in reversed(lines) if "error" in line.lower()), lines[-1])


def pip_remedy(output: str) -> str:
    """Say what pip's output means for the user."""
    if "connection broken by" in output or "Could not fetch URL" in output:
        return "the package index cannot be reached: check the network, or name a mirror in PIP_INDEX_URL"
    if "No space left on device" in output:
        return "the disk is full: about 2 GB are needed"
    return last_error(output)


def run(
    title: str,
    command: Sequence[str],
    environment: dict[str, str],
    remedy: Callable[[str], str] = last_error,
) -> None:
    """Run a command with its output in the log, and tell how long it took.

    Raises:
        SetupError: it failed; ``remedy`` turns its output into the message.
    """
    print(f"setup: {title} ...", end="", flush=True)
    start = time.monotonic()
    with LOG.open("a+", encoding="utf-8", errors="replace") as log:
        log.write(f"\n== {title}: {' '.join(command)}\n")
        log.flush()
        begin = log.tell()
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=False)
        log.seek(begin)
        output = log.read()
    print(f" {time.monotonic() - start:.0f} s" if done.returncode == 0 else " failed", flush=True)
    if done.returncode != 0:
        raise SetupError(f"{remedy(output)} (all output: {LOG.relative_to(ROOT)})")


if __name__ == "__main__":
    sys.exit(main())
