"""Elements that are serialised once, and then written as bytes."""

import itertools

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("visualization_msgs", reason="the messages are not installed: make setup")

from geometry_msgs.msg import Point
from rclpy.serialization import deserialize_message
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from facemesh_ros.ros.cdr import FIRST_PHASE, Mark, Row, Template, joined

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures("_message_support")]

FIELDS = {"points": (np.float64, 3), "colors": (np.float32, 4), "id": (np.int32, 0)}


def sequence_of(markers):
    return MarkerArray(markers=markers)


def template(phase, points=0, colors=0, **texts):
    """Return the template of a marker with so many points and colours, and their marks."""
    marks = {
        name: Mark.fresh(*FIELDS[name]) for name, count in (("points", points), ("colors", colors), ("id", 1)) if count
    }
    marker = Marker(id=marks["id"].value, **texts)
    if points:
        marker.points = [Point(**dict.fromkeys("xyz", float(marks["points"].value)))] * points
    if colors:
        marker.colors = [ColorRGBA(**dict.fromkeys("rgba", float(marks["colors"].value)))] * colors
    return Template(marker, sequence_of, phase, marks)


def test_no_elements_are_an_empty_sequence():
    assert deserialize_message(joined([]), MarkerArray).markers == []


@pytest.mark.parametrize("seed", range(20))
def test_what_is_written_is_what_is_read_whatever_the_lengths_of_strings_and_blocks(seed):
    random = np.random.default_rng(seed)
    templates, written, phase = [], [], FIRST_PHASE
    for _ in range(8):
        points, colors = random.integers(0, 9, 2).tolist()
        texts = {name: "x" * int(random.integers(0, 9)) for name in ("ns", "text", "mesh_resource")}
        templates.append(template(phase, points, colors, **texts))
        written.append(texts)
        phase = templates[-1].next_phase
    cuts = [0, *sorted(random.choice(range(1, 8), int(random.integers(0, 4)), replace=False).tolist()), 8]
    rows = [Row.of(templates[start:end]) for start, end in itertools.pairwise(cuts)]
    every = [fields for row in rows for fields in row.fields]
    for number, fields in enumerate(every):
        values = {name: random.normal(size=view.shape).astype(view.dtype) for name, view in fields.items()}
        values["id"][:] = number
        written[number] = written[number], values
        for name, view in fields.items():
            view[:] = values[name]
    markers = deserialize_message(joined(rows), MarkerArray).markers
    for number, (marker, (texts, values)) in enumerate(zip(markers, written, strict=True)):
        assert (marker.id, {name: getattr(marker, name) for name in texts}) == (number, texts)
        got_points = np.array([(p.x, p.y, p.z) for p in marker.points]).reshape(-1, 3)
        got_colors = np.array([(c.r, c.g, c.b, c.a) for c in marker.colors]).reshape(-1, 4)
        np.testing.assert_array_equal(got_points, values.get("points", np.zeros((0, 3))))
        np.testing.assert_array_equal(got_colors, values.get("colors", np.zeros((0, 4))))


@pytest.mark.parametrize("phase", [0, 4])
def test_numpy_sees_the_numbers_aligned_and_rows_of_the_right_width(phase):
    first = template(phase, points=5, colors=7)
    row = Row.of([first, template(first.next_phase, points=2, colors=1)])
    for fields, points, colors in zip(row.fields, (5, 2), (7, 1), strict=True):
        shapes = {name: view.shape for name, view in fields.items()}
        assert shapes == {"points": (points, 3), "colors": (colors, 4), "id": (1,)}
        assert all(view.flags.aligned and np.shares_memory(view, row.data) for view in fields.values())


def test_rows_of_one_template_do_not_share_their_bytes():
    templates = [template(0, points=2)]
    one, other = Row.of(templates), Row.of(templates)
    one.fields[0]["points"][:], other.fields[0]["points"][:] = 1.0, 2.0
    assert one.fields[0]["points"].max() == 1.0


def test_a_mark_that_is_not_in_one_block_is_refused():
    mark = Mark.fresh(np.float64)
    marker = Marker()
    marker.pose.position.x = marker.pose.position.z = float(mark.value)
    with pytest.raises(AssertionError, match="broken"):
        Template(marker, sequence_of, 0, {"position": mark})
