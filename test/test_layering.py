"""The architecture, as laws: who may import whom, touch ROS, the runtime or clocks, and how long a file may be."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "facemesh_ros"
LAYERS = (
    {"errors"},
    {"checks", "nvidia", "devices"},
    {"types", "tunables"},
    {"config", "topology", "distortion", "target", "buckets", "page_locked"},
    {"geometry", "filters", "models", "warp", "identity", "exposure", "lens", "head", "paint", "labels"}
    | {"ways", "joined", "robust", "spread", "gpu_thread"},
    {"runtime", "engines", "track", "views", "procrustes", "shapes", "virtual_camera", "anonymous", "picture"}
    | {"candidates"},
    {"bound", "gaze", "likelihood"},
    {"session", "expressions", "pose", "directions"},
    {"detector", "mesh_net", "tracker", "search", "scale", "metric_mesh"},
    {"finder", "heads", "networks"},
    {"pipeline", "draw", "rep155"},
    {"__init__"},  # the library's public names
    {"ros"},
    {"tools"},
)
LAYER_OF = {name: layer for layer, names in enumerate(LAYERS) for name in names}
ROS_PACKAGES = {"rclpy", "ament_index_python", "builtin_interfaces", "cv_bridge", "rcl_interfaces", "std_srvs"}
CLOCKS = {"time", "datetime"}
MAX_LINES = 300

FILES = sorted(PACKAGE.rglob("*.py"))
every_file = pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])


def part_of(path):
    """The name in LAYERS: a module of the library, or one of its folders."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path):
    """Dotted names of all that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively: write the full name"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_ros(name):
    first = name.split(".")[0]
    return first in ROS_PACKAGES or first.endswith("_msgs") or name.startswith("facemesh_ros.msg")


def parts_imported(path):
    """Which parts of the library a file imports; names that are no part are public names, so `__init__`."""
    for name in imported(path):
        first, _, rest = name.partition(".")
        if first == "facemesh_ros" and not is_ros(name) and rest:
            yield rest.split(".")[0] if rest.split(".")[0] in LAYER_OF else "__init__"


@every_file
def test_a_file_has_a_layer(path):
    assert part_of(path) in LAYER_OF, "a new file is given its layer in the table above"


@every_file
def test_a_file_imports_only_lower_layers_or_its_own_folder(path):
    own = part_of(path)
    higher = {p for p in parts_imported(path) if p != own and LAYER_OF[p] >= LAYER_OF[own]}
    assert not higher, f"{own} is layer {LAYER_OF[own]}; it imports {sorted(higher)}, not below it"


@every_file
def test_only_one_file_imports_onnxruntime(path):
    assert part_of(path) == "runtime" or not {n for n in imported(path) if n.startswith("onnxruntime")}


@every_file
def test_only_the_door_imports_ros(path):
    assert part_of(path) == "ros" or not {n for n in imported(path) if is_ros(n)}


@every_file
def test_only_the_door_and_the_tools_read_clocks(path):
    assert part_of(path) in {"ros", "tools"} or not CLOCKS & {n.split(".")[0] for n in imported(path)}


@every_file
def test_a_long_file_says_why(path):
    text = path.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text)) or ""
    lines = text.count("\n")
    assert lines <= MAX_LINES or "Over 300 lines because" in " ".join(docstring.split()), f"{lines} lines"


def test_the_laws_see_files():
    assert {"errors", "types", "config", "pipeline", "ros", "tools"} <= {part_of(path) for path in FILES}
