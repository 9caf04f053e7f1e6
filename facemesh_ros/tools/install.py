"""Install networks: convert the weights and write the files so that no half-written network is ever loaded.

Each file is written under a temporary name, synced and renamed; files bear their digest in their names, so a new
version never overwrites the old; the manifest, which alone makes a file count, is replaced last. A run that is cut
short at any point leaves the previous installation as it was, and the next run removes the rest. Runs at the same time
take turns.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from facemesh_ros.errors import ModelError
from facemesh_ros.models import (
    FORMS,
    MANIFEST,
    NETWORKS,
    InstalledNetwork,
    manifest_bytes,
    read_manifest,
    sha256_of,
)
from facemesh_ros.tools.weights import Report, Weights, fetch_wheel, read_weights

if TYPE_CHECKING:
    from facemesh_ros.tools.conversion import Conversion

_TEMPORARY = ".tmp-"
_SOURCES = "sources"
"""Subfolder with the weights as published: a newer converter needs no network."""
_NEEDED_MB = 60
_PUBLISHED = {name: network.source_sha256 for name, network in NETWORKS.items() if network.source_sha256 is not None}
"""Name → SHA-256 of the weights that the wheel carries."""


def install(folder: Path, origin: Path | None, allow_unknown: bool, report: Report) -> list[str]:
    """Install networks into a folder; do nothing where all is in place.

    Args:
        folder: Where to; made when missing.
        origin: A wheel, a ``.task`` bundle or a folder; the wheel is fetched through pip when None.
        allow_unknown: Take a landmark network whose SHA-256 is in no table.
        report: Told what is being done.

    Returns:
        The names of the networks that were converted.

    Raises:
        ModelError: the weights cannot be had or converted, or the folder cannot be written.
    """
    if origin is None and not _outdated(folder):
        return []
    with _clear_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _turn(folder, report):
            _remove_leftovers(folder)
            if origin is None and not _outdated(folder):
                return []
            weights = _collect_weights(folder, origin, allow_unknown, report)
            return _install_weights(folder, weights, report)


def _outdated(folder: Path) -> set[str]:
    """Return the networks that should be there and are missing, altered or converted by another version."""
    installed = _readable_manifest(folder)
    wanted = {name: network.source_sha256 for name, network in installed.items()} | _PUBLISHED
    return {
        name
        for name, sha256 in wanted.items()
        if name in NETWORKS and not _is_current(installed.get(name), sha256, folder)
    }


def _is_current(installed: InstalledNetwork | None, source_sha256: str, folder: Path) -> bool:
    return (
        installed is not None
        and installed.source_sha256 == source_sha256
        and installed.converter == converter_digest()
        and all(installed.is_intact(folder, form) for form in FORMS)
    )


def _readable_manifest(folder: Path) -> dict[str, InstalledNetwork]:
    """Return the manifest; an unreadable one counts as none, since installing replaces it."""
    try:
        return read_manifest(folder)
    except ModelError:
        return {}


@cache
def converter_digest() -> str:
    """Return a digest of the converter's source files: when they change, networks are converted anew."""
    files = sorted((Path(__file__).parent / "conversion").glob("*.py"))
    return sha256_of(b"".join(path.read_bytes() for path in files))[:16]


def _collect_weights(folder: Path, origin: Path | None, allow_unknown: bool, report: Report) -> list[Weights]:
    """Return the weights from ``origin``, else those kept from an earlier installation, else the wheel's."""
    if origin is not None:
        return read_weights(origin, allow_unknown)
    kept = _kept_weights(folder)
    missing = _outdated(folder) - {weights.network.name for weights in kept}
    if not missing:
        return kept
    if not missing.intersection(_PUBLISHED):
        raise ModelError(
            f"the weights of {', '.join(missing)} are no longer in {folder}: give their bundle with --from"
        )
    download = folder / f"{_TEMPORARY}download"
    download.mkdir()
    try:
        return read_weights(fetch_wheel(download, report), allow_unknown=False)
    finally:
        shutil.rmtree(download, ignore_errors=True)


def _kept_weights(folder: Path) -> list[Weights]:
    """Return the weights that an earlier installation kept, if they are still as they were."""
    known = {name: network.source_sha256 for name, network in _readable_manifest(folder).items()} | _PUBLISHED
    try:
        kept = read_weights(folder / _SOURCES, allow_unknown=True)
    except ModelError:
        return []
    return [weights for weights in kept if known.get(weights.network.name) == weights.sha256]


def _install_weights(folder: Path, weights: list[Weights], report: Report) -> list[str]:
    installed = _readable_manifest(folder)
    outdated = [w for w in weights if not _is_current(installed.get(w.network.name), w.sha256, folder)]
    steps = len(outdated) * len(FORMS)
    for index, one in enumerate(outdated):
        written = _write_network(folder, one, report, index * len(FORMS), steps)
        installed[one.network.name] = written
    if outdated:
        (folder / _SOURCES).mkdir(exist_ok=True)
        for one in outdated:
            write_atomically(folder / _SOURCES / Path(one.network.source_file).name, one.data)
        write_atomically(folder / MANIFEST, manifest_bytes(installed))
    _remove_unlisted(folder, installed)
    return [one.network.name for one in outdated]


def _write_network(folder: Path, weights: Weights, report: Report, done: int, steps: int) -> InstalledNetwork:
    """Convert a network into every form and write the files."""
    convert = load_converter()
    name = weights.network.name
    files: dict[str, str] = {}
    digests: dict[str, str] = {}
    for form in FORMS:
        report(f"converting {name} ({form})", done + len(files), steps)
        conversion = convert(weights.data, weights.network.source_file, form)
        digests[form] = sha256_of(conversion.onnx)
        files[form] = f"{name}-{form}-{digests[form][:8]}.onnx"
        write_atomically(folder / files[form], conversion.onnx)
    report(f"converted {name}", done + len(files), steps)
    return InstalledNetwork(
        name=name,
        source=weights.source,
        source_sha256=weights.sha256,
        converter=converter_digest(),
        input_size=conversion.input_size,
        outputs=conversion.outputs,
        macs=conversion.macs,
        files=files,
        sha256=digests,
    )


def load_converter() -> Callable[[bytes, str, str], Conversion]:
    """Return ``convert``; imported here because an installation in place needs neither onnx nor tflite.

    Raises:
        ModelError: the packages that only converting needs are missing.
    """
    try:
        from facemesh_ros.tools.conversion import convert
    except ImportError as error:
        raise ModelError(
            f"converting networks needs a package that is missing ({error}): run"
            f" `{sys.executable} -m pip install flatbuffers onnx tflite`"
        ) from error
    return convert


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, even if the machine stops meanwhile."""
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{path.name}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_leftovers(folder: Path) -> None:
    """Remove what a run that was cut short left behind; nobody else is writing now."""
    for path in [*folder.glob(f"{_TEMPORARY}*"), *(folder / _SOURCES).glob(f"{_TEMPORARY}*")]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _remove_unlisted(folder: Path, installed: Mapping[str, InstalledNetwork]) -> None:
    """Remove the ONNX files of earlier versions, and of runs that were cut short before their manifest."""
    listed = {file for network in installed.values() for file in network.files.values()}
    for path in folder.glob("*.onnx"):
        if path.name not in listed and path.name.startswith(tuple(f"{name}-" for name in NETWORKS)):
            path.unlink(missing_ok=True)


@contextmanager
def _turn(folder: Path, report: Report) -> Iterator[None]:
    """Hold the folder's lock, which the kernel releases however the process ends."""
    with (folder / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another installation", 0, 1)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _clear_errors(folder: Path) -> Iterator[None]:
    """Turn failures of the file system into a ModelError with the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = f"the disk is full: free {_NEEDED_MB} MB"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            remedy = "it is not writable: get the right to write"
        else:
            remedy = f"{error}: put that right"
        message = f"cannot write to {folder}, {remedy}, or set FACEMESH_MODELS to another folder"
        raise ModelError(f"{message}; what was installed before is as it was") from error
