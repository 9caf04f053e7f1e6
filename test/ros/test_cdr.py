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

from facemesh_ros.ros.cdr import FIRST_PHASE, Mark, Template, joined, phase_after

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
    parts, written, phase = [], [], FIRST_PHASE
    for number in range(8):
        points, colors = random.integers(0, 9, 2).tolist()
        texts = {name: "x" * int(random.integers(0, 9)) for name in ("ns", "text", "mesh_resource")}
        part = template(phase, points, colors, **texts).part()
        values = {name: random.normal(size=view.shape).astype(view.dtype) for name, view in part.fields.items()}
        values["id"][:] = number
        for name, view in part.fields.items():
            view[:] = values[name]
        parts.append(part)
        written.append((texts, values))
        phase = phase_after(phase, part)
    markers = deserialize_message(joined(parts), MarkerArray).markers
    for number, (marker, (texts, values)) in enumerate(zip(markers, written, strict=True)):
        assert (marker.id, {name: getattr(marker, name) for name in texts}) == (number, texts)
        got_points = np.array([(p.x, p.y, p.z) for p in marker.points]).reshape(-1, 3)
        got_colors = np.array([(c.r, c.g, c.b, c.a) for c in marker.colors]).reshape(-1, 4)
        np.testing.assert_array_equal(got_points, values.get("points", np.zeros((0, 3))))
        np.testing.assert_array_equal(got_colors, values.get("colors", np.zeros((0, 4))))


@pytest.mark.parametrize("phase", [0, 4])
def test_numpy_sees_the_numbers_aligned_and_rows_of_the_right_width(phase):
    fields = template(phase, points=5, colors=7).part().fields
    assert {name: view.shape for name, view in fields.items()} == {"points": (5, 3), "colors": (7, 4), "id": (1,)}
    assert all(view.flags.aligned for view in fields.values())


def test_parts_of_one_template_do_not_share_their_bytes():
    one, other = itertools.islice(iter(template(0, points=2).part, None), 2)
    one.fields["points"][:], other.fields["points"][:] = 1.0, 2.0
    assert one.fields["points"].max() == 1.0


def test_a_mark_that_is_not_in_one_block_is_refused():
    mark = Mark.fresh(np.float64)
    marker = Marker()
    marker.pose.position.x = marker.pose.position.z = float(mark.value)
    with pytest.raises(AssertionError, match="broken"):
        Template(marker, sequence_of, 0, {"position": mark})
