"""The networks: which there are, where they are installed, and whether what lies there can be trusted.

``facemesh models install`` writes the networks' ONNX files and, last of all, ``manifest.json``, which names each file
with its SHA-256. A file that the manifest does not name, or whose bytes differ, is never loaded.

Every network takes ``image`` uint8 (N, S, S, 3) RGB, N free, S the network's ``input_size``. Detectors give
``regressors`` float32 (N, A, 16), px of the input relative to the anchor's centre, and ``logits`` float32 (N, A).
Landmark networks give ``points`` float32 (N, P, 3), px of the crop, and ``presence_logit`` float32 (N,).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from facemesh_ros.errors import ModelError

FORMS = ("cpu", "gpu")
"""The forms that a network is installed in: the same numbers from graphs that suit different machines."""
MANIFEST = "manifest.json"
_MANIFEST_FORMAT = 1
_REMEDY = "run `facemesh models install`"


@dataclass(frozen=True)
class Network:
    """A network that the library knows how to use."""

    name: str
    source_file: str
    """The weights' file in the wheel or bundle that carries them."""
    source_sha256: str | None
    """Of that file; None when any such file may be brought (``--allow-unknown``)."""
    input_size: int
    """px; the side of the square input."""
    outputs: Mapping[str, tuple[int, ...]]
    """Output → shape behind the batch axis."""
    macs: int | None
    """Multiplications for one image; None when the weights are not known beforehand."""
    licence: str
    origin: str
    """Who publishes the weights."""


def _detector(name: str, file: str, sha256: str, input_size: int, anchors: int, macs: int) -> Network:
    outputs = MappingProxyType({"regressors": (anchors, 16), "logits": (anchors,)})
    return Network(name, f"mediapipe/modules/{file}", sha256, input_size, outputs, macs, "Apache-2.0", WHEEL)


def _landmarks(name: str, file: str, sha256: str, input_size: int, points: int, macs: int) -> Network:
    outputs = MappingProxyType({"points": (points, 3), "presence_logit": ()})
    return Network(name, f"mediapipe/modules/{file}", sha256, input_size, outputs, macs, "Apache-2.0", WHEEL)


WHEEL = "mediapipe==0.10.21"
"""The last release of MediaPipe's wheel that carries the weights."""

_TABLE = (
    _detector(
        "detector_short",
        "face_detection/face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        input_size=128,
        anchors=896,
        macs=30_760_960,
    ),
    _detector(
        "detector_full",
        "face_detection/face_detection_full_range_sparse.tflite",
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
        input_size=192,
        anchors=2304,
        macs=117_188_352,
    ),
    _landmarks(
        "mesh",
        "face_landmark/face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        input_size=192,
        points=468,
        macs=34_979_040,
    ),
    _landmarks(
        "attention",
        "face_landmark/face_landmark_with_attention.tflite",
        "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4",
        input_size=192,
        points=478,
        macs=43_476_672,
    ),
    Network(
        "landmarker",
        "face_landmarks_detector.tflite",
        None,
        input_size=256,
        outputs=MappingProxyType({"points": (478, 3), "presence_logit": ()}),
        macs=None,
        licence="its bundle's",
        origin="a .task bundle",
    ),
)
NETWORKS: Mapping[str, Network] = MappingProxyType({network.name: network for network in _TABLE})
"""Name → network."""


@dataclass(frozen=True)
class InstalledNetwork:
    """What the manifest says of one network."""

    name: str
    source: str
    """Who publishes the weights, or the name of the bundle or folder that unknown ones came from."""
    source_sha256: str
    converter: str
    """Digest of the converter that wrote the files."""
    input_size: int
    outputs: Mapping[str, tuple[int, ...]]
    macs: int
    files: Mapping[str, str]
    """Form → file name in the folder."""
    sha256: Mapping[str, str]
    """Form → SHA-256 of that file."""

    def is_intact(self, folder: Path, form: str) -> bool:
        """Tell whether a form's file is there with the bytes that were installed."""
        path = folder / self.files[form]
        return path.is_file() and sha256_of(path.read_bytes()) == self.sha256[form]


def models_dir() -> Path:
    """Return the folder of the networks: $FACEMESH_MODELS, else facemesh_ros/models in the XDG data folder."""
    if chosen := os.environ.get("FACEMESH_MODELS"):
        return Path(chosen).expanduser()
    data_home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data_home).expanduser() / "facemesh_ros" / "models"


def find_network(name: str, form: str, folder: Path | None = None) -> Path:
    """Return the ONNX file of an installed network, its bytes checked against the manifest.

    Args:
        name: A name in ``NETWORKS``.
        form: "cpu" or "gpu".
        folder: Where the networks are installed; ``models_dir()`` when None.

    Raises:
        ModelError: the network is unknown, not installed, or altered since.
    """
    if name not in NETWORKS:
        raise ModelError(f"network {name!r} is unknown; allowed are {', '.join(NETWORKS)}")
    if form not in FORMS:
        raise ModelError(f"form {form!r} is unknown; allowed are {', '.join(FORMS)}")
    folder = models_dir() if folder is None else folder
    installed = read_manifest(folder).get(name)
    if installed is None:
        raise ModelError(f"network {name!r} is not installed in {folder}: {_install_remedy(NETWORKS[name])}")
    path = folder / installed.files[form]
    if not installed.is_intact(folder, form):
        raise ModelError(f"{path} is missing or not as it was installed: {_REMEDY}, which puts it right")
    return path


def _install_remedy(network: Network) -> str:
    if network.source_sha256 is None:
        return "run `facemesh models install --from face_landmarker.task --allow-unknown` with such a bundle"
    return f"{_REMEDY}, or set FACEMESH_MODELS to the folder that has it"


def read_manifest(folder: Path) -> dict[str, InstalledNetwork]:
    """Return the installed networks by name; none when nothing was ever installed.

    Raises:
        ModelError: the manifest is there and cannot be read.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _MANIFEST_FORMAT:
            raise ModelError(f"{path} has format {content['format']}, this version reads {_MANIFEST_FORMAT}: {_REMEDY}")
        return {name: _installed(name, entry) for name, entry in content["networks"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} cannot be read ({error}): delete it, then {_REMEDY}") from error


def _installed(name: str, entry: dict[str, Any]) -> InstalledNetwork:
    outputs = {output: tuple(shape) for output, shape in entry["outputs"].items()}
    installed = InstalledNetwork(**{**entry, "name": name, "outputs": outputs})
    if not set(FORMS) == set(installed.files) == set(installed.sha256):
        raise ValueError(f"network {name!r} lists the forms {', '.join(installed.files)}")
    return installed


def manifest_bytes(networks: Mapping[str, InstalledNetwork]) -> bytes:
    """Return the content of a manifest that lists these networks."""
    entries = {name: asdict(network) for name, network in sorted(networks.items())}
    text = json.dumps({"format": _MANIFEST_FORMAT, "networks": entries}, indent=2)
    return text.encode("utf-8") + b"\n"


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of bytes as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
