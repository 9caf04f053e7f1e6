"""Stand-ins for ROS 2's launch, which has no wheels: as much of it as shows what our launch files would start."""

import runpy
import sys
from types import ModuleType


class LaunchContext:
    def __init__(self, arguments):
        self.launch_configurations = dict(arguments)
        self.is_shutdown = False


class LaunchConfiguration:
    def __init__(self, name):
        self.name = name

    def perform(self, context):
        return context.launch_configurations[self.name]


class LaunchDescription:
    def __init__(self, entities):
        self.entities = entities

    def execute(self, context):
        return [process for entity in self.entities for process in entity.execute(context)]


class DeclareLaunchArgument:
    def __init__(self, name, *, default_value, description, choices=None):
        assert choices is None or default_value in choices
        self.name, self.default, self.choices = name, default_value, choices

    def execute(self, context):
        value = context.launch_configurations.setdefault(self.name, self.default)
        assert self.choices is None or value in self.choices
        return []


class OpaqueFunction:
    def __init__(self, *, function):
        self.function = function

    def execute(self, context):
        return LaunchDescription(self.function(context)).execute(context)


class ExecuteProcess:
    """Also the nodes: keeps what it was given, its command with the arguments in their places."""

    def __init__(self, **given):
        self.given = given

    def execute(self, context):
        words = self.given.get("cmd", ())
        self.given["cmd"] = [word.perform(context) if hasattr(word, "perform") else word for word in words]
        return [self]

    def __getattr__(self, name):
        return self.given[name]


class ExecutableInPackage:
    def __init__(self, *, package, executable):
        self.name = f"{package}/{executable}"

    def perform(self, _):
        return self.name


class PythonLaunchDescriptionSource:
    def __init__(self, path):
        self.path = path


class IncludeLaunchDescription:
    def __init__(self, source, *, launch_arguments):
        self.path, self.arguments = source.path, launch_arguments

    def execute(self, context):
        context.launch_configurations.update(self.arguments)
        return described(self.path).execute(context)


class Shutdown:
    def __init__(self, *, reason):
        self.reason = reason


MODULES = {
    "launch": (LaunchContext, LaunchDescription),
    "launch.actions": (DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, OpaqueFunction, Shutdown),
    "launch.launch_description_sources": (PythonLaunchDescriptionSource,),
    "launch.substitutions": (LaunchConfiguration,),
    "launch_ros": (),
    "launch_ros.actions": (type("LifecycleNode", (ExecuteProcess,), {}), type("Node", (ExecuteProcess,), {})),
    "launch_ros.substitutions": (ExecutableInPackage,),
}


def install(monkeypatch):
    """Let launch files import the stand-ins, also where the real ones are installed."""
    for name, classes in MODULES.items():
        module = ModuleType(name)
        vars(module).update({kind.__name__: kind for kind in classes})
        monkeypatch.setitem(sys.modules, name, module)


def described(file):
    """Return a launch file's description."""
    return runpy.run_path(str(file))["generate_launch_description"]()
