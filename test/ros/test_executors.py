"""Which executor runs the node."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Header

from facemesh_ros.errors import ConfigError
from facemesh_ros.ros import executors
from facemesh_ros.ros.executors import make_executor

pytestmark = pytest.mark.ros
HAS_EVENTS = executors._events_executor() is not None


@pytest.fixture
def context():
    """The default one, which the node's process has."""
    rclpy.init()
    yield
    rclpy.shutdown()


@pytest.mark.usefixtures("_message_support", "context")
@pytest.mark.parametrize("choice", ["auto", "single_threaded"])
def test_an_executor_of_any_kind_delivers(choice):
    node, executor, heard = rclpy.create_node("heard"), make_executor(choice), []
    executor.add_node(node)
    node.create_subscription(Header, "/heard", heard.append, 1)
    publisher = node.create_publisher(Header, "/heard", 1)
    for count in range(1, 4):
        publisher.publish(Header(frame_id=str(count)))
        for _ in range(500):
            if len(heard) == count:
                break
            executor.spin_once(timeout_sec=0.02)
    assert [message.frame_id for message in heard] == ["1", "2", "3"]
    executor.shutdown()
    node.destroy_node()


def test_without_an_events_executor_auto_is_the_usual_one_and_events_is_refused(context, monkeypatch):
    monkeypatch.setattr(executors, "_events_executor", lambda: None)
    assert isinstance(make_executor("auto"), SingleThreadedExecutor)
    with pytest.raises(ConfigError, match="executor is events"):
        make_executor("events")


@pytest.mark.skipif(not HAS_EVENTS, reason="this rclpy has no EventsExecutor")
def test_auto_takes_events_only_with_the_middleware_that_was_tried(context, monkeypatch):
    assert not isinstance(make_executor("auto"), SingleThreadedExecutor)
    monkeypatch.setattr(executors, "get_rmw_implementation_identifier", lambda: "rmw_other")
    assert isinstance(make_executor("auto"), SingleThreadedExecutor)
    assert not isinstance(make_executor("events"), SingleThreadedExecutor)
