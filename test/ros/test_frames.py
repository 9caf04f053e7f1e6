"""One image message to one array, without topics."""

import threading
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rig import DEADLINE_S, FakeMesher, a_face, image_message, placed, stamp
from scipy.spatial.transform import Rotation

from facemesh_ros.config import Config, NodeConfig
from facemesh_ros.errors import InputError
from facemesh_ros.ros.companions import Companions
from facemesh_ros.ros.diagnostics import Tally
from facemesh_ros.ros.frames import Frame, FrameProcessor
from facemesh_ros.ros.target import Target
from facemesh_ros.ros.timing import StageTimer
from facemesh_ros.ros.transforms import frames_of
from facemesh_ros.types import Camera

pytestmark = pytest.mark.ros


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def timer():
    return StageTimer()


@pytest.fixture
def mesher(timer):
    return FakeMesher(Config(), timer.stage)


@pytest.fixture
def process(mesher, timer, warnings):
    """Return a processor's method that takes stamps."""
    companions = Companions.of(NodeConfig(), Tally(), warnings.append, Target("", print, frames_of("")))
    processor = FrameProcessor(mesher, timer, companions, warnings.append)

    def at(*stamps_s):
        return [processor.process(Frame(image_message(s), timer.now_s()), dropped=0) for s in stamps_s]

    at.processor = processor
    return at


def test_the_stamp_is_the_time(process, mesher):
    process(1.0, 1.5)
    assert mesher.stamps == [1.0, 1.5]


def test_every_result_bears_its_images_header_and_the_faces(process, mesher):
    first, second = process(1.0, 2.0)
    assert [result.array.header.stamp for result in (first, second)] == [stamp(1.0), stamp(2.0)]
    assert first.faces == mesher.faces
    assert first.image_rgb.shape == (48, 64, 3)


def test_an_image_that_comes_too_late_is_left_out_and_resets_nothing(process, mesher):
    first, late, third = process(10.033, 10.0329, 10.066)
    assert late is None
    assert None not in (first, third)
    assert (mesher.stamps, mesher.resets) == ([10.033, 10.066], 0)


def test_stamps_that_rise_or_stand_still_reset_nothing(process, mesher, warnings):
    process(0.0, 0.0, 1.0, 1.0, 7.0)
    assert (mesher.resets, warnings) == (0, [])


def test_a_jump_back_resets_before_the_image_is_looked_at_and_is_said_once(process, mesher, warnings):
    process(10.0, 2.0, 3.0, 1.0)
    assert mesher.resets == 2
    (warning,) = warnings
    assert "8.000 s" in warning


def test_after_a_reset_any_stamp_is_a_beginning(process, mesher, warnings):
    process(10.0)
    process.processor.reset()
    process(2.0)
    assert (mesher.resets, warnings) == (1, [])


def test_an_image_that_cannot_be_read_does_not_reach_the_library(process, mesher):
    message = image_message(1.0)
    message.encoding = "bgr7"
    with pytest.raises(InputError, match="bgr7"):
        process.processor.process(Frame(message, 0.0), dropped=0)
    assert mesher.stamps == []


FRONTAL = Rotation.from_matrix([[0, 1, 0], [0, 0, -1], [-1, 0, 0]])
"""camera_from_head of a head that looks into the camera: all parts of its quaternion are of one size."""


@pytest.mark.parametrize(("axis", "step_deg"), [("x", 20), ("z", 20), ("y", 1)])
def test_the_heads_quaternion_keeps_its_sign_however_the_head_turns(process, mesher, axis, step_deg):
    quaternions = []
    for number, degrees in enumerate((0, -1, 1, *range(0, 720, step_deg))):
        mesher.faces = (placed(a_face(), turn=Rotation.from_euler(axis, degrees, degrees=True) * FRONTAL), a_face())
        (result,) = process(float(number))
        turn = result.array.faces[0].head_pose.pose.orientation
        quaternions.append([turn.x, turn.y, turn.z, turn.w])
        assert Rotation.from_quat(quaternions[-1]).as_matrix() == pytest.approx(
            mesher.faces[0].pose.camera_from_head[:3, :3]
        )
    steps = np.einsum("ij,ij->i", quaternions[1:], quaternions[:-1])
    assert steps.min() > 0.9


class WaitingCameras:
    """Cameras that call a function and let 8 ms pass on the stage timer's clock while an image waits for its own."""

    def __init__(self, meanwhile=lambda: None, camera=None):
        self.now_s = 0.0
        self.meanwhile = meanwhile
        self.camera = camera

    def camera_of(self, stamp, size_wh):
        self.meanwhile()
        self.now_s += 0.008
        return self.camera

    def clock_s(self):
        return self.now_s


def processor_with(cameras, depths=None, **parameters):
    timer = StageTimer(cameras.clock_s)
    mesher = FakeMesher(Config.from_dotted(parameters), timer.stage)
    companions = replace(Companions.of(NodeConfig(), Tally(), print, Target("", print, frames_of(""))), cameras=cameras)
    companions = companions if depths is None else replace(companions, depths=depths)
    return FrameProcessor(mesher, timer, companions, lambda _: None), mesher


def test_the_wait_for_a_camera_counts_as_queueing():
    processor, _ = processor_with(WaitingCameras())
    timing = processor.process(Frame(image_message(1.0), 0.0), dropped=0).array.timing
    assert (timing.queue, timing.decode, timing.total) == pytest.approx((8.0, 0.0, 8.0))


def test_an_image_that_comes_too_late_is_neither_read_nor_waits():
    cameras = WaitingCameras()
    processor, _ = processor_with(cameras)
    processor.process(Frame(image_message(10.033), 0.0), dropped=0)
    late = image_message(10.0)
    late.encoding = "bgr7"
    assert processor.process(Frame(late, 0.0), dropped=0) is None
    assert cameras.now_s == 0.008


def test_after_a_reset_during_the_wait_the_waiting_image_is_the_first():
    cameras = WaitingCameras()
    processor, mesher = processor_with(cameras)
    cameras.meanwhile = processor.reset
    assert processor.process(Frame(image_message(10.033), 0.0), dropped=0) is not None
    cameras.meanwhile = lambda: None
    assert processor.process(Frame(image_message(10.0), 0.0), dropped=0) is None
    assert processor.process(Frame(image_message(2.0), 0.0), dropped=0) is not None
    assert mesher.resets == 2


class AskedDepths:
    """Depths that write down which images ask for theirs."""

    def __init__(self):
        self.asked = []

    def partner_of(self, image_stamp):
        self.asked.append(image_stamp)


CALIBRATED = Camera.from_fov((64, 48), 1.0)
USES = {
    "a calibration": (CALIBRATED, {}, True),
    "a camera that is assumed": (None, {"camera.assume_fov_deg": 60.0}, True),
    "no camera": (None, {}, False),
    "no head poses": (CALIBRATED, {"pose.enabled": False}, False),
}


@pytest.mark.parametrize(("camera", "parameters", "is_asked_for"), USES.values(), ids=USES.keys())
def test_depth_is_asked_for_only_where_it_is_of_use(camera, parameters, is_asked_for):
    depths = AskedDepths()
    processor, _ = processor_with(WaitingCameras(camera=camera), depths, **parameters)
    processor.process(Frame(image_message(1.0), 0.0), dropped=0)
    assert depths.asked == [stamp(1.0)] * is_asked_for


def test_whether_depth_is_of_use_may_change_while_running():
    depths = AskedDepths()
    processor, _ = processor_with(WaitingCameras(camera=CALIBRATED), depths)
    processor.configure(Config.from_dotted({"pose.enabled": False}))
    processor.process(Frame(image_message(1.0), 0.0), dropped=0)
    assert depths.asked == []


@pytest.mark.parametrize("call", [FrameProcessor.reset, lambda processor: processor.configure(Config(max_faces=1))])
def test_while_an_image_waits_for_its_camera_nobody_else_waits(call):
    cameras = WaitingCameras()
    processor, _ = processor_with(cameras)
    caller = threading.Thread(target=call, args=(processor,), daemon=True)

    def call_and_return():
        caller.start()
        caller.join(DEADLINE_S)
        assert not caller.is_alive()

    cameras.meanwhile = call_and_return
    assert processor.process(Frame(image_message(1.0), 0.0), dropped=0) is not None


@pytest.mark.parametrize("call", [FrameProcessor.reset, lambda processor: processor.configure(Config(max_faces=1))])
def test_nothing_changes_while_the_library_works(call):
    processor, mesher = processor_with(WaitingCameras())
    caller = threading.Thread(target=call, args=(processor,), daemon=True)
    work, seen = mesher.process, []

    def watched(*arguments):
        caller.start()
        caller.join(0.05)  # ample time for a call that nothing holds up
        seen.append((mesher.resets, mesher.config))
        return work(*arguments)

    mesher.process = watched
    processor.process(Frame(image_message(1.0), 0.0), dropped=0)
    caller.join(DEADLINE_S)
    assert seen == [(0, Config())]
    assert (mesher.resets, mesher.config) != seen[0]
