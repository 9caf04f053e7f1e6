"""config/facemesh.yaml lists every parameter, with its default, and says what config.py says."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from facemesh_ros.config import Config, NodeConfig

FILE = Path(__file__).parents[1] / "config" / "facemesh.yaml"
TUNABLES = {tunable.name: tunable for tunable in (*Config.tunables(), *NodeConfig.tunables())}
LINE_LENGTH = 110


def flattened(tree, prefix=""):
    """Return the leaves of nested mappings by their dotted names."""
    leaves = {}
    for name, value in tree.items():
        leaves |= flattened(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return leaves


def section_of(name):
    """Return the section of a parameter: the library's and the node's of one name are one in YAML."""
    return name.rpartition(".")[0]


def spelled(value):
    """Return a default as YAML writes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(spelled, value))}]"
    if isinstance(value, str):
        return value if value and yaml.safe_load(value) == value else f"'{value}'"  # off alone would be false
    return str(value).lower() if isinstance(value, bool) else str(value)


def described(tunable, indent):
    """Return the comment and the line of one parameter."""
    *_, leaf = tunable.name.split(".")
    when = "may change while running" if tunable.live else "read when the node is configured"
    comment = textwrap.wrap(tunable.description, LINE_LENGTH - indent - 2, break_on_hyphens=False)
    allowed = tunable.allowed()
    comment.append(f"{allowed[0].upper()}{allowed[1:]}; {when}.")
    return [" " * indent + line for line in [*(f"# {line}" for line in comment), f"{leaf}: {spelled(tunable.default)}"]]


def parameters_text():
    """Return what follows ``ros__parameters:``; copy it from the failing test's message."""
    lines, open_sections = [], []
    sections_in_order = list(dict.fromkeys(section_of(name) for name in TUNABLES))
    for tunable in sorted(TUNABLES.values(), key=lambda tunable: sections_in_order.index(section_of(tunable.name))):
        *sections, _ = tunable.name.split(".")
        if sections != open_sections:
            lines += [f"{' ' * (4 + 2 * depth)}{name}:" for depth, name in enumerate(sections)]
            open_sections = sections
        lines += described(tunable, 4 + 2 * len(sections))
    return "\n".join(lines) + "\n"


def test_the_file_sets_every_parameter_to_its_default():
    (node, content), *others = yaml.safe_load(FILE.read_text(encoding="utf-8")).items()
    assert (node, list(content), others) == ("/**", ["ros__parameters"], [])
    got = flattened(content["ros__parameters"])
    got["cameras"] = tuple(got["cameras"])
    assert got == {name: tunable.default for name, tunable in TUNABLES.items()}
    assert {name: type(value) for name, value in got.items()} == {n: type(t.default) for n, t in TUNABLES.items()}


def test_the_library_and_the_node_take_the_file():
    values = flattened(yaml.safe_load(FILE.read_text(encoding="utf-8"))["/**"]["ros__parameters"])
    own = {tunable.name for tunable in NodeConfig.tunables()}
    assert Config.from_dotted({n: v for n, v in values.items() if n not in own}) == Config()
    assert NodeConfig.from_dotted({n: v for n, v in values.items() if n in own}) == NodeConfig()


def test_meaning_unit_and_bounds_are_those_of_the_code():
    _, _, got = FILE.read_text(encoding="utf-8").partition("  ros__parameters:\n")
    assert got == parameters_text(), f"put this into {FILE.name}:\n{parameters_text()}"


@pytest.mark.parametrize("name", sorted(TUNABLES))
def test_a_parameter_is_explained_right_above_it(name):
    leaf = name.split(".")[-1]
    text = FILE.read_text(encoding="utf-8")
    assert re.search(rf"^ *# .+\n *{leaf}: ", text, re.MULTILINE)


def test_the_preset_for_blur_differs_from_the_defaults_in_what_it_names_and_is_taken():
    content = yaml.safe_load(FILE.with_name("blur.yaml").read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    values = flattened(content)
    own = {tunable.name for tunable in NodeConfig.tunables()}
    config = Config.from_dotted({name: value for name, value in values.items() if name not in own})
    node = NodeConfig.from_dotted({name: value for name, value in values.items() if name in own})
    assert node.privacy.mode == "blur" and config.detector.interval_s == 0.0
    assert all(TUNABLES[name].default != value for name, value in values.items())
