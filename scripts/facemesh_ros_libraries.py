"""Let the loader find the messages' libraries: `make setup` copies this into .venv where ROS is sourced.

The loader reads LD_LIBRARY_PATH only when a process starts, so Python starts itself once more with it. (The ROS
wheels carry a hook that does the same.)
"""

import os
import sys

FOLDERS = {"LD_LIBRARY_PATH": f"{sys.prefix}/lib", "AMENT_PREFIX_PATH": sys.prefix}


def completed() -> dict[str, str]:
    """Return this process's environment with this virtual environment's folder in both search paths."""
    environment = dict(os.environ)
    for name, folder in FOLDERS.items():
        paths = [path for path in environment.get(name, "").split(os.pathsep) if path]
        if folder not in paths:
            environment[name] = os.pathsep.join([folder, *paths])
    return environment


if completed() != os.environ:
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], completed())
