"""A node under test and a node that talks to it, spun together until something has happened."""

import threading
import time
from array import array
from dataclasses import replace

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from facemesh_ros.msg import FaceMeshArray
from facemesh_ros.ros.node import FaceMeshNode
from facemesh_ros.types import Face, HeadPose, Mesh, Roi

DEADLINE_S = 60.0
"""Within this everything happens even on a loaded machine; tests return as soon as it has. It is longer than the 20 s
for which a participant that vanished without a word still counts in the graph of others (Fast DDS: leaseDuration)."""
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class FakeMesher:
    """Finds one face in every image, and remembers what it was asked."""

    device = "cpu"
    fallback = None

    def __init__(self, config, stage, first_id=1):
        self.config, self.first_id, self.next_id = config, first_id, first_id
        self.stage = stage
        self.depths, self.targets = [], []
        self.images, self.stamps, self.cameras, self.resets = [], [], [], 0
        self.faces = (a_face(),)
        self.possible_rois = ()
        self.may_work = threading.Event()
        self.may_work.set()
        self.error = None

    def process(self, image_rgb, stamp, camera=None, depth_m=None, target_m=None):
        self.depths.append(depth_m)
        self.targets.append(target_m)
        self.images.append(image_rgb)
        self.stamps.append(stamp)
        self.cameras.append(camera)
        assert self.may_work.wait(DEADLINE_S)
        if self.error is not None:
            raise self.error
        with self.stage("mesh"):
            return self.faces

    def camera_of(self, camera, size_wh):
        return camera

    def configure(self, config):
        self.config = config

    def reset(self):
        self.resets += 1


def a_face(points=468):
    mesh = Mesh(np.full((points, 3), 20.0, np.float32), 0.9)
    return Face(1, Roi((20.0, 20.0), 30.0, 0.0), mesh, mesh)


def placed(face, position_m=(0.0, 0.0, 1.0), turn=None, **pose):
    """Return the face with a head pose: so far from the camera, turned by a Rotation."""
    camera_from_head = np.eye(4)
    camera_from_head[:3, 3] = position_m
    camera_from_head[:3, :3] = np.eye(3) if turn is None else turn.as_matrix()
    return replace(face, pose=HeadPose(camera_from_head, 0.5, np.eye(6), **pose))


def stamp(seconds):
    return Time(sec=int(seconds), nanosec=round(seconds % 1 * 1e9))


def image_message(seconds, picture_rgb=None, frame_id="camera_optical"):
    picture = np.zeros((48, 64, 3), np.uint8) if picture_rgb is None else picture_rgb
    height, width = picture.shape[:2]
    return Image(
        header=Header(stamp=stamp(seconds), frame_id=frame_id),
        height=height,
        width=width,
        encoding="rgb8",
        step=3 * width,
        data=array("B", picture.tobytes()),
    )


def depth_message(seconds, depth_m, encoding="32FC1", frame_id="camera_optical"):
    """Return depth, (H, W) float32 m, as an image of one of the two encodings; NaN is 0 in the one of whole mm."""
    height, width = depth_m.shape
    values = depth_m if encoding == "32FC1" else np.rint(1000.0 * np.nan_to_num(depth_m)).astype(np.uint16)
    return Image(
        header=Header(stamp=stamp(seconds), frame_id=frame_id),
        height=height,
        width=width,
        encoding=encoding,
        step=values.itemsize * width,
        data=array("B", values.tobytes()),
    )


def info_message(seconds, size_wh=(64, 48)):
    width, height = size_wh
    matrix = [60.0, 0.0, width / 2, 0.0, 60.0, height / 2, 0.0, 0.0, 1.0]
    header = Header(stamp=stamp(seconds), frame_id="camera_optical")
    return CameraInfo(header=header, width=width, height=height, k=matrix, distortion_model="plumb_bob", d=[0.0] * 5)


def is_idle(node):
    """Say whether a node has neither images nor views to work on."""
    groups = () if node._streams is None else (node._streams._images, node._streams._views)
    return not any(group._lanes._waiting or group._lanes._busy for group in groups)


class Rig:
    """Nodes of one context and the executor that runs them."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.tester = rclpy.create_node("tester", context=self.context)
        self.executor.add_node(self.tester)
        self.nodes = []
        self.meshers = []

    def close(self):
        for node in self.nodes:
            node.trigger_shutdown()
            node.destroy_node()
        self.tester.destroy_node()
        self.executor.shutdown()
        self.context.shutdown()

    def make_mesher(self, config, stage, first_id):
        self.meshers.append(FakeMesher(config, stage, first_id))
        return self.meshers[-1]

    @property
    def mesher(self):
        return self.meshers[-1]

    def node(self, parameters=None, make_mesher=None, start=True, remap=()):
        """Make a node with these parameters and remappings, active unless ``start`` is false."""
        overrides = [Parameter(name, value=value) for name, value in (parameters or {}).items()]
        arguments = ["--ros-args", *(word for rule in remap for word in ("-r", rule))] if remap else None
        node = FaceMeshNode(
            lambda *_: self.make_mesher if make_mesher is None else make_mesher,
            context=self.context,
            parameter_overrides=overrides,
            cli_args=arguments,
        )
        self.nodes.append(node)
        self.executor.add_node(node)
        if start:
            assert node.start()
        return node

    def until(self, condition, what):
        """Spin until the condition holds; fail with ``what`` was waited for."""
        deadline_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline_s, f"waited {DEADLINE_S} s for {what}"
            self.executor.spin_once(timeout_sec=0.01)

    def collect(self, message_type, topic, qos=RELIABLE):
        """Return a list to which every message of the topic is added, once its publisher is connected."""
        messages = []
        subscription = self.tester.create_subscription(message_type, topic, messages.append, qos)
        self.until(subscription.get_publisher_count, f"a publisher on {topic}")
        return messages

    def faces(self):
        return self.collect(FaceMeshArray, "/facemesh_node/faces")

    def publisher(self, message_type, topic, qos=BEST_EFFORT, connected=True):
        publisher = self.tester.create_publisher(message_type, topic, qos)
        if connected:
            self.until(publisher.get_subscription_count, f"a subscriber on {topic}")
            self.until(lambda: self._is_heard(publisher), f"the subscriber to know of the publisher on {topic}")
        return publisher

    def _is_heard(self, publisher):
        """Say whether the subscriptions are matched on their side too: till then best effort may lose a message."""
        subscriptions = [s for node in self.nodes for s in node.subscriptions if s.topic_name == publisher.topic_name]
        return all(subscription.get_publisher_count() for subscription in subscriptions)

    def call(self, service_type, name, request):
        client = self.tester.create_client(service_type, name)
        self.until(client.service_is_ready, f"the service {name}")
        answer = client.call_async(request)
        self.until(answer.done, f"an answer of {name}")
        return answer.result()
