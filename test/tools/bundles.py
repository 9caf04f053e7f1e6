"""Wheels and bundles for tests of the installation, and a process of its own to run it in."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from facemesh_ros.models import NETWORKS

PUBLISHED = {name: network for name, network in NETWORKS.items() if network.source_sha256}
REPOSITORY = Path(__file__).parents[2]


def quiet(text, done, total):
    """Report to nobody."""


def run_python(code, *arguments, **environment):
    """Run Python code in a process of its own with this repository on its path."""
    paths = os.pathsep.join([str(REPOSITORY), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def bundle(path, **files):
    """Write a zip with these files, __ in a name standing for a dot."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data)
    return path


def make_wheel(published, folder):
    """Make a wheel that carries the weights where the real one has them, and no code."""
    wheel = folder / "mediapipe-0.10.21-cp312-cp312-manylinux_2_28_x86_64.whl"
    info = "mediapipe-0.10.21.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        for network in PUBLISHED.values():
            archive.write(published / Path(network.source_file).name, network.source_file)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.21\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: cp312-cp312-manylinux_2_28_x86_64\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def temporary_files(folder):
    return [path.name for path in folder.rglob(".tmp-*")]
