"""The examples: their measures are the node's own, in both languages, and they read a real node on real topics."""

import importlib.util
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
from made_heads import flat, head_m, look, turned
from workspaces import ROOT, has_ros_package

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import DEADLINE_S, RELIABLE, image_message
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image

from facemesh_ros.gaze import openness, view_of
from facemesh_ros.head import HEAD_FROM_REFERENCE
from facemesh_ros.msg import FaceMeshArray
from facemesh_ros.ros.convert import face_message, info_from_camera
from facemesh_ros.ros.topology import topology_message
from facemesh_ros.topology import face_topology
from facemesh_ros.types import Camera, Face, HeadPose, Mesh, Roi

pytestmark = pytest.mark.ros

EXAMPLES = ROOT / "examples"
OUTLINES = ("lips_inner", "right_eye", "left_eye")
MOUTHS_M = (0.0, 0.01, 0.03)


@pytest.fixture(scope="module")
def reader():
    """The Python example as a module."""
    spec = importlib.util.spec_from_file_location("face_reader", EXAMPLES / "face_reader.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def message_of(points, pose=None):
    mesh = Mesh(points, 0.9)
    return face_message(Face(3, Roi((0.0, 0.0), 1.0, 0.0), mesh, mesh, pose))


def openings(reader, points):
    """Mouth, right and left eye by the Python example."""
    named = reader.named_points(topology_message(face_topology(len(points))))
    return [reader.opening(points, named[name]) for name in OUTLINES]


@pytest.mark.parametrize("mouth_m", MOUTHS_M)
@pytest.mark.parametrize("points", [468, 478])
def test_mouth_and_eyes_are_as_open_as_the_node_says(reader, mouth_m, points):
    mesh = flat(head_m(look(), mouth_m=mouth_m, count=points), turned(20, -10, 5))
    right, left, mouth = openness(view_of(mesh))
    assert openings(reader, mesh) == pytest.approx([mouth, right, left], abs=0.03)


@pytest.mark.parametrize("turn", [(0, 0, 0), (40, 0, 0), (0, -30, 0), (0, 0, 90)])
def test_openings_change_with_neither_size_nor_place_nor_turn_of_the_head(reader, turn):
    points = head_m(look(), mouth_m=0.02)
    moved = flat(points, turned(*turn), px_a_metre=300.0, at_xy=(50.0, 400.0))
    assert openings(reader, moved) == pytest.approx(openings(reader, flat(points)), rel=1e-3)


@pytest.mark.parametrize(("axis", "place"), [("yaw", 0), ("pitch", 1), ("roll", 2)])
def test_a_turn_about_one_axis_is_told_of_that_axis_alone(reader, axis, place):
    for degrees in (-50.0, 0.0, 30.0):
        turn = turned(**{f"{axis}_deg": degrees if axis != "pitch" else -degrees})  # that of a made head is downwards
        camera_from_head = np.eye(4)
        camera_from_head[:3, :3] = turn.as_matrix() @ HEAD_FROM_REFERENCE.T
        face = message_of(flat(head_m()), HeadPose(camera_from_head, 0.5, np.eye(6)))
        expected = np.zeros(3)
        expected[place] = degrees
        np.testing.assert_allclose(reader.yaw_pitch_roll_deg(face.head_pose.pose), expected, atol=0.01)


def test_without_a_topology_or_with_that_of_another_network_no_point_is_read(reader):
    face = message_of(flat(head_m(count=468)))
    assert reader.description(face, None) == "face 3: presence 0.90"
    assert "mouth" not in reader.description(face, topology_message(face_topology(478)))
    assert "mouth" in reader.description(face, topology_message(face_topology(468)))
    nameless = topology_message(face_topology(468))
    nameless.groups = []
    assert "mouth" not in reader.description(face, nameless)
    empty = reader.drawing(FaceMeshArray(image_width=64, image_height=48, faces=[face]), None)
    assert empty.shape == (48, 64, 3) and (empty == reader.GROUND_BGR).all()


def test_the_contours_are_drawn_where_the_mesh_is(reader):
    points = flat(head_m())
    array = FaceMeshArray(image_width=640, image_height=480, faces=[message_of(points)])
    drawn = reader.drawing(array, topology_message(face_topology(478))) != reader.GROUND_BGR
    rows, columns = np.nonzero(drawn.any(axis=2))
    contours = points[np.unique(face_topology().contours)]
    assert (columns.min(), columns.max()) == pytest.approx((contours[:, 0].min(), contours[:, 0].max()), abs=2.0)
    assert rows.min() == pytest.approx(contours[:, 1].min(), abs=2.0)


@pytest.fixture(scope="module")
def cpp_openings(tmp_path_factory):
    """What face_measures.hpp says of a mesh with a topology; it needs the messages' C++ headers, and no rclcpp."""
    compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if compiler is None:
        pytest.skip("no C++ compiler here: apt-get install g++")
    prefixes = [sys.prefix, *os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)]
    headers = [path for prefix in filter(None, prefixes) for path in sorted((ROOT / prefix / "include").glob("*"))]
    program = tmp_path_factory.mktemp("measures") / "measures"
    command = [compiler, "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{EXAMPLES}"]
    command += [word for path in headers for word in ("-isystem", str(path))]
    source = ROOT / "test" / "ros" / "measures_main.cpp"
    done = subprocess.run([*command, "-o", program, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    def measure(points, topology):
        outlines = (f"{group.name} {len(group.points)} {' '.join(map(str, group.points))}" for group in topology.groups)
        numbers = " ".join(map(repr, points.ravel().tolist()))
        told = f"{points.size} {numbers}\n{topology.num_points}\n" + "\n".join(outlines)
        return [float(word) for word in subprocess.check_output([program], input=told, text=True).split()]

    return measure


@pytest.mark.parametrize("mouth_m", MOUTHS_M)
def test_the_measures_in_cpp_are_those_in_python(reader, cpp_openings, mouth_m):
    points = flat(head_m(look(), mouth_m=mouth_m), turned(-25, 10, 15))
    *measured, unknown = cpp_openings(points, topology_message(face_topology(478)))
    assert measured == pytest.approx(openings(reader, points), abs=1e-5)
    assert math.isnan(unknown)


def test_the_measures_in_cpp_read_no_point_of_a_mesh_that_does_not_fit(cpp_openings):
    assert all(map(math.isnan, cpp_openings(flat(head_m(count=468)), topology_message(face_topology(478)))))


class Reading:
    """An example as a process of its own, with the lines that it has logged."""

    def __init__(self, command):
        self.lines = []
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.process = subprocess.Popen(command, **pipes, start_new_session=True)
        self._thread = threading.Thread(target=lambda: self.lines.extend(iter(self.process.stdout.readline, "")))
        self._thread.start()

    def says(self, pattern):
        return next(filter(None, (re.search(pattern, line) for line in list(self.lines))), None)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(DEADLINE_S)

    def close(self):
        self.process.kill()
        self._thread.join(DEADLINE_S)
        self.process.stdout.close()


@pytest.fixture
def read_a_face(rig, networks, face_rgb):
    """Show the real node one face while an example listens; return the example, and the face as published."""
    from facemesh_ros.pipeline import FaceMesher

    readings = []

    def read(command):
        rig.node({"input.reliability": "reliable"}, FaceMesher)
        arrays, infos = rig.faces(), rig.publisher(CameraInfo, "/camera_info")
        images = rig.publisher(Image, "/image", RELIABLE)
        readings.append(Reading(command))
        rig.until(lambda: rig.tester.count_subscribers("/facemesh_node/faces") == 2, f"{command[0]} to subscribe")
        rig.until(lambda: readings[0].says("478 points"), f"the topology in {command[0]}: {readings[0].lines}")
        info = info_from_camera(Camera.from_fov((640, 480), np.radians(60.0)))
        info.header = image_message(1.0).header
        infos.publish(info)
        rig.until(lambda: rig.nodes[0]._lanes[0].ready[1].cameras._messages, "camera_info")
        images.publish(image_message(1.0, face_rgb))
        rig.until(lambda: arrays, "faces")
        rig.until(lambda: readings[0].says(r"mouth \d"), f"a face in {command[0]}: {readings[0].lines}")
        return readings[0], arrays[0].faces[0]

    yield read
    for reading in readings:
        reading.close()


def assert_tells_of(reading, face):
    """The lines say what the message of the face says."""
    assert float(reading.says(r"face 1: presence ([\d.]+)")[1]) == pytest.approx(face.presence, abs=0.006)
    place = face.head_pose.pose.position
    assert float(reading.says(r"([\d.]+) m away")[1]) == pytest.approx(math.hypot(place.x, place.y, place.z), abs=0.006)
    assert float(reading.says(r"mouth ([\d.]+)")[1]) == pytest.approx(face.mouth_openness, abs=0.03)
    eyes = [float(word) for word in reading.says(r"eyes ([\d.]+) ([\d.]+)").groups()]
    assert eyes == pytest.approx([face.right_eye_openness, face.left_eye_openness], abs=0.006)


@pytest.mark.models
def test_the_python_example_tells_and_draws_what_the_node_publishes(read_a_face, tmp_path, rig):
    picture = tmp_path / "faces.png"
    command = [sys.executable, str(EXAMPLES / "face_reader.py"), "--ros-args", "-p", f"picture:={picture}"]
    reading, face = read_a_face(command)
    assert_tells_of(reading, face)
    ahead = Rotation.from_quat([getattr(face.head_pose.pose.orientation, one) for one in "xyzw"]).apply([1.0, 0.0, 0.0])
    yaw_deg = math.degrees(math.atan2(ahead[0], -ahead[2]))
    assert float(reading.says(r"yaw (-?\d+)")[1]) == pytest.approx(yaw_deg, abs=0.6)
    rig.until(picture.exists, "the picture")
    contours = np.reshape(face.landmarks, (-1, 3))[np.unique(face_topology().contours), 0]
    columns = np.nonzero((cv2.imread(str(picture)) != cv2.imread(str(picture))[0, 0]).any(axis=(0, 2)))[0]
    assert (columns.min(), columns.max()) == pytest.approx((contours.min(), contours.max()), abs=2.0)
    reading.stop()
    assert reading.process.returncode == 0
    assert not reading.says("Traceback")


@pytest.mark.models
@pytest.mark.slow
def test_the_cpp_example_tells_what_the_node_publishes(request, read_a_face):
    if not has_ros_package("rclcpp"):
        pytest.skip("rclcpp is not installed here: it has no wheels, so the node in C++ needs an installed ROS 2")
    workspace = request.getfixturevalue("workspace")
    program = workspace / "install" / "facemesh_ros" / "lib" / "facemesh_ros" / "face_reader"
    command = f"source {workspace}/install/setup.bash && exec {program}"
    reading, face = read_a_face(["bash", "-c", command])
    assert_tells_of(reading, face)
    reading.stop()
    assert reading.process.returncode == 0
