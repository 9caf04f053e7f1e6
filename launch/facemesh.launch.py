"""Start facemesh_node on a camera's topics, and RViz or the web page if asked.

ros2 launch facemesh_ros facemesh.launch.py image:=/camera/image_raw
ros2 launch facemesh_ros facemesh.launch.py cameras:=front,left image:=/{camera}/image_raw
ros2 launch facemesh_ros facemesh.launch.py --show-args
"""

import posixpath
from collections.abc import Mapping
from pathlib import Path

import yaml
from ament_index_python.packages import get_packages_with_prefixes
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch_ros.actions import LifecycleNode, Node
from launch_ros.substitutions import ExecutableInPackage

from facemesh_ros.ros.environment import large_message_environment

CONFIG = Path(__file__).parent.parent / "config"
BOOLEANS = ["true", "false"]
SHOWN = ("debug_image", "markers", "points")
"""Topics of the node's that RViz shows, of the first camera."""
INPUTS = ("image", "camera_info", "depth")
NO_NAMES = {"y": "true", "n": "false", **dict.fromkeys(["nan", "inf", "infinity"], "a number")}
"""Words that launch_ros writes into a parameter file without quotes, and rcl does not read as texts there."""


def generate_launch_description() -> LaunchDescription:
    """Describe the node; it configures and activates itself unless its parameter ``autostart`` is false."""
    return LaunchDescription([*arguments(), OpaqueFunction(function=processes)])


def arguments() -> list[DeclareLaunchArgument]:
    levels = ["debug", "info", "warn", "error", "fatal"]
    return [
        DeclareLaunchArgument(
            "cameras",
            default_value="",
            description="Names of the cameras of one node, as in front,left; by default as params_file says, else one "
            "without a name. With names, image, camera_info and depth hold {camera} in the place of the name, or are "
            "lists of as many topics.",
        ),
        DeclareLaunchArgument(
            "image",
            default_value="",
            description="Topic of the images, by default /camera/image_raw, or with cameras /{camera}/image_raw; "
            "compressed ones are on <image>/compressed (parameter input.transport).",
        ),
        DeclareLaunchArgument(
            "camera_info",
            default_value="",
            description="Topic of the calibration; by default camera_info beside the image.",
        ),
        DeclareLaunchArgument(
            "depth",
            default_value="",
            description="Topic of depth images that are aligned with the image; naming one sets depth.enabled.",
        ),
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node."),
        DeclareLaunchArgument(
            "id_prefix",
            default_value="",
            description="What ids begin with in TF and REP 155; by default as params_file says, else nothing.",
        ),
        DeclareLaunchArgument(
            "params_file", default_value=str(CONFIG / "facemesh.yaml"), description="YAML file of parameters."
        ),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="",
            choices=["", *BOOLEANS],
            description="Take the time from /clock; by default as params_file says, else false.",
        ),
        DeclareLaunchArgument("log_level", default_value="info", choices=levels, description="Least level of the log."),
        DeclareLaunchArgument("rviz", default_value="false", choices=BOOLEANS, description="Open RViz."),
        DeclareLaunchArgument(
            "view_frame",
            default_value="",
            description="Upright frame for viewers, parameter tf.view_frame; by default <id_prefix>facemesh_view with "
            "RViz, else as params_file says.",
        ),
        DeclareLaunchArgument(
            "viewer", default_value="false", choices=BOOLEANS, description="Serve the web page of `facemesh view`."
        ),
    ]


def processes(context: LaunchContext) -> list[ExecuteProcess]:
    given = context.launch_configurations
    # RViz first: where it cannot be started, the launch fails before a node runs that nobody would stop.
    further = [make(given) for name, make in (("rviz", rviz), ("viewer", viewer)) if given[name] == "true"]
    return [*further, node(given)]


def node(given: Mapping[str, str]) -> LifecycleNode:
    return LifecycleNode(
        package="facemesh_ros",
        executable="facemesh_node",
        name="facemesh_node",
        namespace=given["namespace"],
        parameters=[
            given["params_file"],
            *use_cameras(given),
            *use_depth(given),
            *use_prefix(given),
            *use_view(given),
            *use_sim_time(given),
        ],
        remappings=[rule for name in INPUTS for rule in remappings(given, name)],
        ros_arguments=["--log-level", given["log_level"]],
        additional_env=large_message_environment(),
        output="screen",
        emulate_tty=True,
    )


def names(text: str) -> list[str]:
    """Return the parts of a list, with commas between them or as in YAML, but each a text: on is no switch."""
    try:
        parts = yaml.load(f"[{text.strip().removeprefix('[').removesuffix(']')}]", yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise RuntimeError(f"{text!r} is no list: separate names by commas, as in front,left") from error
    if not all(isinstance(part, str) for part in parts):
        raise RuntimeError(f"{text!r} is no list of names: separate names by commas, as in front,left")
    return list(parts)


def cameras(given: Mapping[str, str]) -> list[str]:
    """Return the names of the cameras; a single empty one where none are given."""
    found = names(given["cameras"]) or [""]
    for name in found:
        if name.lower() in NO_NAMES:
            raise RuntimeError(
                f"{name} can be no camera's name here, since ROS 2 takes it for {NO_NAMES[name.lower()]}"
            )
    return found


def topics(given: Mapping[str, str], name: str) -> list[str]:
    """Return the topic of each camera's images, calibrations or depth; empty ones where none is given."""
    every = cameras(given)
    by_default = {"image": "/{camera}/image_raw" if given["cameras"] else "/camera/image_raw"}
    topic = given[name] or by_default.get(name, "")
    if not given["cameras"] or "{camera}" in topic or not topic:
        return [topic.replace("{camera}", camera) for camera in every]
    found = names(topic)
    if len(found) != len(every):
        raise RuntimeError(
            f"{name} is {topic} and cameras {given['cameras']}: name as many topics as cameras, with commas between "
            f"them, or one with {{camera}} in it, such as /{{camera}}/{name}"
        )
    return found


def remappings(given: Mapping[str, str], name: str) -> list[tuple[str, str]]:
    """Say where a topic is; what is not remapped follows the image: image/compressed and, beside it, camera_info."""
    of_cameras = zip(cameras(given), topics(given, name), strict=True)
    return [(posixpath.join(camera, name), topic) for camera, topic in of_cameras if topic]


def rviz(given: Mapping[str, str]) -> Node:
    if "rviz2" not in get_packages_with_prefixes():
        raise RuntimeError(
            "rviz:=true needs rviz2, which is not installed: apt-get install ros-$ROS_DISTRO-rviz2, or go without it"
        )
    camera = cameras(given)[0]
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(CONFIG / "facemesh.rviz"), "-f", "_".join(filter(None, [view_frame(given), camera]))],
        parameters=use_sim_time(given),
        remappings=[
            (f"/facemesh_node/{topic}", posixpath.join(given["namespace"], "facemesh_node", camera, topic))
            for topic in SHOWN
        ],
        additional_env=large_message_environment(),
    )


def view_frame(given: Mapping[str, str]) -> str:
    """Return the frame in which RViz shows faces, which the node publishes, or none."""
    by_default = f"{given['id_prefix']}facemesh_view" if given["rviz"] == "true" else ""
    return given["view_frame"] or by_default


def use_view(given: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the parameter where there is such a frame, since it overrules that of params_file."""
    return [{"tf.view_frame": view_frame(given)}] if view_frame(given) else []


def viewer(given: Mapping[str, str]) -> ExecuteProcess:
    facemesh = ExecutableInPackage(package="facemesh_ros", executable="facemesh")
    camera, topic = cameras(given)[0], topics(given, "image")[0]
    name, image = (posixpath.join("/", given["namespace"], part) for part in ("facemesh_node", topic))
    of_camera = ["--camera", camera] if camera else []
    return ExecuteProcess(
        cmd=[facemesh, "view", "--ros", "--node", name, "--image", image, *of_camera],
        additional_env=large_message_environment(),
        output="screen",
        emulate_tty=True,
    )


def use_depth(given: Mapping[str, str]) -> list[dict[str, bool]]:
    """Return the parameter where a topic was named."""
    return [{"depth.enabled": True}] if given["depth"] else []


def use_cameras(given: Mapping[str, str]) -> list[dict[str, list[str]]]:
    """Return the parameter where the argument was given, since it overrules that of params_file."""
    return [{"cameras": cameras(given)}] if given["cameras"] else []


def use_prefix(given: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the parameter where the argument was given, since it overrules that of params_file."""
    return [{"id_prefix": given["id_prefix"]}] if given["id_prefix"] else []


def use_sim_time(given: Mapping[str, str]) -> list[dict[str, bool]]:
    """Return the parameter where the argument was given, since it overrules that of params_file."""
    return [{"use_sim_time": given["use_sim_time"] == "true"}] if given["use_sim_time"] else []
