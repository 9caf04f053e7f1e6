"""Through which states the node goes, and what it leaves behind on its way."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rig import DEADLINE_S, RELIABLE, image_message
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool

from facemesh_ros.errors import ConfigError, ModelError
from facemesh_ros.ros.convert import stamp_seconds

pytestmark = pytest.mark.ros


def state_of(rig):
    return rig.call(GetState, "/facemesh_node/get_state", GetState.Request()).current_state.label


def change_state(rig, label):
    request = ChangeState.Request()
    request.transition.label = label
    return rig.call(ChangeState, "/facemesh_node/change_state", request).success


def stamps(arrays):
    return [stamp_seconds(array.header) for array in arrays]


def test_a_node_without_autostart_waits_unconfigured(rig):
    rig.node({"autostart": False}, start=False)
    assert not rig.nodes[0].wants_autostart
    assert state_of(rig) == "unconfigured"
    assert rig.meshers == []


def test_the_lifecycle_can_be_gone_through_twice(rig):
    rig.node(start=False)
    arrays = rig.faces()
    for round_number in (1, 2):
        assert change_state(rig, "configure")
        assert len(rig.meshers) == round_number
        assert rig.tester.count_subscribers("/image") == 0
        assert change_state(rig, "activate")
        images = rig.publisher(Image, "/image")
        images.publish(image_message(round_number))
        rig.until(lambda: arrays and arrays[-1].faces, "faces")
        assert change_state(rig, "deactivate")
        rig.until(lambda: not arrays[-1].faces, "an empty array")
        assert stamps(arrays)[-1] == round_number
        assert rig.tester.count_subscribers("/image") == 0
        assert change_state(rig, "cleanup")
        assert state_of(rig) == "unconfigured"
        rig.tester.destroy_publisher(images)
        arrays.clear()


def test_ids_go_on_after_a_clean_up_and_after_an_error(rig, monkeypatch):
    node = rig.node()
    rig.mesher.next_id = 5
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert node.start()
    assert rig.mesher.first_id == 5
    rig.mesher.next_id = 9
    close = node._streams.close
    monkeypatch.setattr(node._streams, "close", lambda: (close(), 1 / 0))
    node.trigger_deactivate()
    assert state_of(rig) == "unconfigured"
    assert node.start()
    assert [mesher.first_id for mesher in rig.meshers] == [1, 5, 9]


@pytest.mark.models
def test_a_face_that_is_seen_after_a_clean_up_has_a_new_id(rig, networks, face_rgb):
    from facemesh_ros.pipeline import FaceMesher

    node, arrays = rig.node({"input.reliability": "reliable"}, FaceMesher), rig.faces()
    images = rig.publisher(Image, "/image", RELIABLE)
    for face_id in (1, 2):
        images.publish(image_message(1.0, face_rgb))
        rig.until(lambda: arrays and arrays[-1].faces, "a face")
        assert [face.id for face in arrays[-1].faces] == [face_id]
        node.trigger_deactivate()
        node.trigger_cleanup()
        rig.until(lambda: not arrays[-1].faces, "an empty array")
        assert node.start()
        rig.until(images.get_subscription_count, "the node to subscribe")


def test_a_network_that_is_missing_keeps_the_node_unconfigured_and_says_the_remedy(rig, capfd):
    def missing(config, stage, first_id):
        raise ModelError("attention is not installed: facemesh models install")

    rig.node(make_mesher=missing, start=False)
    assert not change_state(rig, "configure")
    assert "facemesh models install" in capfd.readouterr().err
    assert state_of(rig) == "unconfigured"


def test_an_unforeseen_error_in_a_transition_is_logged_and_leaves_the_node_unconfigured(rig, capfd):
    def broken(config, stage, first_id):
        raise ZeroDivisionError("a bug")

    node = rig.node(make_mesher=broken, start=False)
    assert not node.start()
    assert "ZeroDivisionError: a bug" in capfd.readouterr().err
    assert state_of(rig) == "unconfigured"


def test_a_new_activation_counts_from_zero_and_knows_no_tracks(rig):
    node = rig.node()
    images, arrays = rig.publisher(Image, "/image", RELIABLE), rig.faces()
    unreadable = image_message(0.0)
    unreadable.encoding = "bgr7"
    images.publish(unreadable)
    rig.until(lambda: node._lanes[0].tally.skipped, "an image to be skipped")
    node.trigger_deactivate()
    assert rig.mesher.resets == 1
    node.trigger_activate()
    rig.until(images.get_subscription_count, "the node to subscribe")
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    assert arrays[-1].dropped == 0


@pytest.mark.parametrize(
    "step", ["inputs.depth_topic", "stream.InputWatch", "target.Target.listen", "outlet.Outlet.open"]
)
def test_an_activation_that_fails_half_way_leaves_nothing_behind(rig, monkeypatch, capfd, step):
    def broken(*_):
        raise ZeroDivisionError("a bug")

    node = rig.node({"attention.target_frame": "screen", "depth.enabled": True}, start=False)
    kinds = ("subscriptions", "publishers", "timers")
    before = {kind: len(list(getattr(node, kind))) for kind in kinds}
    monkeypatch.setattr(f"facemesh_ros.ros.{step}", broken)
    assert not node.start()
    assert "ZeroDivisionError: a bug" in capfd.readouterr().err
    assert {kind: len(list(getattr(node, kind))) for kind in kinds} == before
    monkeypatch.undo()
    assert node.start()


def publish_and_get_stuck(rig):
    """Activate a node and have it work on an image without end."""
    node = rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    rig.mesher.may_work.clear()
    images.publish(image_message(1.0))
    rig.until(lambda: rig.mesher.stamps, "the worker")
    rig.tester.destroy_publisher(images)
    return node, arrays


def test_deactivation_waits_for_the_image_at_hand_and_the_empty_array_comes_last(rig):
    node, arrays = publish_and_get_stuck(rig)
    (worker,), mesher = node._streams._images._threads, rig.mesher
    join = worker.join
    worker.join = lambda timeout_s: (mesher.may_work.set(), join(timeout_s))
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert not worker.is_alive()
    rig.until(lambda: len(arrays) == 2, "faces and an empty array")
    assert [len(array.faces) for array in arrays] == [1, 0]


def test_an_image_without_end_is_abandoned_and_the_node_can_begin_anew(rig, monkeypatch, capfd):
    monkeypatch.setattr("facemesh_ros.ros.streams.CLOSE_S", 0.0)
    node, arrays = publish_and_get_stuck(rig)
    (worker,), mesher = node._streams._images._threads, rig.mesher
    assert node.trigger_deactivate() == TransitionCallbackReturn.ERROR
    assert "does not end" in capfd.readouterr().err
    assert state_of(rig) == "unconfigured"
    monkeypatch.undo()
    assert node.start()
    images = rig.publisher(Image, "/image")
    mesher.may_work.set()
    worker.join(DEADLINE_S)
    images.publish(image_message(2.0))
    rig.until(lambda: arrays, "faces")
    assert stamps(arrays) == [2.0]


def test_disabling_a_node_that_is_stuck_is_answered(rig, monkeypatch):
    monkeypatch.setattr("facemesh_ros.ros.streams.CLOSE_S", 0.0)
    publish_and_get_stuck(rig)
    stuck = rig.mesher
    answer = rig.call(SetBool, "/facemesh_node/enable", SetBool.Request(data=False))
    assert not answer.success
    assert "does not end" in answer.message and "go on with ~/enable" in answer.message
    stuck.may_work.set()


def test_a_camera_goes_on_without_the_image_that_was_abandoned_and_uses_no_id_again(rig, monkeypatch):
    monkeypatch.setattr("facemesh_ros.ros.streams.CLOSE_S", 0.0)
    node, arrays = publish_and_get_stuck(rig)
    (worker,), stuck = node._streams._images._threads, rig.mesher
    stuck.next_id = 7
    assert node.set_parameters([Parameter("max_faces", value=9)])[0].successful
    rig.call(SetBool, "/facemesh_node/enable", SetBool.Request(data=False))
    assert rig.call(SetBool, "/facemesh_node/enable", SetBool.Request(data=True)).success
    images, other = rig.publisher(Image, "/image"), rig.mesher
    images.publish(image_message(2.0))
    rig.until(lambda: arrays, "faces while the abandoned image is still at work")
    assert worker.is_alive() and not stuck.may_work.is_set()
    assert (other.first_id, other.config.max_faces, other.resets) == (7, 9, 0)
    before = {name: other.stage(name).spent_s for name in ("mesh", "publish")}
    stuck.may_work.set()
    worker.join(DEADLINE_S)
    assert {name: other.stage(name).spent_s for name in before} == before
    assert (stamps(arrays), stuck.stamps, other.stamps) == ([2.0], [1.0], [2.0])


def test_a_camera_whose_image_ends_in_time_keeps_what_finds_its_faces(rig):
    node = rig.node()
    for on in (False, True):
        assert rig.call(SetBool, "/facemesh_node/enable", SetBool.Request(data=on)).success
    assert (len(rig.meshers), rig.mesher.resets, node._state()) == (1, 1, "running")


@pytest.mark.parametrize("error", [ConfigError("qos is none"), ZeroDivisionError("a bug")], ids=["foreseen", "a bug"])
@pytest.mark.parametrize("step", ["stream.Inputs", "outlet.Outlet.open", "outlet.Outlet.close"])
def test_enabling_that_fails_is_answered_and_can_be_done_again(rig, monkeypatch, capfd, step, error):
    """Where the last word fails, it is disabling that does."""

    def broken(*_, **__):
        raise error

    rig.node({"input.reliability": "reliable"})
    arrays, images = rig.faces(), rig.publisher(Image, "/image", RELIABLE)
    fails = not step.endswith("close")
    if fails:
        assert rig.call(SetBool, "/facemesh_node/enable", SetBool.Request(data=False)).success
    monkeypatch.setattr(f"facemesh_ros.ros.{step}", broken)
    answer = rig.call(SetBool, "/facemesh_node/enable", SetBool.Request(data=fails))
    assert not answer.success
    assert answer.message.startswith("cannot enable" if fails else "cannot disable") and str(error) in answer.message
    assert str(error) in capfd.readouterr().err
    assert rig.nodes[0]._state() == "disabled"
    assert rig.tester.count_subscribers("/image") == 0
    monkeypatch.undo()
    assert rig.call(SetBool, "/facemesh_node/enable", SetBool.Request(data=True)).success
    rig.tester.destroy_publisher(images)
    rig.publisher(Image, "/image", RELIABLE).publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")


def test_a_node_that_is_destroyed_takes_its_worker_along(rig):
    node = rig.node()
    (worker,) = node._streams._images._threads
    rig.executor.remove_node(node)
    rig.nodes.remove(node)
    node.destroy_node()
    assert not worker.is_alive()
