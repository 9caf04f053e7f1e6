"""Which topics the node listens to."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

import rclpy

from facemesh_ros.ros.inputs import Topics

pytestmark = pytest.mark.ros


@pytest.mark.parametrize(
    ("transport", "remap", "topics"),
    [
        ("raw", (), ("/image", "/image/compressed", "/camera_info")),
        ("compressed", (), ("/image/compressed", "/image", "/camera_info")),
        ("raw", ("image:=/cam/image_raw",), ("/cam/image_raw", "/cam/image_raw/compressed", "/cam/camera_info")),
        ("raw", ("image:=/cam/image_raw", "camera_info:=/ci"), ("/cam/image_raw", "/cam/image_raw/compressed", "/ci")),
        ("compressed", ("image:=/cam/image_raw",), ("/cam/image_raw/compressed", "/cam/image_raw", "/cam/camera_info")),
        ("compressed", ("image/compressed:=/cam/small",), ("/cam/small", "/image", "/cam/camera_info")),
        ("raw", ("__ns:=/robot",), ("/robot/image", "/robot/image/compressed", "/robot/camera_info")),
    ],
)
def test_what_is_not_remapped_follows_the_image(rig, transport, remap, topics):
    arguments = ["--ros-args", *(word for rule in remap for word in ("-r", rule))]
    node = rclpy.create_node("remapped", context=rig.context, cli_args=arguments)
    assert Topics.of(node, transport) == Topics(*topics)
    node.destroy_node()


@pytest.mark.parametrize("topic", ["/image", "/camera_info"])
@pytest.mark.parametrize(
    ("policy", "value"),
    [("reliability", "mostly"), ("reliability", 5), ("history", "keep_some"), ("depth", -1), ("depth", "ten")],
)
def test_a_qos_override_that_is_none_keeps_the_node_inactive_and_is_named(rig, capfd, topic, policy, value):
    node = rig.node({f"qos_overrides.{topic}.subscription.{policy}": value}, start=False)
    assert not node.start()
    said = capfd.readouterr().err
    assert f"qos_overrides.{topic}.subscription" in said
    assert "Traceback" not in said
    assert {name for name in ("/image", "/camera_info") if node.count_subscribers(name)} == set()


def test_the_reliability_can_change_between_two_activations(rig):
    node = rig.node({"input.reliability": "reliable"})
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert node.set_parameters_atomically([rclpy.Parameter("input.reliability", value="best_effort")]).successful
    assert node.start()
    rig.until(lambda: rig.tester.get_subscriptions_info_by_topic("/image"), "the subscription")
    (subscription,) = rig.tester.get_subscriptions_info_by_topic("/image")
    assert subscription.qos_profile.reliability.name == "BEST_EFFORT"
