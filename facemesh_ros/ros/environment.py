"""The environment in which large messages are cheap and arrive; it must be set before the process starts.

Two things, both read by libraries while they load:

- glibc's malloc gives buffers of megabytes back to the kernel after every image and faults them in again for the
  next one. Higher thresholds keep them: latency of a 720p image 6.4 to 3.7 ms between two processes on Jazzy.
- Fast DDS shares memory between processes in a segment of 512 KB. What is larger goes by UDP and, over best effort,
  is mostly lost (640x480 at 30 Hz: 3 of 60 arrive). ``fastdds.xml`` beside this file makes the segment 32 MB. It is
  the publisher's process that needs it. Where /dev/shm has no room for four of them (Docker's default is 64 MB),
  ``fastdds_small.xml`` makes it 12 MB: a process whose segment does not fit has none, and sends all by UDP.

Nothing here imports rclpy, so that the `facemesh` command can set the environment before anything loads it.
"""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path

PROFILES_FILE = Path(__file__).with_name("fastdds.xml")
SMALL_PROFILES_FILE = Path(__file__).with_name("fastdds_small.xml")
ROOMY_MB = 136
"""Of /dev/shm: four processes (camera, node, RViz, one more) with segments of 32 MB, each 34 MB with its ports."""
SCANTY_MB = 14
"""One process with a segment of 12 MB and its ports."""

_MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the most that every glibc takes (HEAP_MAX_SIZE / 2); above a 4K frame
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
}
_PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""The name that Fast DDS reads up to 2.x (Humble to Jazzy), and from 3.0 on (Kilted)."""
_TRANSPORT_CHOICES = (*_PROFILES, "FASTDDS_BUILTIN_TRANSPORTS")
"""A user who sets one of these has chosen transports; our profile would overrule the choice."""
_REEXECUTED = "_FACEMESH_LARGE_MESSAGES"

_log = logging.getLogger(__name__)


def large_message_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables to add to an environment so that large messages are cheap and arrive.

    Args:
        environment: what is set already, and is never overridden; None for this process's own.

    Returns:
        Name to value; empty where nothing is missing.
    """
    present = os.environ if environment is None else environment
    wanted = dict(_MALLOC)
    if not any(name in present for name in _TRANSPORT_CHOICES):
        profiles = SMALL_PROFILES_FILE if _free_mb() < ROOMY_MB else PROFILES_FILE
        wanted |= dict.fromkeys(_PROFILES, str(profiles))
    return {name: value for name, value in wanted.items() if name not in present}


def _free_mb() -> float:
    """Return the room left for shared memory; infinite on a system that does not keep it in /dev/shm."""
    try:
        room = os.statvfs("/dev/shm")
    except OSError:
        return math.inf
    return room.f_bavail * room.f_frsize / 2**20


def with_large_messages() -> None:
    """Start this process again, once, with :func:`large_message_environment`, unless nothing is missing.

    Call it first thing: what was done before is done twice. The process keeps its id, arguments and open files.
    It warns where /dev/shm has no room even for a small segment.
    """
    missing = large_message_environment()
    # The mark ends it where a start-up hook takes the variables away again; a child has another process id.
    mark = {_REEXECUTED: str(os.getpid())}
    if not missing or mark.items() <= os.environ.items() or not sys.executable:
        return
    if not missing.keys().isdisjoint(_PROFILES):
        _warn_of_scant_memory()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **missing, **mark})


def _warn_of_scant_memory() -> None:
    free_mb = _free_mb()
    if free_mb < SCANTY_MB:
        _log.warning(
            "/dev/shm has %.0f MB left and this process wants %d: large images may be lost on their way from or to "
            "it; make room there (in Docker: --shm-size=512m)",
            free_mb,
            SCANTY_MB,
        )
