"""What a node says on real topics when no images arrive."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import BEST_EFFORT, RELIABLE, Rig, depth_message, image_message, info_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from facemesh_ros.config import Config, InputConfig, NodeConfig
from facemesh_ros.ros.companions import Companions
from facemesh_ros.ros.input_advice import ENOUGH
from facemesh_ros.ros.input_watch import InputWatch
from facemesh_ros.ros.inputs import Inputs

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
    watch = node._streams._streams[0]._watch
    goal = watch._looks + times
    return lambda: watch._looks >= goal


def test_nobody_publishing_is_said_once_with_the_topics_that_exist(rig, said):
    rig.publisher(Image, "/camera/image_raw", connected=False)
    own = ["~/debug_image:=/look", "~/anonymous_image:=/covered"]
    node = rig.node({"input.patience_s": PATIENCE_S, "privacy.mode": "blur"}, remap=own)
    rig.until(lambda: "nothing publishes on /image" in said(), "a warning")
    assert "image:=/camera/image_raw" in said()
    assert "/look" not in said() and "/covered" not in said()
    rig.until(looked(node, 4), "the watch")
    assert said().count("nothing publishes") == 1


@pytest.mark.parametrize(
    ("message_type", "topic", "transport"),
    [
        (Image, "/camera/image_raw", "compressed"),
        (CompressedImage, "/camera/image_raw/compressed", "raw"),
        (CompressedImage, "/camera/jpeg", "raw"),
        (CompressedImage, "/image/compressed", "raw"),
    ],
    ids=["only raw exists", "only compressed exists", "compressed of an odd name", "its own twin exists"],
)
def test_the_advised_arguments_lead_to_the_topic(rig, said, message_type, topic, transport):
    rig.publisher(message_type, topic, connected=False)
    impatient(rig, **{"input.transport": transport})
    rig.until(lambda: "--ros-args" in said(), "a warning")
    words = said().partition("--ros-args ")[2].splitlines()[0].split()
    given = {flag: [word for before, word in pairwise(words) if before == flag] for flag in ("-r", "-p")}
    parameters = dict(word.split(":=") for word in given["-p"])
    node = rig.node({"input.transport": transport} | parameters, remap=given["-r"])
    assert (node._streams._streams[0]._inputs.topics.image, node._streams._streams[0]._inputs.message_type) == (
        topic,
        message_type,
    )


def test_a_qos_mismatch_is_said_at_once(rig, said):
    node = rig.node({"input.reliability": "reliable", "input.patience_s": 3600.0})
    rig.publisher(Image, "/image", BEST_EFFORT, connected=False)
    rig.until(lambda: "input.reliability to best_effort or auto" in said(), "a warning")
    assert node._streams._streams[0]._watch._looks == 0


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
    rig.until(lambda: "-r image/compressed:=/image -p input.transport:=compressed" in said(), "a warning")


def test_stamps_that_never_agree_are_said(rig, said, ticking):
    impatient(rig)
    images = ticking(rig.publisher(Image, "/image", RELIABLE), image_message)
    infos = ticking(rig.publisher(CameraInfo, "/camera_info"), lambda second: info_message(second + 0.5))
    rig.until(lambda: images() or infos() or "never with the stamp of an image" in said(), "a warning")


def test_rare_camera_info_with_stamps_that_never_agree_is_said(rig, said, ticking):
    impatient(rig)
    images = ticking(rig.publisher(Image, "/image", RELIABLE), image_message)
    infos = ticking(rig.publisher(CameraInfo, "/camera_info"), lambda second: info_message(second + 0.5))
    infos()
    rig.until(lambda: images() or "no camera_info arrives" in said(), "a note")
    infos()
    rig.until(lambda: images() or infos() or "never with the stamp of an image" in said(), "a warning")


def test_no_depth_is_said(rig, said, ticking):
    impatient(rig, **{"depth.enabled": True, "camera.assume_fov_deg": 60.0})
    images = ticking(rig.publisher(Image, "/image", RELIABLE), image_message)
    rig.until(lambda: images() or "no depth arrives on /depth: nothing publishes there" in said(), "a warning")


def test_depth_with_stamps_that_never_agree_is_said(rig, said, ticking):
    impatient(rig, **{"depth.enabled": True, "camera.assume_fov_deg": 60.0})
    images = ticking(rig.publisher(Image, "/image", RELIABLE), image_message)
    flat = np.ones((48, 64), np.float32)
    depths = ticking(rig.publisher(Image, "/depth"), lambda second: depth_message(second + 0.5, flat))
    rig.until(lambda: images() or depths() or "set depth.tolerance_s" in said(), "a warning")


def test_distortion_of_rectified_images_is_said(rig, said, ticking):
    def distorted(seconds):
        message = info_message(seconds)
        message.d[0] = -0.2
        return message

    rig.node({"input.patience_s": PATIENCE_S}, remap=("image:=/cam/image_rect",))
    images = ticking(rig.publisher(Image, "/cam/image_rect", RELIABLE), image_message)
    infos = ticking(rig.publisher(CameraInfo, "/cam/camera_info"), distorted)
    rig.until(lambda: infos() or images() or "Set the parameter camera.rectified to true" in said(), "a warning")


def test_a_disabled_node_does_not_watch(rig):
    node = impatient(rig)
    watch = node._streams._streams[0]._watch
    node._close_streams()
    assert node._streams is None
    assert watch._timer not in list(node.timers)


class Watched:
    """A watch on /image whose windows end when the test says so, with what it has warned of."""

    def __init__(self, rig, has_depth=False, **config):
        self.warned, self.live = [], Config()
        logger = SimpleNamespace(warning=self.warned.append, info=rig.tester.get_logger().info)
        settings = NodeConfig(input=InputConfig(patience_s=3600.0, **config))
        self.cameras, self.depths = (SimpleNamespace(paired=0, lag_s=None) for _ in range(2))
        companions = Companions(self.cameras, self.depths if has_depth else None, None)
        self.inputs = Inputs(rig.tester, settings.input, lambda _: None, lambda _: None, lambda _: None)
        self.watch = InputWatch(rig.tester, self.inputs, settings, companions, lambda: self.live, logger)

    def window(self, images=0, infos=0, paired=0, twins=0, depths=0, depths_paired=0):
        """Pass a window in which so many messages arrive; return whether the twin was listened to in it."""
        for number in range(images):
            self.watch.image_arrived(image_message(number))
        for _ in range(infos):
            self.watch.info_arrived(info_message(1.0))
        for _ in range(depths):
            self.watch.depth_arrived()
        self.cameras.paired += paired
        self.depths.paired += depths_paired
        self.watch.look()
        is_probing = self.watch._twin is not None
        for _ in range(twins):
            self.watch._on_twin(b"")
        self.watch.look()
        return is_probing

    def close(self):
        self.watch.close()
        self.inputs.close()


@pytest.fixture
def watched(rig):
    """Return a function that makes a watch of topics on which somebody publishes: /image and /image/compressed."""
    made = []

    def make(offered=BEST_EFFORT, **config):
        for message_type, topic in ((Image, "/image"), (CompressedImage, "/image/compressed")):
            rig.publisher(message_type, topic, offered, connected=False)
            rig.until(lambda topic=topic: rig.tester.count_publishers(topic), f"the publisher on {topic}")
        made.append(Watched(rig, **config))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("infos", [0, 90])
def test_a_stream_that_is_well_is_not_warned_of(watched, infos):
    well = watched()
    for _ in range(3):
        assert not well.window(images=90, infos=infos, paired=infos)
    assert not well.warned


def test_a_missing_calibration_is_noted_once_and_is_no_warning(watched, said):
    camera = watched()
    for _ in range(4):
        camera.window(images=90)
    assert (said().count("no camera_info arrives on /camera_info"), camera.warned) == (1, [])


def test_a_missing_calibration_is_noted_only_while_head_poses_are_wanted(watched, said):
    camera = watched()
    for parameters in ({"pose.enabled": False}, {"camera.assume_fov_deg": 60.0}):
        camera.live = Config.from_dotted(parameters)
        for _ in range(3):
            camera.window(images=90)
    assert "no camera_info" not in said()
    camera.live = Config()
    camera.window(images=90)
    assert "no camera_info" in said()


def test_missing_depth_is_said_once_until_it_has_come(watched):
    camera = watched(has_depth=True)
    for depths in (0, 0, 0, 90, 0, 0):
        camera.window(images=90, infos=90, paired=90, depths=depths, depths_paired=depths)
    assert len(camera.warned) == 2
    assert all("no depth arrives on /depth" in text for text in camera.warned)


def test_late_camera_info_and_depth_are_told_with_how_late_they_are(watched):
    camera = watched(has_depth=True)
    camera.cameras.lag_s, camera.depths.lag_s = 0.02, 0.045
    camera.live = Config.from_dotted({"camera.assume_fov_deg": 60.0})
    for _ in range(3):
        camera.window(images=90, infos=90, depths=90)
    of_info, of_depth = camera.warned
    assert "20 ms after it is needed" in of_info
    assert "45 ms after it is needed" in of_depth


def test_silence_is_said_anew_after_images_have_flowed(watched):
    camera = watched()
    for images in (0, 0, ENOUGH, 0, 0):
        camera.window(images)
    assert len(camera.warned) == 2
    assert all("whether they send" in text for text in camera.warned)


def test_silence_is_said_anew_where_stamps_never_agree(watched):
    camera = watched()
    for images in (0, 90, 90, 0):
        camera.window(images, infos=images)
    silent, unpaired, again = camera.warned
    assert "same stamp" in unpaired
    assert again == silent


def test_an_image_now_and_then_is_not_spoken_of_each_time(watched):
    camera = watched()
    for images in (0, 1, 0, 1, 0):
        camera.window(images)
    assert len(camera.warned) == 1


def test_a_lasting_loss_is_said_once(watched):
    camera = watched()
    for _ in range(3):
        camera.window(images=2 * ENOUGH, infos=90)
    assert len(camera.warned) == 1


def test_a_qos_mismatch_stays_the_cause_while_no_image_arrives(watched):
    camera = watched(reliability="reliable")
    camera.watch.mismatched("reliability")
    camera.window(infos=90)
    assert ["cannot be heard" in text for text in camera.warned] == [True]
    camera.window(images=1, infos=90)
    assert "large images are lost" in camera.warned[-1]


def test_a_qos_mismatch_is_over_once_nobody_publishes(rig):
    camera = Watched(rig)
    camera.watch.mismatched("reliability")
    camera.window()
    assert ["nothing publishes" in text for text in camera.warned] == [False, True]
    camera.close()


def test_few_images_of_many_are_noticed_with_the_twin_alone(watched):
    camera = watched()
    assert camera.window(images=3, twins=60)
    assert "60 messages of /image/compressed arrived and 3 of /image" in camera.warned[0]
    assert not camera.window(images=3)


def test_a_slow_camera_is_compared_with_its_twin_once(watched):
    camera = watched()
    assert [camera.window(images=3, twins=2) for _ in range(3)] == [True, False, False]
    assert not camera.warned


@pytest.mark.parametrize(("offered", "is_advised"), [(BEST_EFFORT, False), (RELIABLE, True)], ids=["no", "yes"])
def test_reliable_is_advised_where_it_is_offered(watched, offered, is_advised):
    camera = watched(offered)
    camera.window(infos=90)
    assert ("to reliable (or auto)" in camera.warned[0]) == is_advised


def test_topics_and_the_first_image_are_told_of(watched, said):
    camera = watched()
    assert "listening to /image (raw, best_effort) and /camera_info" in said()
    camera.window(images=90)
    camera.window(images=90)
    assert said().count("images arrive on /image: 64x48 rgb8, frame 'camera_optical'") == 1


def test_images_after_a_warned_silence_are_told_of(watched, said):
    camera = watched()
    for images in (90, 0, 90):
        camera.window(images)
    assert said().count("images arrive on /image") == 2


def test_a_compressed_image_is_told_of_with_its_format(watched, said):
    camera = watched(transport="compressed", reliability="auto")
    assert "/image/compressed (compressed, reliable for now, as input.reliability is auto)" in said()
    camera.watch.image_arrived(CompressedImage(format="rgb8; jpeg compressed bgr8"))
    assert "format 'rgb8; jpeg compressed bgr8', frame ''" in said()
