"""Face meshes with identity from camera images: a plain Python library with a ROS 2 door.

    from facemesh_ros import FaceMesher, Config
    faces = FaceMesher(Config()).process(image_rgb, stamp=0.0)

Names are loaded on first use, so that ``from facemesh_ros.msg import FaceMeshArray`` stays light.
"""

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING

# The generated messages (facemesh_ros.msg) may lie in another prefix than this source tree.
__path__ = extend_path(__path__, __name__)

if TYPE_CHECKING:
    from facemesh_ros.config import Config as Config
    from facemesh_ros.errors import ConfigError as ConfigError
    from facemesh_ros.errors import DeviceError as DeviceError
    from facemesh_ros.errors import FaceMeshError as FaceMeshError
    from facemesh_ros.errors import InputError as InputError
    from facemesh_ros.errors import ModelError as ModelError
    from facemesh_ros.networks import Networks as Networks
    from facemesh_ros.pipeline import FaceMesher as FaceMesher
    from facemesh_ros.target import TargetPlace as TargetPlace
    from facemesh_ros.types import Camera as Camera
    from facemesh_ros.types import Detection as Detection
    from facemesh_ros.types import Eyes as Eyes
    from facemesh_ros.types import Face as Face
    from facemesh_ros.types import Gaze as Gaze
    from facemesh_ros.types import HeadPose as HeadPose
    from facemesh_ros.types import Mesh as Mesh
    from facemesh_ros.types import Mouth as Mouth
    from facemesh_ros.types import Roi as Roi

_HOME_OF = {
    "Camera": "types",
    "Config": "config",
    "ConfigError": "errors",
    "Detection": "types",
    "DeviceError": "errors",
    "Eyes": "types",
    "Face": "types",
    "FaceMeshError": "errors",
    "FaceMesher": "pipeline",
    "Gaze": "types",
    "HeadPose": "types",
    "InputError": "errors",
    "Mesh": "types",
    "Mouth": "types",
    "ModelError": "errors",
    "Networks": "networks",
    "Roi": "types",
    "TargetPlace": "target",
}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> object:
    """Load a public name from its module (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
