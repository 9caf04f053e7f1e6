"""docs/topology.md says what the code has, number by number."""

import re
from pathlib import Path

from facemesh_ros.rep155 import IBUG68, PUPILS
from facemesh_ros.topology import RIGID, SURFACE_POINTS, face_topology, mirror_points

DOCS = Path(__file__).resolve().parent.parent / "docs"
TEXT = (DOCS / "topology.md").read_text(encoding="utf-8")
TOPOLOGY = face_topology()


def section(title):
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(text):
    """The cells of all tables, without their headings."""
    table = [[cell.strip(" `") for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if "|" in line]
    return [row for row in table if not row[0].startswith("---") and row[0] not in ("Name", "Landmarks")]


def numbers(text):
    return [int(word) for word in re.findall(r"\d+", text)]


def number_lines(text):
    """The numbers of each paragraph that has nothing else."""
    return [numbers(paragraph) for paragraph in text.split("\n\n") if re.fullmatch(r"[\d\s,]+", paragraph)]


def test_single_points():
    assert {name: int(index) for name, index, _ in rows(section("Single points"))} == dict(TOPOLOGY.points)


def test_outlines():
    told = {name: numbers(points) for name, _, points in rows(section("Outlines"))}
    assert told == {name: outline.tolist() for name, outline in {**TOPOLOGY.loops, **TOPOLOGY.paths}.items()}


def test_parts_and_what_they_are_made_of():
    outlines = {**TOPOLOGY.loops, **TOPOLOGY.paths}
    told = rows(section("Parts"))
    assert [name for name, *_ in told] == list(TOPOLOGY.groups)
    for name, count, made_of in told:
        group = TOPOLOGY.groups[name].tolist()
        named = [[TOPOLOGY.points[one]] if one in TOPOLOGY.points else outlines[one].tolist() for one in words(made_of)]
        loop = outlines[name].tolist() if "the loop" in made_of else []
        assert group == [index for part in named for index in part] + loop
        assert len(group) == int(count)


def words(text):
    return re.findall(r"\w+_\w+", text)


def test_irises():
    order = ("right", "top", "left", "bottom")
    text = section("Irises")
    assert [int(re.search(rf"(\d+) \({side}\)", text)[1]) for side in order] == TOPOLOGY.loops["right_iris"].tolist()
    assert numbers(re.search(r"centre 473, rim ([\d, ]+)", text)[1]) == TOPOLOGY.loops["left_iris"].tolist()
    assert {TOPOLOGY.points["right_iris_center"], TOPOLOGY.points["left_iris_center"]} <= set(numbers(text))


def test_rigid_points():
    assert number_lines(section("Rigid points")) == [RIGID.tolist()]


def test_symmetric_pairs():
    text = section("Symmetric pairs")
    middle, pairs = number_lines(text)
    mirror = mirror_points().tolist()
    assert middle == [i for i in range(SURFACE_POINTS) if mirror[i] == i]
    assert numbers(text)[0] == len(middle)
    right, left = pairs[::2], pairs[1::2]
    assert [mirror[i] for i in right] == left
    assert left == list(range(248, SURFACE_POINTS)) and right == sorted(right)
    assert sorted(middle + pairs) == list(range(SURFACE_POINTS))
    irises = numbers(text.split("Irises:")[1])
    assert [int(mirror_points(478)[i]) for i in irises[::2]] == irises[1::2] == [473, 476, 475, 474, 477]


def test_the_70_landmarks_here_and_in_rep155():
    told = [index for _, points in rows(section("The 70 landmarks of REP 155")) for index in numbers(points)]
    assert told == [*IBUG68, *PUPILS]
    table = (DOCS / "rep155.md").read_text(encoding="utf-8").split("## The 70 landmarks")[1]
    others = re.findall(r"^\| \d.*?\| ([\d, ]+)", table, re.MULTILINE)
    assert [index for points in others for index in numbers(points)] == [*IBUG68, *PUPILS]


def test_the_sizes_of_the_fields():
    text = section("Reading it from the topic")
    for name in ("triangles", "tesselation", "contours", "irises"):
        shape = re.search(rf"`{name}` \| (\d+) × (\d+)", text).groups()
        assert tuple(map(int, shape)) == getattr(TOPOLOGY, name).shape


def test_every_picture_and_file_that_is_linked_exists():
    targets = re.findall(r"\]\(([^)#]+)[)#]", TEXT)
    assert targets
    assert not [target for target in targets if not (DOCS / target).exists()]


def test_every_link_within_the_page_has_its_heading():
    headings = {re.sub(r"[^\w -]", "", line[3:]).lower().replace(" ", "-") for line in re.findall("^## .*", TEXT, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= headings
