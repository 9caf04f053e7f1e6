"""The README says what is true: its snippets run, its tables list what the code has."""

import re
from pathlib import Path

import pytest

from facemesh_ros.config import Config, NodeConfig

README = Path(__file__).parents[1] / "README.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def parameter_table():
    """What the README's table of parameters must be; copy it from the failing test's message."""
    rows = ["| Parameter | Default | Allowed | Live | Meaning |", "|---|---|---|---|---|"]
    for tunable in (*Config.tunables(), *NodeConfig.tunables()):
        default = str(tunable.default).lower() if isinstance(tunable.default, bool) else str(tunable.default)
        live = "yes" if tunable.live else "no"
        rows.append(f"| `{tunable.name}` | {default} | {tunable.allowed()} | {live} | {tunable.description} |")
    return "\n".join(rows)


def test_the_table_of_parameters_is_that_of_the_code():
    shown = re.search(r"<!-- parameters:.*?-->\n(.*?)\n?<!-- end", README.read_text(encoding="utf-8"), re.DOTALL)
    assert shown.group(1) == parameter_table(), f"put this into README.md:\n{parameter_table()}"


def test_the_readme_has_snippets():
    assert len(SNIPPETS) == 2


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda s: s.splitlines()[1])
def test_every_snippet_runs(snippet, networks):
    if "facemesh_ros.msg" in snippet:
        pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup", exc_type=ImportError)
    exec(compile(snippet, str(README), "exec"), {})


@pytest.mark.parametrize("name", ["FaceMeshArray", "FaceMesh"])
def test_every_field_of_a_message_is_in_its_table(name):
    section = README.read_text(encoding="utf-8").split(f"### {name}\n")[1].split("\n#")[0]
    definition = (README.parent / "msg" / f"{name}.msg").read_text(encoding="utf-8")
    fields = re.findall(r"^[\w/]+(?:\[\])? (\w+)$", definition, re.MULTILINE)
    assert fields
    missing = [field for field in fields if f"`{field}`" not in section]
    assert not missing


def test_every_picture_and_file_that_is_linked_exists():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).exists(), target
