"""What a node says on real topics when no images arrive."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import BEST_EFFORT, RELIABLE, Rig, image_message, info_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

pytestmark = pytest.mark.ros

PATIENCE_S = 0.4


@pytest.fixture
def said(rig, capfd):
    """Return a function: all that was logged so far."""
    texts = []

    def so_far():
        texts.append(capfd.readouterr().err)
        return "".join(texts)

    return so_far


def impatient(rig, **parameters):
    return rig.node({"input.patience_s": PATIENCE_S} | parameters)


def looked(node, times):
    """Return a condition: the watch has looked so many times more."""
    watch = node._stream._watch
    goal = watch._looks + times
    return lambda: watch._looks >= goal


def test_nobody_publishing_is_said_once_with_the_topics_that_exist(rig, said):
    rig.publisher(Image, "/camera/image_raw", connected=False)
    node = impatient(rig)
    rig.until(lambda: "nothing publishes on /image" in said(), "a warning")
    assert "image:=/camera/image_raw" in said()
    assert "debug_image" not in said()
    rig.until(looked(node, 4), "the watch")
    assert said().count("nothing publishes") == 1


def test_a_qos_mismatch_is_said_at_once(rig, said):
    node = rig.node({"input.reliability": "reliable", "input.patience_s": 3600.0})
    rig.publisher(Image, "/image", BEST_EFFORT, connected=False)
    rig.until(lambda: "input.reliability to best_effort or auto" in said(), "a warning")
    assert node._stream._watch._looks == 0


@pytest.fixture
def other_process():
    """Stand in for another process: within one, the middleware allows a topic one type only."""
    other = Rig()
    yield other
    other.close()


@pytest.fixture
def ticking(rig):
    """Return a function that publishes messages of increasing stamps, each time it is asked, and says False."""

    def start(publisher, make):
        seconds = iter(range(1, 100_000))

        def publish():
            publisher.publish(make(next(seconds)))
            return False

        return publish

    return start


def test_camera_info_without_images_is_said_once(rig, said, ticking):
    rig.publisher(Image, "/image", connected=False)
    node = impatient(rig)
    tick = ticking(rig.publisher(CameraInfo, "/camera_info"), info_message)
    rig.until(lambda: tick() or "messages of camera_info" in said(), "a warning")
    enough = looked(node, 4)
    rig.until(lambda: tick() or enough(), "the watch")
    assert said().count("messages of camera_info") == 1


def test_the_compressed_twin_without_images_is_said_and_then_left_alone(rig, said, ticking):
    rig.publisher(Image, "/image", connected=False)
    twins = rig.publisher(CompressedImage, "/image/compressed", connected=False)
    impatient(rig)
    tick = ticking(twins, lambda _: CompressedImage(format="jpeg", data=b"..."))
    rig.until(lambda: tick() or "messages of /image/compressed" in said(), "a warning")
    rig.until(lambda: not twins.get_subscription_count(), "the node to leave the twin")


def test_a_publisher_that_is_silent_is_said(rig, said):
    impatient(rig)
    rig.publisher(Image, "/image")
    rig.until(lambda: "though 1 publisher(s) exist on /image" in said(), "a warning")


def test_a_topic_of_another_type_is_said(rig, other_process, said):
    impatient(rig)
    other_process.publisher(CompressedImage, "/image", connected=False)
    rig.until(lambda: "set input.transport to compressed" in said(), "a warning")


def test_stamps_that_never_agree_are_said(rig, said, ticking):
    impatient(rig)
    images = ticking(rig.publisher(Image, "/image", RELIABLE), image_message)
    infos = ticking(rig.publisher(CameraInfo, "/camera_info"), lambda second: info_message(second + 0.5))
    rig.until(lambda: images() or infos() or "never with the stamp of an image" in said(), "a warning")


def test_a_stream_that_is_well_is_not_spoken_of(rig, said, ticking):
    images = ticking(rig.publisher(Image, "/image", connected=False), image_message)
    infos = ticking(rig.publisher(CameraInfo, "/camera_info", connected=False), info_message)
    node = rig.node({"input.patience_s": 1.0})
    enough = looked(node, 4)
    rig.until(lambda: infos() or images() or enough(), "the watch")
    assert "WARN" not in said()


def test_a_disabled_node_does_not_watch(rig):
    node = impatient(rig)
    watch = node._stream._watch
    node._close_stream()
    assert node._stream is None
    assert watch._timer not in list(node.timers)
