"""The launch files: their arguments are those of the README, and what they start has the right names and settings.

ROS 2's launch has no wheels: the tests that start processes run where a ROS 2 is sourced. The others run the files
with stand-ins and look at what would be started.
"""

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import launch_stand_ins
import pytest
import yaml
from launch_stand_ins import DeclareLaunchArgument, LaunchContext, described

from facemesh_ros.errors import ConfigError
from facemesh_ros.ros.environment import large_message_environment

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
file, *arguments = sys.argv[1:]
pairs = [argument.split(":=", 1) for argument in arguments]
service = LaunchService()
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=pairs)])
)
sys.exit(service.run())
"""
needs_launch = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("rclpy", "launch", "launch_ros"))),
    reason="ROS 2's launch is not installed here (it has no wheels): source a ROS 2",
)


@pytest.fixture
def rviz_installed(monkeypatch, tmp_path):
    """Let the index of ROS packages have RViz."""
    packages = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
    packages.mkdir(parents=True)
    (packages / "rviz2").touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    return packages / "rviz2"


@pytest.fixture
def start(monkeypatch, rviz_installed):
    """Return a function that gives the processes which a launch file would start, by executable, in their order."""
    launch_stand_ins.install(monkeypatch)

    def processes(file="facemesh.launch.py", **arguments):
        executed = described(ROOT / "launch" / file).execute(LaunchContext(arguments))
        return {process.given.get("executable") or process.cmd[1]: process for process in executed}

    return processes


@pytest.mark.usefixtures("start")
def test_every_argument_is_in_the_readme():
    entities = described(ROOT / "launch" / "facemesh.launch.py").entities
    declared = [entity.name for entity in entities if isinstance(entity, DeclareLaunchArgument)]
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("| Launch argument |")[1].split("\n\n")[0]
    assert declared == re.findall(r"^\| `(\w+)`", table, re.MULTILINE)


def test_by_default_the_node_alone_is_started_with_its_parameter_file(start):
    processes = start()
    assert list(processes) == ["facemesh_node"]
    node = processes["facemesh_node"]
    assert (node.package, node.name, node.namespace) == ("facemesh_ros", "facemesh_node", "")
    assert [Path(file).resolve() for file in node.parameters] == [ROOT / "config" / "facemesh.yaml"]


def test_arguments_reach_the_node(start):
    node = start(namespace="robot", params_file="mine.yaml", log_level="debug")["facemesh_node"]
    assert (node.namespace, node.parameters, node.ros_arguments) == ("robot", ["mine.yaml"], ["--log-level", "debug"])


def test_a_prefix_of_ids_goes_before_that_of_the_parameter_file(start):
    without, node = start()["facemesh_node"], start(id_prefix="left_")["facemesh_node"]
    assert node.parameters == [*without.parameters, {"id_prefix": "left_"}]


@pytest.mark.parametrize("cameras", ["front,left", "front, left", "[front, left]", "['front', 'left']"])
def test_cameras_reach_the_node_and_each_has_its_topics(start, cameras):
    arguments = {"image": "/robot/{camera}/color", "camera_info": "/front/info, /left/info"}
    node = start(cameras=cameras, **arguments)["facemesh_node"]
    assert {"cameras": ["front", "left"]} in node.parameters
    assert dict(node.remappings) == {
        "front/image": "/robot/front/color",
        "left/image": "/robot/left/color",
        "front/camera_info": "/front/info",
        "left/camera_info": "/left/info",
    }


@pytest.mark.parametrize("words", ["on,off", "yes,no", "true,null", "[on, off]", "'on', \"off\"", "None,e1"])
def test_words_that_yaml_takes_for_something_else_are_names_of_cameras(start, rig, tmp_path, words):
    names = re.findall(r"\w+", words)
    process = start(cameras=words)["facemesh_node"]
    assert {"cameras": names} in process.parameters
    assert [topic for _, topic in process.remappings] == [f"/{name}/image_raw" for name in names]
    assert cameras_read(rig, tmp_path, names) == tuple(names)


@pytest.mark.parametrize("name", ["y", "N", "nan", "Inf", "infinity"])
def test_names_that_would_not_reach_the_node_as_they_are_are_refused(start, rig, tmp_path, name):
    with pytest.raises(RuntimeError, match=f"{name} can be no camera's name here, since ROS 2 takes it for"):
        start(cameras=f"{name},other")
    with pytest.raises(ConfigError, match="in quotes only"):
        cameras_read(rig, tmp_path, [name])


def cameras_read(rig, folder, names):
    """Return what the node takes from a parameter file, written as launch_ros writes it."""
    from facemesh_ros.ros.node import FaceMeshNode

    file = folder / "written.yaml"
    file.write_text(yaml.dump({"/**": {"ros__parameters": {"cameras": names}}}, default_flow_style=False))
    node = FaceMeshNode(context=rig.context, cli_args=["--ros-args", "--params-file", str(file)])
    rig.nodes.append(node)
    return node._settings.node_config.cameras


@pytest.mark.parametrize("words", ["front: left", "front,[left", "front, {left: right}"])
def test_what_is_no_list_of_names_is_said(start, words):
    with pytest.raises(RuntimeError, match="separate names by commas"):
        start(cameras=words)


def test_by_default_the_images_of_a_camera_are_under_its_name(start):
    node = start(cameras="front,left")["facemesh_node"]
    assert node.remappings == [("front/image", "/front/image_raw"), ("left/image", "/left/image_raw")]


@pytest.mark.parametrize("image", ["/one/image", "/a,/b,/c"])
def test_as_many_topics_as_cameras_are_named_or_it_is_said(start, image):
    with pytest.raises(RuntimeError, match=r"name as many topics as cameras.*/\{camera\}/image"):
        start(cameras="front,left", image=image)


def test_viewers_show_the_first_camera(start):
    processes = start(cameras="front,left", rviz="true", viewer="true", namespace="robot")
    rviz, view = processes["rviz2"], processes["view"].cmd
    assert ("/facemesh_node/markers", "robot/facemesh_node/front/markers") in rviz.remappings
    assert rviz.arguments[-2:] == ["-f", "facemesh_view_front"]
    assert {"tf.view_frame": "facemesh_view"} in processes["facemesh_node"].parameters
    assert view[3:] == ["--node", "/robot/facemesh_node", "--image", "/front/image_raw", "--camera", "front"]


def test_naming_a_depth_topic_makes_the_node_use_it(start):
    without, node = start()["facemesh_node"], start(depth="/camera/aligned_depth")["facemesh_node"]
    assert ("depth", "/camera/aligned_depth") in node.remappings
    assert {"depth.enabled": True} in node.parameters
    assert "depth" not in dict(without.remappings) and {"depth.enabled": True} not in without.parameters


@pytest.mark.parametrize(("given", "parameters"), [("", []), ("true", [True]), ("false", [False])])
def test_use_sim_time_overrules_the_parameter_file_only_where_it_is_given(start, given, parameters):
    for process in start(use_sim_time=given, rviz="true").values():
        assert [p["use_sim_time"] for p in process.parameters if "use_sim_time" in p] == parameters


@pytest.mark.parametrize(
    ("arguments", "image", "info"),
    [
        ({}, "/camera/image_raw", "/camera/camera_info"),
        ({"namespace": "robot"}, "/camera/image_raw", "/camera/camera_info"),
        ({"image": "image_raw"}, "/image_raw", "/camera_info"),
        ({"image": "image_raw", "namespace": "robot"}, "/robot/image_raw", "/robot/camera_info"),
        ({"image": "cam/image", "namespace": "/robot"}, "/robot/cam/image", "/robot/cam/camera_info"),
        ({"image": "/cam/image", "camera_info": "/other/info"}, "/cam/image", "/other/info"),
        ({"camera_info": "info", "namespace": "robot"}, "/camera/image_raw", "/robot/info"),
    ],
)
def test_the_calibration_is_beside_the_image_unless_it_is_named(start, rig, arguments, image, info):
    from facemesh_ros.ros.inputs import Topics

    process = start(**arguments)["facemesh_node"]
    rules = [f"{name}:={topic}" for name, topic in process.remappings]
    namespace = [f"__ns:=/{process.namespace.strip('/')}"] if process.namespace else []
    node = rig.node(start=False, remap=[*rules, *namespace])
    raw, compressed = Topics.of(node, "raw"), Topics.of(node, "compressed")
    assert (raw.image, raw.camera_info) == (image, info)
    assert (compressed.image, compressed.camera_info) == (f"{image}/compressed", info)


@pytest.mark.parametrize(("namespace", "prefix"), [("", ""), ("robot", "robot/"), ("/robot", "/robot/")])
def test_rviz_shows_the_topics_of_the_node(start, namespace, prefix):
    config = yaml.safe_load((ROOT / "config" / "facemesh.rviz").read_text(encoding="utf-8"))["Visualization Manager"]
    shown = [display["Topic"]["Value"] for display in config["Displays"] if "Topic" in display]
    remapped = start(rviz="true", namespace=namespace)["rviz2"].remappings
    assert remapped == [(topic, f"{prefix}{topic.removeprefix('/')}") for topic in shown]


@pytest.mark.parametrize(
    ("arguments", "frame"),
    [
        ({"rviz": "true"}, "facemesh_view"),
        ({"rviz": "true", "id_prefix": "left_"}, "left_facemesh_view"),
        ({"rviz": "true", "view_frame": "mine"}, "mine"),
    ],
)
def test_the_node_publishes_the_frame_that_rviz_is_fixed_to(start, arguments, frame):
    processes = start(**arguments)
    assert processes["rviz2"].arguments[-2:] == ["-f", frame]
    assert {"tf.view_frame": frame} in processes["facemesh_node"].parameters


@pytest.mark.parametrize(("given", "parameters"), [({}, []), ({"view_frame": "mine"}, [{"tf.view_frame": "mine"}])])
def test_without_rviz_the_frame_is_as_the_parameter_file_says_unless_it_is_named(start, given, parameters):
    assert start(**given)["facemesh_node"].parameters[1:] == parameters


def test_without_rviz_installed_one_line_says_so(start, rviz_installed):
    rviz_installed.unlink()
    with pytest.raises(RuntimeError, match="rviz:=true needs rviz2, which is not installed: apt-get install"):
        start(rviz="true")
    assert list(start()) == ["facemesh_node"]


@pytest.mark.parametrize(
    ("image", "namespace", "node", "topic"),
    [
        ("/cam/image", "", "/facemesh_node", "/cam/image"),
        ("/cam/image", "robot", "/robot/facemesh_node", "/cam/image"),
        ("image_raw", "/robot", "/robot/facemesh_node", "/robot/image_raw"),
    ],
)
def test_the_web_page_shows_the_node_and_its_images(start, image, namespace, node, topic):
    command = start(viewer="true", image=image, namespace=namespace)["view"].cmd
    assert command == ["facemesh_ros/facemesh", "view", "--ros", "--node", node, "--image", topic]


def test_rviz_comes_first_so_that_without_it_nothing_is_left_running(start):
    assert list(start(rviz="true")) == ["rviz2", "facemesh_node"]


def test_every_process_gets_the_environment_for_large_messages(start):
    processes = start("demo.launch.py", rviz="true", viewer="true")
    assert list(processes) == ["play", "rviz2", "view", "facemesh_node"]
    assert [process.additional_env for process in processes.values()] == [large_message_environment()] * 4


@pytest.mark.parametrize("elsewhere", [{}, {"image": "/another/image"}])
def test_the_demos_player_publishes_what_its_node_listens_to(start, elsewhere):
    processes = start("demo.launch.py", source="clip.mp4", **elsewhere)
    command, rules = processes["play"].cmd, dict(processes["facemesh_node"].remappings)
    assert command == ["facemesh_ros/facemesh", "play", "clip.mp4", "--loop", "--topic", rules["image"]]


@pytest.mark.parametrize(("is_shutdown", "ends"), [(False, 1), (True, 0)])
def test_the_demo_ends_with_its_player_but_only_once(start, is_shutdown, ends):
    context = LaunchContext({})
    context.is_shutdown = is_shutdown
    [on_exit] = start("demo.launch.py")["play"].on_exit
    assert len(on_exit.function(context)) == ends


@contextlib.contextmanager
def launched(file, *arguments):
    """Run a launch file as `ros2 launch` does; yield the process, which must end cleanly on Ctrl-C."""
    prefixes = [sys.prefix, *filter(None, [os.environ.get("AMENT_PREFIX_PATH")])]
    environment = {
        **os.environ,
        "AMENT_PREFIX_PATH": os.pathsep.join(prefixes),
        "PATH": os.pathsep.join([f"{sys.prefix}/bin", os.environ["PATH"]]),
    }
    command = [sys.executable, "-c", LAUNCH, str(ROOT / "launch" / file), *arguments]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def environment_of_child(process, word):
    """Return the environment variables of the child process whose command line has the word."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == process.pid and word in (folder / "cmdline").read_text():
                return dict(line.partition("=")[::2] for line in (folder / "environ").read_text().split("\0"))
    return {}


@needs_launch
def test_the_node_has_the_names_parameters_and_environment_that_the_arguments_say(rig, tmp_path):
    from lifecycle_msgs.srv import GetState
    from rcl_interfaces.srv import GetParameters

    params = tmp_path / "params.yaml"
    params.write_text("/**: {ros__parameters: {max_faces: 2, autostart: false, use_sim_time: true}}")
    arguments = (f"params_file:={params}", "namespace:=robot", "image:=/cam/image")
    with launched("facemesh.launch.py", *arguments) as process:
        names = ["max_faces", "use_sim_time"]
        got = rig.call(GetParameters, "/robot/facemesh_node/get_parameters", GetParameters.Request(names=names))
        state = rig.call(GetState, "/robot/facemesh_node/get_state", GetState.Request())
        environment = environment_of_child(process, "facemesh_node")
    assert (got.values[0].integer_value, got.values[1].bool_value) == (2, True)
    assert state.current_state.label == "unconfigured"
    assert (
        environment["FASTRTPS_DEFAULT_PROFILES_FILE"] == large_message_environment({})["FASTRTPS_DEFAULT_PROFILES_FILE"]
    )
    assert environment["MALLOC_TRIM_THRESHOLD_"] == "536870912"


@needs_launch
def test_the_node_listens_to_the_image_topic_and_the_camera_info_beside_it(rig, networks):
    with launched("facemesh.launch.py", "image:=cam/image", "namespace:=robot"):
        for topic in ("/robot/cam/image", "/robot/cam/camera_info"):
            rig.until(lambda topic=topic: rig.tester.count_subscribers(topic), f"the node on {topic}")


@needs_launch
def test_the_demo_finds_the_moving_face(rig, networks, moving_face):
    from facemesh_ros.msg import FaceMeshArray

    with launched("demo.launch.py"):
        arrays = rig.collect(FaceMeshArray, "/facemesh_node/faces")
        rig.until(lambda: any(array.faces for array in arrays), "a face")
