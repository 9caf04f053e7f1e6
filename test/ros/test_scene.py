"""Markers and points on real topics: what a viewer gets, and what nobody has to pay for."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rclpy.parameter import Parameter
from rig import RELIABLE, a_face, image_message, is_idle, placed, stamp
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_srvs.srv import SetBool
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

from facemesh_ros.ros import scene
from facemesh_ros.ros.convert import info_from_camera
from facemesh_ros.ros.marker_kinds import KINDS
from facemesh_ros.types import Camera

pytestmark = pytest.mark.ros

MARKERS, POINTS = "/facemesh_node/markers", "/facemesh_node/points"


def metric(track_id=1):
    face = placed(a_face(), (0.0, 0.0, 1.0), Rotation.from_matrix([[0, 1, 0], [0, 0, -1], [-1, 0, 0]]))
    points = np.random.default_rng(track_id).normal(scale=0.1, size=(468, 3)).astype(np.float32)
    return replace(face, track_id=track_id, points_m=points)


def actions(message):
    return {(marker.action, marker.id) for marker in message.markers}


@pytest.fixture
def shown(rig, request):
    """Return a function that shows a node an image with these faces, and waits until it is done with it.

    The node's parameters may be given indirectly.
    """
    node = rig.node(getattr(request, "param", {}))
    arrays, images = rig.faces(), rig.publisher(Image, "/image")

    def show(*faces, frame_id="camera_optical"):
        rig.mesher.faces = faces
        count = len(arrays) + 1
        images.publish(image_message(float(count), frame_id=frame_id))
        rig.until(lambda: len(arrays) == count, "faces")
        rig.until(lambda: is_idle(node), "the node to be done")

    return show


def test_a_viewer_gets_what_is_there_and_is_told_what_leaves(rig, shown):
    markers = rig.collect(MarkerArray, MARKERS)
    rig.until(lambda: rig.nodes[0]._lanes[0].outputs.markers.get_subscription_count(), "the node to see the viewer")
    shown(metric(1), metric(2))
    shown(metric(2))
    shown()
    rig.until(lambda: len(markers) == 3, "markers")
    assert actions(markers[0]) == {(Marker.DELETEALL, 0), (Marker.ADD, 1), (Marker.ADD, 2)}
    assert actions(markers[1]) == {(Marker.DELETE, 1), (Marker.ADD, 2)}
    assert actions(markers[2]) == {(Marker.DELETE, 2)}
    assert {m.ns for m in markers[1].markers} == set(KINDS) - {"irises", "gaze"}
    assert {(m.header.stamp.sec, m.header.frame_id) for m in markers[1].markers} == {(2, "camera_optical")}


def test_all_is_taken_back_when_the_node_is_deactivated(rig, shown):
    markers, clouds = rig.collect(MarkerArray, MARKERS), rig.collect(PointCloud2, POINTS)
    outputs = rig.nodes[0]._lanes[0].outputs
    rig.until(lambda: outputs.markers.get_subscription_count() and outputs.points.get_subscription_count(), "viewers")
    shown(metric())
    rig.nodes[0].trigger_deactivate()
    rig.until(lambda: len(markers) == 2 and len(clouds) == 2, "the last messages")
    assert actions(markers[1]) == {(Marker.DELETEALL, 0)}
    assert (markers[1].markers[0].header.stamp, clouds[1].header.stamp) == (stamp(1.0), stamp(1.0))
    assert [cloud.width for cloud in clouds] == [468, 0]


def test_all_is_taken_back_in_its_frame_when_images_come_in_one_without_a_name(rig, shown):
    markers, clouds = rig.collect(MarkerArray, MARKERS), rig.collect(PointCloud2, POINTS)
    outputs = rig.nodes[0]._lanes[0].outputs
    rig.until(lambda: outputs.markers.get_subscription_count() and outputs.points.get_subscription_count(), "viewers")
    shown(metric())
    shown(metric(), frame_id="")
    shown(metric(), frame_id="")
    shown(metric())
    rig.until(lambda: len(markers) == 3 and len(clouds) == 5, "all messages")
    said = [(actions(message), message.markers[0].header.stamp.sec) for message in markers]
    begun = {(Marker.DELETEALL, 0), (Marker.ADD, 1)}
    assert said == [(begun, 1), ({(Marker.DELETEALL, 0)}, 1), (begun, 4)]
    told = [(cloud.header.frame_id, cloud.header.stamp.sec, cloud.width) for cloud in clouds]
    frame = "camera_optical"
    assert told == [(frame, 1, 468), (frame, 1, 0), ("", 2, 468), ("", 3, 468), (frame, 4, 468)]


def test_no_markers_are_sent_before_the_first_image_whose_frame_has_a_name(rig, shown):
    markers, node = rig.collect(MarkerArray, MARKERS), rig.nodes[0]
    rig.until(lambda: node._lanes[0].outputs.markers.get_subscription_count(), "the node to see the viewer")
    shown(metric(), frame_id="")
    shown(metric())
    rig.until(lambda: markers, "markers")
    assert [actions(message) for message in markers] == [{(Marker.DELETEALL, 0), (Marker.ADD, 1)}]


def test_a_new_stream_begins_with_the_deletion_of_all(rig, shown):
    markers = rig.collect(MarkerArray, MARKERS)
    rig.until(lambda: rig.nodes[0]._lanes[0].outputs.markers.get_subscription_count(), "the node to see the viewer")
    shown(metric())
    for data in (False, True):
        assert rig.call(SetBool, "/facemesh_node/enable", SetBool.Request(data=data)).success
    rig.until(lambda: rig.tester.count_subscribers("/image"), "the node to subscribe")
    publisher = rig.publisher(Image, "/image")
    publisher.publish(image_message(9.0))
    rig.until(lambda: len(markers) == 3, "markers")
    assert [m.action for m in markers[1].markers] == [Marker.DELETEALL]
    assert [m.action for m in markers[2].markers][:2] == [Marker.DELETEALL, Marker.ADD]


def test_nothing_is_made_while_nobody_listens(rig, shown):
    with mock.patch.object(scene.FaceMarkers, "message") as message, mock.patch.object(scene, "cloud_message") as cloud:
        shown(metric())
        rig.nodes[0].trigger_deactivate()
    assert (message.call_count, cloud.call_count) == (0, 0)


def test_markers_can_be_switched_off_while_running(rig, shown):
    markers, node = rig.collect(MarkerArray, MARKERS), rig.nodes[0]
    rig.until(lambda: node._lanes[0].outputs.markers.get_subscription_count(), "the node to see the viewer")
    shown(metric())
    assert node.set_parameters([Parameter("markers.enabled", value=False)])[0].successful
    shown(metric())
    shown(metric())
    assert node.set_parameters([Parameter("markers.enabled", value=True)])[0].successful
    shown(metric())
    rig.until(lambda: len(markers) == 3, "markers")
    assert actions(markers[1]) == {(Marker.DELETEALL, 0)}
    assert actions(markers[2]) == {(Marker.DELETEALL, 0), (Marker.ADD, 1)}


def test_the_surface_can_be_made_plain_while_running(rig, shown):
    markers, node = rig.collect(MarkerArray, MARKERS), rig.nodes[0]
    rig.until(lambda: node._lanes[0].outputs.markers.get_subscription_count(), "the node to see the viewer")
    shown(metric())
    assert node.set_parameters([Parameter("markers.surface", value="plain")])[0].successful
    shown(metric())
    rig.until(lambda: len(markers) == 2, "markers")
    counts = [[len(m.colors) for m in message.markers if m.ns == "surface"] for message in markers]
    assert counts == [[3 * 898], [0]]


@pytest.mark.parametrize("shown", [{"privacy.mode": "numbers"}, {"privacy.mode": "blur"}], indirect=True)
def test_where_pixels_must_not_leave_the_surface_is_plain(rig, shown):
    markers = rig.collect(MarkerArray, MARKERS)
    rig.until(lambda: rig.nodes[0]._lanes[0].outputs.markers.get_subscription_count(), "the node to see the viewer")
    shown(metric())
    rig.until(lambda: markers, "markers")
    assert [len(m.colors) for m in markers[0].markers if m.ns == "surface"] == [0]


def matrix(place, turn):
    parent_from_child = np.eye(4)
    parent_from_child[:3, :3] = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
    parent_from_child[:3, 3] = place.x, place.y, place.z
    return parent_from_child


@pytest.mark.models
def test_message_tf_markers_and_points_of_a_real_face_agree(rig, networks, face_rgb):
    from facemesh_ros.pipeline import FaceMesher

    node = rig.node({"input.reliability": "reliable"}, FaceMesher)
    arrays, tf = rig.faces(), rig.collect(TFMessage, "/tf")
    markers, clouds = rig.collect(MarkerArray, MARKERS), rig.collect(PointCloud2, POINTS)
    outputs = node._lanes[0].outputs
    publishers = (outputs.tf, outputs.markers, outputs.points)
    rig.until(
        lambda: all(publisher.get_subscription_count() for publisher in publishers), "the node to see its readers"
    )
    info = info_from_camera(Camera.from_fov((640, 480), np.radians(60.0)))
    info.header = image_message(3.5).header
    rig.publisher(CameraInfo, "/camera_info").publish(info)
    rig.until(lambda: node._lanes[0].ready[1].cameras._messages, "camera_info")
    rig.publisher(Image, "/image", RELIABLE).publish(image_message(3.5, face_rgb))
    rig.until(lambda: all((arrays, tf, markers, clouds)), "all that is said of the image")
    (face,), by_name = arrays[0].faces, {marker.ns: marker for marker in markers[0].markers}
    said = matrix(face.head_pose.pose.position, face.head_pose.pose.orientation)
    head = next(one.transform for one in tf[0].transforms if one.child_frame_id == "face_1")
    axes = by_name["axes"].pose
    np.testing.assert_allclose(matrix(head.translation, head.rotation), said, rtol=0, atol=1e-6)
    np.testing.assert_allclose(matrix(axes.position, axes.orientation), said, rtol=0, atol=1e-6)
    points = np.reshape(face.points, (478, 3))
    corners = {(p.x, p.y, p.z) for p in by_name["surface"].points}
    assert corners == {tuple(map(float, point)) for point in points[:468]}
    np.testing.assert_array_equal(np.frombuffer(bytes(clouds[0].data), "<f4").reshape(478, 5)[:, :3], points)
    start, end = by_name["gaze"].points
    direction = face.gaze_direction
    np.testing.assert_allclose([start.x, start.y, start.z], said[:3, 3], rtol=0, atol=1e-6)
    way = np.array([end.x - start.x, end.y - start.y, end.z - start.z])
    np.testing.assert_allclose(way / 0.3, [direction.x, direction.y, direction.z], rtol=0, atol=1e-6)
    skin = np.mean([(c.r, c.g, c.b) for c in by_name["surface"].colors], axis=0)
    assert skin[0] > skin[1] > skin[2] > 0.2  # as skin is
