"""The few files that the server gives, read once when it starts: no request ever names a path."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.topology import face_topology
from facemesh_ros.types import POINT_COUNTS

REMEDY = "pip install 'facemesh_ros[view]', or: pip install aiohttp plotly"
_PAGE = Path(__file__).with_name("page")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class File:
    """One answer."""

    content_type: str
    body: bytes
    zipped: bytes
    etag: str

    @classmethod
    def of(cls, content_type: str, body: bytes) -> File:
        """Zip it: Plotly's 5 MB become 1.4."""
        zipped = gzip.compress(body, 6, mtime=0)
        return cls(content_type, body, zipped, f'"{hashlib.sha256(body).hexdigest()[:20]}"')


def page_files() -> dict[str, File]:
    """Return the URL's path → what is there.

    Raises:
        FaceMeshError: Plotly is not installed.
    """
    own = {f"/{path.name}": File.of(_TYPES[path.suffix], path.read_bytes()) for path in sorted(_PAGE.iterdir())}
    own["/"] = own.pop("/index.html")
    own["/topology.json"] = File.of("application/json", json.dumps(_topology(), separators=(",", ":")).encode())
    own["/plotly.min.js"] = File.of("text/javascript", plotly_script().read_bytes())
    return own


def plotly_script() -> Path:
    """Return the script that Plotly's wheel bundles, without importing Plotly, which takes a second.

    Raises:
        FaceMeshError: it is not installed.
    """
    spec = importlib.util.find_spec("plotly")
    folders = [] if spec is None else spec.submodule_search_locations or []
    for folder in folders:
        script = Path(folder, "package_data", "plotly.min.js")
        if script.is_file():
            return script
    raise FaceMeshError(f"the web page needs plotly, which is not installed here: {REMEDY}")


def _topology() -> dict[str, object]:
    """Return, by count of points, what is drawn: flat pairs of points, and outlines by name."""
    tables: dict[str, object] = {}
    for count in POINT_COUNTS:
        topology = face_topology(count)
        outlines = [[name, 1, loop.tolist()] for name, loop in topology.loops.items()]
        outlines += [[name, 0, path.tolist()] for name, path in topology.paths.items()]
        tables[str(count)] = {"tesselation": topology.tesselation.ravel().tolist(), "outlines": outlines}
    return tables
