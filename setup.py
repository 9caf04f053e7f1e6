"""The door without ROS: `pip install .` gives the library and the command `facemesh`.

With ROS, CMakeLists.txt builds and installs the same Python code together with the messages.

Two packages come in several builds that exclude each other. The environment variables FACEMESH_OPENCV and
FACEMESH_ONNXRUNTIME name the build to depend on (for instance opencv-contrib-python); an empty value depends on none.
"""

import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = ElementTree.parse(HERE / "package.xml").findtext("version")


def chosen(variable: str, default: str) -> list[str]:
    """Return the requirement that the environment variable names, else the default."""
    return [name for name in [os.environ.get(variable, default).strip()] if name]


EXTRAS = {
    # Use: FACEMESH_ONNXRUNTIME= pip install ".[gpu]". Both builds of the runtime hold files of the same names, and
    # pip writes the CPU build's last.
    "gpu": ["onnxruntime-gpu>=1.18"],
    "bench": ["matplotlib>=3.8"],  # the plots of bench/
    "convert": ["flatbuffers", "onnx>=1.16", "tflite"],
    "demo": ["scikit-image>=0.22"],  # its wheel carries the picture that the built-in moving face is made of
    # The peer that converted networks are compared with, and what builds the wheel that a test looks into.
    "test": ["ai-edge-litert>=1.2", "pytest>=8", "PyYAML", "setuptools>=70.1"],
    "view": ["aiohttp>=3.8", "plotly>=5.18"],  # the web page; plotly for the script that its wheel bundles
    "dev": ["mypy>=1.11", "ruff>=0.8", "types-PyYAML"],
}

setup(
    name="facemesh_ros",
    version=VERSION,
    description="Face meshes of 468 or 478 points, with identity, from any camera; ROS 2 optional",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["facemesh_ros", "facemesh_ros.*"]),
    package_data={"": ["py.typed", "*.xml", "data/*", "page/*"]},
    install_requires=[
        "numpy>=1.26",
        # Headless: the others link to the system's libGL and X11, so a bare machine cannot import them.
        *chosen("FACEMESH_OPENCV", "opencv-python-headless>=4.6"),
        *chosen("FACEMESH_ONNXRUNTIME", "onnxruntime>=1.17"),
        "rich>=13",
        "scipy>=1.11",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["facemesh = facemesh_ros.tools.__main__:main"]},
    zip_safe=False,
)
