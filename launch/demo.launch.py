"""Show the whole thing without a camera: the player, facemesh_node and, if asked, RViz.

ros2 launch facemesh_ros demo.launch.py rviz:=true
ros2 launch facemesh_ros demo.launch.py source:=clip.mp4
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.substitutions import ExecutableInPackage

from facemesh_ros.ros.environment import large_message_environment

IMAGE = "/camera/image_raw"


def generate_launch_description() -> LaunchDescription:
    """Describe the demo; it ends when the player does. The arguments of facemesh.launch.py serve as well."""
    source = DeclareLaunchArgument(
        "source",
        default_value="moving-face",
        description="What is played: a video file, a folder of images, the index of a webcam, or moving-face.",
    )
    return LaunchDescription([source, player(), facemesh()])


def player() -> ExecuteProcess:
    facemesh = ExecutableInPackage(package="facemesh_ros", executable="facemesh")
    return ExecuteProcess(
        cmd=[facemesh, "play", LaunchConfiguration("source"), "--loop", "--topic", IMAGE],
        name="player",
        additional_env=large_message_environment(),
        output="screen",
        on_exit=[OpaqueFunction(function=end)],
    )


def end(context: LaunchContext) -> list[Shutdown]:
    """Stop the rest, unless the player has ended because everything is being stopped."""
    return [] if context.is_shutdown else [Shutdown(reason="the player has ended")]


def facemesh() -> IncludeLaunchDescription:
    file = Path(__file__).with_name("facemesh.launch.py")
    return IncludeLaunchDescription(PythonLaunchDescriptionSource(str(file)), launch_arguments={"image": IMAGE}.items())
