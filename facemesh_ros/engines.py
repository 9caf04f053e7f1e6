"""Where TensorRT's engines are kept: they take minutes to build and serve one network, way, GPU and version only."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facemesh_ros.models import sha256_of
from facemesh_ros.nvidia import Gpu

_MARK = "complete.json"
_REMAINS = ("*.engine", "*.profile")
"""What onnxruntime writes beside its cache of timings, which stays good."""


@dataclass(frozen=True)
class EngineKey:
    """All that an engine depends on."""

    network: str
    sha256: str
    """Of the network's file."""
    precision: str
    """fp32 or fp16."""
    providers: tuple[tuple[str, Mapping[str, Any]], ...]
    """With the options by which it is built, but for where it is kept."""
    most_rows: int
    """Of the largest batch that it takes."""
    onnxruntime: str
    """Version; so for TensorRT, if it is known."""
    tensorrt: str | None
    gpu: Gpu | None

    @property
    def folder(self) -> Path:
        """The engine's own folder: below $XDG_CACHE_HOME, else ~/.cache. It may not be there."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        return cache / "facemesh_ros" / "engines" / f"{self.network}-{self.precision}-{sha256_of(self._text)[:12]}"

    @property
    def is_built(self) -> bool:
        """Whether the engine is there, whole."""
        try:
            marked = (self.folder / _MARK).read_bytes() == self._text
        except OSError:
            return False
        return marked and any(self.folder.glob("*.engine"))

    def prepare(self) -> None:
        """Make the folder, and remove what an interrupted build left there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.is_built:
            return
        for pattern in _REMAINS:
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)

    def mark_built(self) -> None:
        """Say that the engine in the folder is whole: it has run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / _MARK).write_bytes(self._text)

    @property
    def _text(self) -> bytes:
        return json.dumps(asdict(self), indent=2, sort_keys=True).encode()
