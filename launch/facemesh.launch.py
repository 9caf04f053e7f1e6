"""Start facemesh_node on a camera's topics, and RViz if asked.

ros2 launch facemesh_ros facemesh.launch.py image:=/camera/image_raw
ros2 launch facemesh_ros facemesh.launch.py --show-args
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue

from facemesh_ros.ros.environment import large_message_environment

CONFIG = Path(__file__).parent.parent / "config"
BOOLEANS = ["true", "false"]


def generate_launch_description() -> LaunchDescription:
    """Describe the node; it configures and activates itself unless its parameter ``autostart`` is false."""
    # RViz first: where it is not installed, the launch fails before a node runs that nobody would stop.
    return LaunchDescription([*arguments(), rviz(), node()])


def arguments() -> list[DeclareLaunchArgument]:
    beside_the_image = PythonExpression(["'", LaunchConfiguration("image"), "'.rpartition('/')[0] + '/camera_info'"])
    levels = ["debug", "info", "warn", "error", "fatal"]
    return [
        DeclareLaunchArgument(
            "image",
            default_value="/camera/image_raw",
            description="Topic of the images; compressed ones are on <image>/compressed (parameter input.transport).",
        ),
        DeclareLaunchArgument(
            "camera_info",
            default_value=beside_the_image,
            description="Topic of the calibration; by default camera_info beside the image.",
        ),
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node."),
        DeclareLaunchArgument(
            "params_file", default_value=str(CONFIG / "facemesh.yaml"), description="YAML file of parameters."
        ),
        DeclareLaunchArgument(
            "use_sim_time", default_value="false", choices=BOOLEANS, description="Take the time from /clock."
        ),
        DeclareLaunchArgument("log_level", default_value="info", choices=levels, description="Least level of the log."),
        DeclareLaunchArgument("rviz", default_value="false", choices=BOOLEANS, description="Open RViz."),
    ]


def node() -> LifecycleNode:
    image = LaunchConfiguration("image")
    return LifecycleNode(
        package="facemesh_ros",
        executable="facemesh_node",
        name="facemesh_node",
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("params_file"), use_sim_time()],
        remappings=[
            ("image", image),
            ("image/compressed", [image, "/compressed"]),
            ("camera_info", LaunchConfiguration("camera_info")),
        ],
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        additional_env=large_message_environment(),
        output="screen",
        emulate_tty=True,
    )


def rviz() -> Node:
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(CONFIG / "facemesh.rviz")],
        parameters=[use_sim_time()],
        remappings=[
            ("/camera/image_raw", LaunchConfiguration("image")),
            ("/facemesh_node/debug_image", [LaunchConfiguration("namespace"), "/facemesh_node/debug_image"]),
        ],
        additional_env=large_message_environment(),
        condition=IfCondition(LaunchConfiguration("rviz")),
    )


def use_sim_time() -> dict[str, ParameterValue]:
    return {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}
