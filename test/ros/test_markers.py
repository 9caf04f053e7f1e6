"""The markers of faces: what they show, and that their bytes are the message that objects would make."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message
from scipy.spatial.transform import Rotation
from visualization_msgs.msg import Marker, MarkerArray

from facemesh_ros.ros.marker_kinds import KINDS, Shape
from facemesh_ros.ros.markers import FaceMarkers

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures("_message_support")]


def _bench():
    path = Path(__file__).parents[2] / "bench" / "markers.py"
    spec = importlib.util.spec_from_file_location("bench_markers", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


bench = _bench()
SHAPE_OF = Shape.of


def read(message):
    return deserialize_message(message, MarkerArray).markers


def result_of(*faces, seconds=1.5, frame_id="camera_optical_frame"):
    result = bench.made_result(faces, seconds, bench.made_image(np.random.default_rng(7)))
    result.array.header.frame_id = frame_id
    return result


def a_face(track_id=1, seed=0, **options):
    return bench.made_face(track_id, np.random.default_rng(seed), **options)


def first(*faces, is_colored=True, **options):
    """Return namespace → marker of the first message of a stream, without the deletion that begins it."""
    return {m.ns: m for m in read(FaceMarkers().message(result_of(*faces, **options), is_colored))[1:]}


def actions(markers):
    names = {Marker.ADD: "add", Marker.DELETE: "delete", Marker.DELETEALL: "delete all"}
    return [(names[marker.action], marker.ns, marker.id) for marker in markers]


def points_of(marker):
    return np.array([(p.x, p.y, p.z) for p in marker.points]).reshape(-1, 3)


def colors_of(marker):
    return np.array([(c.r, c.g, c.b, c.a) for c in marker.colors]).reshape(-1, 4)


def numbers_of(pose):
    p, q = pose.position, pose.orientation
    return [p.x, p.y, p.z, q.x, q.y, q.z, q.w]


def assert_equal(marker, expected):
    """Compare two markers field by field; numbers that are computed in another order may differ in their last bits."""
    np.testing.assert_allclose(points_of(marker), points_of(expected), rtol=0, atol=1e-14)
    np.testing.assert_allclose(colors_of(marker), colors_of(expected), rtol=0, atol=1e-6)
    np.testing.assert_allclose(numbers_of(marker.pose), numbers_of(expected.pose), rtol=0, atol=1e-14)
    rest = set(Marker.get_fields_and_field_types()) - {"points", "colors", "pose"}
    assert {name: getattr(marker, name) for name in rest} == {name: getattr(expected, name) for name in rest}


@pytest.mark.parametrize("seed", range(6))
def test_the_bytes_are_the_message_that_point_objects_make(seed):
    random, markers = np.random.default_rng(seed), FaceMarkers()
    for _ in range(4):
        ids = random.choice(2000, size=int(random.integers(0, 5)), replace=False) + 1
        count, is_colored = int(random.choice([468, 478])), bool(random.integers(2))
        faces = [bench.made_face(int(i), random, count, gaze=bool(random.integers(2))) for i in sorted(ids)]
        result = bench.made_result(faces, 1e4 * random.random(), bench.made_image(random))
        result.array.header.frame_id = "camera" + "_" * int(random.integers(0, 9))
        message = markers.message(result, is_colored)
        drawn = [marker for marker in read(message or b"\0\1\0\0\0\0\0\0") if marker.action == Marker.ADD]
        expected = bench.of_objects(result, is_colored).markers
        for marker, other in zip(drawn, read(bench.serialize_message(MarkerArray(markers=expected))), strict=True):
            assert_equal(marker, other)


def test_what_is_kept_from_image_to_image_is_as_new():
    random, markers = np.random.default_rng(3), FaceMarkers()
    for number in range(3):
        result = bench.made_result([bench.made_face(i, random) for i in (1, 20)], number / 30, bench.made_image(random))
        kept, new = read(markers.message(result, True)), read(FaceMarkers().message(result, True))
        assert len(kept) == 14 + (number == 0)
        for one, other in zip(kept[-14:], new[-14:], strict=True):
            assert_equal(one, other)


def test_a_stream_begins_with_the_deletion_of_all_and_goes_on_without():
    markers = FaceMarkers()
    said = [actions(read(markers.message(result_of(a_face(7)), True))) for _ in range(2)]
    assert said[0] == [("delete all", "", 0), *said[1]]
    assert said[1] == [("add", name, 7) for name in KINDS]
    markers.begin()
    assert actions(read(markers.message(result_of(a_face(7)), True))) == said[0]


def test_an_image_without_faces_deletes_all_once_and_then_says_nothing():
    markers = FaceMarkers()
    said = [markers.message(result_of(), True) for _ in range(2)]
    assert actions(read(said[0])) == [("delete all", "", 0)]
    assert said[1] is None


def test_the_markers_of_a_face_that_left_are_deleted_once():
    markers, here, leaves = FaceMarkers(), a_face(1), a_face(2)
    markers.message(result_of(leaves, here), True)
    added = [("add", name, 1) for name in KINDS]
    gone = [("delete", name, 2) for name in sorted(KINDS)]
    assert actions(read(markers.message(result_of(here), True))) == added + gone
    assert actions(read(markers.message(result_of(here), True))) == added
    assert actions(read(markers.message(result_of(), True))) == [("delete", name, 1) for name in sorted(KINDS)]


def test_a_face_that_loses_its_gaze_loses_that_marker_alone():
    markers, face = FaceMarkers(), a_face(3)
    markers.message(result_of(face), True)
    said = actions(read(markers.message(result_of(replace(face, gaze=None)), True)))
    assert [one for one in said if one[0] == "delete"] == [("delete", "gaze", 3)]
    assert len(said) == len(KINDS)


@pytest.mark.parametrize("lost", [{"points_m": None}, {"points_m": None, "pose": None}, {"pose": None}])
def test_a_face_without_metric_points_has_no_markers(lost):
    markers, face = FaceMarkers(), a_face(3)
    markers.message(result_of(face), True)
    said = actions(read(markers.message(result_of(replace(face, **lost)), True)))
    assert said == [("delete", name, 3) for name in sorted(KINDS)]


def test_a_gaze_that_has_no_place_is_not_drawn():
    face = a_face()
    assert "gaze" not in first(replace(face, gaze=replace(face.gaze, origin_m=None)))


def test_a_mesh_without_irises_has_no_marker_of_them():
    assert set(KINDS) - set(first(a_face(count=468))) == {"irises"}


@pytest.mark.parametrize("failing", [1, 2])
def test_when_the_markers_of_a_face_cannot_be_made_the_next_message_tells_all(monkeypatch, failing):
    """A face left and another came in the image that failed: both are told with the next."""
    markers, here, left, new = FaceMarkers(), a_face(2), a_face(7), a_face(8)
    markers.message(result_of(here, left), True)
    with monkeypatch.context() as patch:
        calls = []
        patch.setattr(
            Shape, "of", lambda *given: calls.append(1) or (SHAPE_OF(*given) if len(calls) < failing else 1 / 0)
        )
        with pytest.raises(ZeroDivisionError):
            markers.message(result_of(here, new), True)
    said = read(markers.message(result_of(here, new, seconds=4.0), True))
    added = [("add", name, track_id) for track_id in (2, 8) for name in KINDS]
    assert actions(said) == added + [("delete", name, 7) for name in sorted(KINDS)]
    expected = bench.of_objects(result_of(here, new, seconds=4.0))
    for marker, other in zip(said, read(bench.serialize_message(expected)), strict=False):
        assert_equal(marker, other)


def test_a_stream_whose_first_message_fails_still_begins_with_the_deletion_of_all(monkeypatch):
    markers = FaceMarkers()
    with monkeypatch.context() as patch:
        patch.setattr(Shape, "of", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            markers.message(result_of(a_face()), True)
    assert actions(read(markers.message(result_of(a_face()), True)))[0] == ("delete all", "", 0)


def test_every_marker_bears_the_images_stamp_and_frame_and_stays_until_it_is_deleted():
    markers = FaceMarkers()
    markers.message(result_of(a_face(1), a_face(2)), True)
    for marker in read(markers.message(result_of(a_face(1), seconds=2.25), True)):
        assert (marker.header.stamp.sec, marker.header.stamp.nanosec) == (2, 250_000_000)
        assert marker.header.frame_id == "camera_optical_frame"
        assert (marker.lifetime.sec, marker.lifetime.nanosec) == (0, 0)


def test_a_stamp_that_is_no_time_is_copied_as_it_is():
    markers, result = FaceMarkers(), result_of(a_face())
    result.array.header.stamp = Time(sec=-5, nanosec=4_000_000_000)
    assert {(m.header.stamp.sec, m.header.stamp.nanosec) for m in read(markers.message(result, True))} == {
        (-5, 4_000_000_000)
    }


def test_the_farewell_deletes_all_under_the_header_of_the_last_image_once():
    markers, result = FaceMarkers(), result_of(a_face(), seconds=2.5)
    assert markers.farewell() is None
    markers.message(result_of(a_face()), True)
    markers.message(result, True)
    (marker,) = read(markers.farewell())
    assert (marker.action, marker.header) == (Marker.DELETEALL, result.array.header)
    assert markers.farewell() is None


def test_the_corners_of_the_surface_are_points_of_the_mesh_and_its_front_is_outside():
    face = a_face()
    corners = points_of(first(face)["surface"])
    assert {tuple(p) for p in corners} == {tuple(p) for p in face.points_m[:468].astype(float)}
    a, b, c = corners.reshape(-1, 3, 3).transpose(1, 0, 2)
    ahead = np.cross(b - a, c - a) @ face.pose.camera_from_head[:3, 0]
    assert np.mean(ahead > 0) > 0.85


def test_the_surface_has_the_colour_of_the_image_at_each_point():
    face = a_face()
    result = result_of(face)
    surface = next(m for m in read(FaceMarkers().message(result, True)) if m.ns == "surface")
    x, y = np.rint(face.smoothed.points[:468, :2]).clip(0, (639, 479)).astype(int).T
    seen = {tuple(p): color for p, color in zip(face.points_m[:468].astype(float), result.image_rgb[y, x], strict=True)}
    expected = np.array([seen[tuple(p)] for p in points_of(surface)])
    np.testing.assert_allclose(255 * colors_of(surface)[:, :3], expected, atol=1e-4)
    assert set(colors_of(surface)[:, 3]) == {1.0}
    assert first(face, is_colored=False)["surface"].colors == []


def test_lines_lie_just_before_the_surface():
    face = a_face()
    for name, distance in {"tesselation": 0.001, "contours": 0.001, "irises": 0.004}.items():
        ahead = np.array(numbers_of(first(face)[name].pose)[:3]) @ face.pose.camera_from_head[:3, :3]
        np.testing.assert_allclose(ahead, [distance, 0.0, 0.0], atol=1e-9)


def test_the_rims_of_the_irises_are_round_and_go_through_their_points():
    face = a_face()
    ends = points_of(first(face)["irises"])
    for side, rim in enumerate((face.points_m[468:473], face.points_m[473:478])):
        circle = ends[32 * side : 32 * side + 32]
        np.testing.assert_allclose(circle[1::2], np.roll(circle[::2], -1, axis=0), atol=1e-12)  # it is closed
        across, down = (rim[1] - rim[3]) / 2, (rim[2] - rim[4]) / 2
        np.testing.assert_allclose(circle[[0, 8, 16, 24]] - rim[0], [across, down, -across, -down], atol=1e-6)


def test_the_axes_are_the_heads():
    face = a_face()
    turn = Rotation.from_rotvec([0.3, -2.0, 1.0])
    pose = face.pose.camera_from_head.copy()
    pose[:3, :3] = turn.as_matrix()
    axes = first(replace(face, pose=replace(face.pose, camera_from_head=pose)))["axes"]
    *place, x, y, z, w = numbers_of(axes.pose)
    ends = Rotation.from_quat([x, y, z, w]).apply(points_of(axes)) + place
    np.testing.assert_allclose(ends[::2], [pose[:3, 3]] * 3, atol=1e-9)
    np.testing.assert_allclose(ends[1::2] - ends[::2], 0.1 * pose[:3, :3].T, atol=1e-9)
    np.testing.assert_array_equal(colors_of(axes)[1::2], np.insert(np.eye(3), 3, 1.0, axis=1))


def test_the_gaze_begins_at_the_eyes_and_is_green_while_it_is_at_the_target():
    face = a_face()
    for is_looking in (False, True):
        gaze = replace(face.gaze, is_looking=is_looking)
        marker = first(replace(face, gaze=gaze))["gaze"]
        start, end = points_of(marker)
        np.testing.assert_allclose(start, gaze.origin_m, atol=1e-9)
        np.testing.assert_allclose((end - start) / 0.3, gaze.direction, atol=1e-9)
        assert (marker.color.g > marker.color.r) == is_looking


@pytest.mark.parametrize(("prefix", "text"), [("", "12"), ("left_", "left_12")])
def test_the_id_stands_over_the_forehead(prefix, text):
    face, markers = a_face(12), FaceMarkers()
    markers.begin(prefix)
    marker = read(markers.message(result_of(face), True))[-1]
    assert (marker.ns, marker.text) == ("id", text)
    in_head = (numbers_of(marker.pose)[:3] - face.pose.camera_from_head[:3, 3]) @ face.pose.camera_from_head[:3, :3]
    highest = ((face.points_m - face.pose.camera_from_head[:3, 3]) @ face.pose.camera_from_head[:3, :3])[:, 2].max()
    assert in_head[2] > highest + marker.scale.z / 2


def test_the_bench_compares_all_ways_of_making_them(monkeypatch, tmp_path, capsys):
    arguments = ["markers.py", "--faces", "1", "--blocks", "1", "--json", str(tmp_path / "markers.json")]
    monkeypatch.setattr(sys, "argv", arguments)
    bench.main()
    rows = json.loads((tmp_path / "markers.json").read_text())
    assert [row["way"] for row in rows] == ["Point objects", "kept objects", "templates", "templates, plain"]
    assert "Point objects" in capsys.readouterr().out
    assert rows[0]["median_us"] > 10 * rows[2]["median_us"]
