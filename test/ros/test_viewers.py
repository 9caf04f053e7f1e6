"""The layouts of RViz and Foxglove show topics that the node really offers, of types that their panels take."""

import json
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from sensor_msgs.msg import Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from facemesh_ros.msg import FaceMeshArray, FaceMeshTiming
from facemesh_ros.ros.marker_kinds import KINDS
from facemesh_ros.ros.timing import OF_MESH

pytestmark = pytest.mark.ros

CONFIG = Path(__file__).parents[2] / "config"
RVIZ_TYPES = {"Image": Image, "MarkerArray": MarkerArray, "PointCloud2": PointCloud2}
"""Class of a display → the type that it takes."""
FOXGLOVE_TYPES = {"3D": {MarkerArray, PointCloud2}, "Image": {Image}, "Plot": {FaceMeshArray}}
"""Kind of a panel → the types that it shows."""
RVIZ = yaml.safe_load((CONFIG / "facemesh.rviz").read_text(encoding="utf-8"))["Visualization Manager"]
FOXGLOVE = json.loads((CONFIG / "foxglove.json").read_text(encoding="utf-8"))


def displays():
    """Return the displays of RViz that have a topic, by the last part of their class."""
    return {display["Class"].split("/")[-1]: display for display in RVIZ["Displays"] if "Topic" in display}


def topics_of(panel):
    """Return the topics of a panel of Foxglove."""
    shown = set(panel.get("topics", {})) | {path["value"].split(".")[0] for path in panel.get("paths", [])}
    return shown | set(filter(None, [panel.get("imageMode", {}).get("imageTopic")]))


@pytest.fixture
def offered(rig):
    """Return topic → publisher of the real node."""
    return {publisher.topic_name: publisher for publisher in rig.node().publishers}


def test_rviz_shows_what_the_node_offers(offered):
    assert set(displays()) == set(RVIZ_TYPES)
    for kind, display in displays().items():
        assert offered[display["Topic"]["Value"]].msg_type == RVIZ_TYPES[kind]


def test_rviz_asks_for_what_the_node_offers(offered):
    for display in displays().values():
        profile = offered[display["Topic"]["Value"]].qos_profile
        assert (display["Topic"]["Reliability Policy"], profile.reliability.name) == ("Reliable", "RELIABLE")
        assert (display["Topic"]["Durability Policy"], profile.durability.name) == ("Volatile", "VOLATILE")


def test_every_namespace_can_be_switched_in_rviz():
    assert displays()["MarkerArray"]["Namespaces"] == dict.fromkeys(KINDS, True)


def test_foxglove_shows_what_the_node_offers(offered):
    shown = {name.split("!")[0]: topics_of(panel) for name, panel in FOXGLOVE["configById"].items()}
    assert shown.keys() == FOXGLOVE_TYPES.keys() and all(shown.values())
    for kind, topics in shown.items():
        assert {offered[topic].msg_type for topic in topics} == FOXGLOVE_TYPES[kind]


def test_foxglove_plots_every_stage_of_the_message_and_those_that_lie_in_another_only_if_asked():
    paths = FOXGLOVE["configById"]["Plot!time"]["paths"]
    fields = {path["value"].split(".")[1] for path in paths}
    assert {FaceMeshArray.get_fields_and_field_types()[field] for field in fields} == {"facemesh_ros/FaceMeshTiming"}
    enabled = {path["value"].split(".")[2]: path["enabled"] for path in paths}
    assert enabled == {stage: stage not in OF_MESH for stage in FaceMeshTiming.get_fields_and_field_types()}


def test_foxglove_lays_out_every_panel_once():
    def leaves(tree):
        return [tree] if isinstance(tree, str) else [*leaves(tree["first"]), *leaves(tree["second"])]

    assert sorted(leaves(FOXGLOVE["layout"])) == sorted(FOXGLOVE["configById"])


def test_both_are_fixed_to_the_same_frame():
    assert RVIZ["Global Options"]["Fixed Frame"] == FOXGLOVE["configById"]["3D!faces"]["followTf"] == "facemesh_view"
