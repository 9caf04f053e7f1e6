"""The README says what is true: its snippets run, its tables list what the code has."""

import re
from array import array
from pathlib import Path

import pytest

from facemesh_ros.config import Config, NodeConfig

README = Path(__file__).parents[1] / "README.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def spelled(default):
    if isinstance(default, tuple):
        return f"`{list(default)}`"
    return str(default).lower() if isinstance(default, bool) else str(default)


def parameter_table():
    """What the README's table of parameters must be; copy it from the failing test's message."""
    rows = ["| Parameter | Default | Allowed | Live | Meaning |", "|---|---|---|---|---|"]
    for tunable in (*Config.tunables(), *NodeConfig.tunables()):
        default = spelled(tunable.default)
        live = "yes" if tunable.live else "no"
        rows.append(f"| `{tunable.name}` | {default} | {tunable.allowed()} | {live} | {tunable.description} |")
    return "\n".join(rows)


def test_the_table_of_parameters_is_that_of_the_code():
    shown = re.search(r"<!-- parameters:.*?-->\n(.*?)\n?<!-- end", README.read_text(encoding="utf-8"), re.DOTALL)
    assert shown.group(1) == parameter_table(), f"put this into README.md:\n{parameter_table()}"


def test_the_readme_has_snippets():
    assert len(SNIPPETS) == 2


def run_snippet(number):
    namespace = {}
    exec(compile(SNIPPETS[number], str(README), "exec"), namespace)
    return namespace


def test_the_snippet_of_the_library_runs_and_finds_the_face(networks, moving_face, capsys):
    faces = run_snippet(0)["faces"]
    assert [len(face.mesh.points) for face in faces] == [478]
    track_id, presence, *_ = capsys.readouterr().out.split()
    assert int(track_id) == 1 and float(presence) > 0.9


def test_the_snippet_of_the_subscriber_reads_a_message(capsys):
    reason = "the messages are not built: make setup"
    messages = pytest.importorskip("facemesh_ros.msg", reason=reason, exc_type=ImportError)
    face = messages.FaceMesh(id=7, landmarks=array("f", range(3 * 468)))
    run_snippet(1)["on_faces"](messages.FaceMeshArray(faces=[face]))
    assert capsys.readouterr().out == "7 (468, 3)\n"


def test_no_placeholder_is_left():
    for document in (README, *(README.parent / "docs").glob("*.md")):
        assert not re.findall(r"\b(?:FIGURES|DEMO|TODO|FIXME)\b", document.read_text(encoding="utf-8")), document.name


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
