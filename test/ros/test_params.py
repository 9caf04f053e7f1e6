"""Config and ROS parameters are one thing: declared, described, checked at start, changed while running."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from rcl_interfaces.msg import ParameterType
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter

from facemesh_ros.config import Config, NodeConfig
from facemesh_ros.errors import ConfigError
from facemesh_ros.ros.node import FaceMeshNode
from facemesh_ros.ros.params import TUNABLES, descriptor

pytestmark = pytest.mark.ros

TYPES = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
    tuple: ParameterType.PARAMETER_STRING_ARRAY,
}
every_tunable = pytest.mark.parametrize("tunable", TUNABLES.values(), ids=TUNABLES.keys())


def set_parameters(node, **changes):
    """Set parameters all at once; two underscores are a dot."""
    return node.set_parameters_atomically(
        [Parameter(name.replace("__", "."), value=value) for name, value in changes.items()]
    )


def values(node):
    got = {name: node.get_parameter(name).value for name in TUNABLES}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in got.items()}


@every_tunable
def test_a_descriptor_says_all_that_is_known(tunable):
    described = descriptor(tunable)
    assert (described.name, described.type) == (tunable.name, TYPES[type(tunable.default)])
    assert described.description.startswith(tunable.description)
    assert described.description.endswith(f"[{tunable.unit}]" if tunable.unit else tunable.description)
    ranges = [(span.from_value, span.to_value) for span in (*described.integer_range, *described.floating_point_range)]
    assert ranges == ([(tunable.low, tunable.high)] if tunable.low is not None else [])
    assert all(choice in described.additional_constraints for choice in tunable.choices)
    assert not tunable.form or tunable.form.words in described.additional_constraints


def test_only_what_is_read_at_the_start_is_read_only():
    assert [name for name, tunable in TUNABLES.items() if descriptor(tunable).read_only] == [
        "autostart",
        "cameras",
        "executor",
    ]


def test_every_tunable_is_declared_with_its_default(rig):
    node = rig.node(start=False)
    assert values(node) == Config().to_dotted() | NodeConfig().to_dotted()


def test_what_is_given_reaches_the_library(rig):
    rig.node({"max_faces": 2, "detector.min_score": 0.7})
    assert rig.mesher.config == Config.from_dotted({"max_faces": 2, "detector.min_score": 0.7})


def test_a_whole_number_is_a_number(rig):
    node = rig.node({"filter.max_gap_s": 2}, start=False)
    assert node.get_parameter("filter.max_gap_s").type_ == Parameter.Type.DOUBLE
    assert node.get_parameter("filter.max_gap_s").value == 2.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_faces", 0),
        ("max_faces", "four"),
        ("max_faces", 2.5),
        ("detector.min_score", 1.1),
        ("detector.min_score", float("nan")),
        ("detector.range", "far"),
        ("filter.enabled", 1),
        ("input.reliability", "sometimes"),
    ],
)
def test_a_bad_value_stops_the_start_and_is_named(rig, name, value):
    with pytest.raises(ConfigError, match=rf"^{name} is .*; it must be "):
        rig.node({name: value}, start=False)


def test_an_empty_list_stops_the_start_with_advice(rig):
    with pytest.raises(ConfigError, match="leave out parameters that are empty lists"):
        FaceMeshNode(context=rig.context, cli_args=["--ros-args", "-p", "cameras:=[]"])


def test_another_complaint_of_rclpys_is_not_taken_for_that_of_an_empty_list(rig, monkeypatch):
    def refuse(*_, **__):
        raise ValueError("no such thing")

    monkeypatch.setattr(LifecycleNode, "__init__", refuse)
    with pytest.raises(ValueError, match="^no such thing$"):
        FaceMeshNode(context=rig.context)


def test_an_unknown_parameter_is_said_with_the_nearest_name_and_ignored(rig, capfd):
    node = rig.node({"detector.min_scor": 0.5}, start=False)
    assert "detector.min_scor is no parameter of this node and is ignored; did you mean detector.min_score?" in (
        capfd.readouterr().err
    )
    assert not node.has_parameter("detector.min_scor")


def test_rclpys_own_parameters_are_not_complained_of(rig, capfd):
    overrides = {f"qos_overrides.{topic}.subscription.depth": 2 for topic in ("/image", "/camera_info")}
    rig.node({"use_sim_time": True, **overrides}, start=False)
    assert "is no parameter" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "name",
    [
        "qos_overrides./image.subscription.durability",
        "qos_overrides./imag.subscription.depth",
        "qos_overrides./image.publisher.depth",
        "use_sim_time_x",
    ],
)
def test_what_looks_like_a_parameter_of_rclpys_and_is_none_is_said(rig, capfd, name):
    node = rig.node({name: 5}, start=False)
    assert f"{name} is no parameter of this node and is ignored" in capfd.readouterr().err
    assert not node.has_parameter(name)


def test_an_override_that_nobody_reads_is_said_with_those_that_are_read(rig, capfd):
    rig.node({"qos_overrides./image.subscription.lifespan": 5}, start=False, remap=["image:=/cam/image_raw"])
    said = capfd.readouterr().err
    assert "history, depth, reliability" in said
    assert "/cam/camera_info, /cam/image_raw, /cam/image_raw/compressed" in said


def test_a_live_change_reaches_the_library(rig):
    node = rig.node()
    assert set_parameters(node, detector__min_score=0.25, max_faces=1).successful
    assert rig.mesher.config == Config.from_dotted({"detector.min_score": 0.25, "max_faces": 1})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"max_faces": 1, "detector__min_score": 2.0}, "detector.min_score"),
        ({"max_faces": 1, "detector__range": "short"}, "detector.range is 'auto' and cannot become 'short' now"),
        ({"max_faces": 1, "autostart": False}, "autostart"),
    ],
)
def test_a_refused_change_gives_the_reason_and_changes_nothing(rig, changes, reason):
    node = rig.node()
    before, config = values(node), rig.mesher.config
    result = set_parameters(node, **changes)
    assert not result.successful
    assert reason in result.reason
    assert values(node) == before
    assert rig.mesher.config is config


def test_what_the_library_refuses_is_refused(rig):
    node = rig.node()

    def refuse(config):
        raise ConfigError("not today")

    rig.mesher.configure = refuse
    result = set_parameters(node, max_faces=1)
    assert (result.successful, result.reason) == (False, "not today")
    assert node.get_parameter("max_faces").value == Config().max_faces


def test_a_refusal_of_a_pinned_parameter_names_the_way(rig):
    result = set_parameters(rig.node(), mesh__network="mesh")
    assert "ros2 lifecycle set /facemesh_node" in result.reason


def test_setting_a_pinned_parameter_to_what_it_is_is_no_change(rig):
    assert set_parameters(rig.node(), detector__range="auto").successful


def test_a_pinned_parameter_can_be_set_while_unconfigured(rig):
    node = rig.node(start=False)
    assert set_parameters(node, mesh__network="mesh", detector__range="short").successful
    assert node.start()
    assert (rig.mesher.config.mesh.network, rig.mesher.config.detector.range) == ("mesh", "short")
    node.trigger_deactivate()
    assert not set_parameters(node, mesh__network="attention").successful
    node.trigger_cleanup()
    assert set_parameters(node, mesh__network="attention").successful
