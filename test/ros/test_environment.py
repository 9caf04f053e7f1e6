"""The environment for large messages, in processes of our own."""

import math
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import pytest

from facemesh_ros.ros import environment as module
from facemesh_ros.ros.environment import (
    PROFILES_FILE,
    SMALL_PROFILES_FILE,
    large_message_environment,
    with_large_messages,
)

OURS = large_message_environment({})


def output_of(code: str, *arguments: str, **variables: str) -> list[str]:
    """Run Python code in an environment of ours without what this test's own one may have; return its lines."""
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment | variables, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


@pytest.fixture
def shared_memory(monkeypatch):
    """Return a function that says how many MB /dev/shm has left; at first it is far more than enough."""

    def set_free(free_mb):
        room = SimpleNamespace(f_bavail=free_mb * 256, f_frsize=4096)
        monkeypatch.setattr(module.os, "statvfs", {"/dev/shm": room}.__getitem__)

    set_free(1 << 20)
    return set_free


@pytest.mark.usefixtures("shared_memory")
def test_an_empty_environment_gets_malloc_thresholds_and_the_profile():
    added = large_message_environment({})
    assert added == {
        "MALLOC_MMAP_THRESHOLD_": "33554432",
        "MALLOC_TRIM_THRESHOLD_": "536870912",
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(PROFILES_FILE),
        "FASTDDS_DEFAULT_PROFILES_FILE": str(PROFILES_FILE),
    }


def test_nothing_is_missing_once_it_is_set():
    assert large_message_environment(OURS) == {}


@pytest.mark.parametrize("name", sorted(OURS))
def test_what_the_user_has_set_is_not_touched(name):
    assert name not in large_message_environment({name: "the user's"})


@pytest.mark.parametrize(
    "name", ["FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE", "FASTDDS_BUILTIN_TRANSPORTS"]
)
def test_a_user_who_has_chosen_transports_gets_no_profile(name):
    assert set(large_message_environment({name: "the user's"})) == {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"}


@pytest.mark.parametrize("free_mb", [0, 1, 13, 14, 30, 63, 64, 135, 136, 137, 512])
def test_segments_of_four_processes_fit_into_what_is_left_or_are_small(shared_memory, free_mb):
    shared_memory(free_mb)
    chosen = large_message_environment({})["FASTRTPS_DEFAULT_PROFILES_FILE"]
    assert chosen == str(PROFILES_FILE if free_mb >= 4 * (32 + 2) else SMALL_PROFILES_FILE)


def test_a_container_with_dockers_default_of_64_mb_holds_the_small_segments_of_four_processes():
    assert 4 * (sizes(SMALL_PROFILES_FILE)[0] / 2**20 + 2) <= 64


def test_a_system_without_dev_shm_gets_the_large_segment(monkeypatch):
    def missing(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(module.os, "statvfs", missing)
    assert module._free_mb() == math.inf
    assert large_message_environment({})["FASTRTPS_DEFAULT_PROFILES_FILE"] == str(PROFILES_FILE)


def sizes(profiles):
    """Return the sizes of the segment and of the largest message, bytes."""
    root = ElementTree.parse(profiles).getroot()
    return tuple(int(root.find(f".//{{*}}{tag}").text) for tag in ("segment_size", "maxMessageSize"))


@pytest.mark.parametrize("profiles", [PROFILES_FILE, SMALL_PROFILES_FILE])
def test_a_profile_replaces_the_small_segment_by_one_for_several_pieces(profiles):
    segment, message = sizes(profiles)
    assert segment >= 3 * message > 3 * 640 * 480 * 3
    root = ElementTree.parse(profiles).getroot()
    assert root.findtext(".//{*}useBuiltinTransports") == "false"
    used = [e.text for e in root.iter("{http://www.eprosima.com}transport_id")]
    assert used[:2] == used[2:] != []


def test_the_profiles_differ_only_in_sizes_and_comments():
    large, small = (ElementTree.parse(path).getroot() for path in (PROFILES_FILE, SMALL_PROFILES_FILE))
    different = [one.tag for one, other in zip(large.iter(), small.iter(), strict=True) if one.text != other.text]
    assert [tag.rpartition("}")[2] for tag in different] == ["segment_size", "maxMessageSize"]


RESTART = """
import os, sys
from facemesh_ros.ros.environment import large_message_environment, with_large_messages
print("start", flush=True)
with_large_messages()
print(*sys.argv[1:], len(large_message_environment()), "rclpy" in sys.modules)
"""


def test_a_process_without_the_variables_starts_again_once_with_its_arguments():
    assert output_of(RESTART, "--rate", "30") == ["start", "start", "--rate", "30", "0", "False"]


def test_a_process_with_the_variables_goes_straight_on():
    assert output_of(RESTART, **OURS) == ["start", "0", "False"]


def test_variables_that_vanish_on_the_way_do_not_make_it_start_for_ever():
    vanish = "import os; os.environ.pop('MALLOC_TRIM_THRESHOLD_', None)"
    assert output_of(vanish + RESTART) == ["start", "start", "1", "False"]


def test_a_child_of_a_restarted_process_may_start_again_itself():
    assert output_of(RESTART, _FACEMESH_LARGE_MESSAGES="1") == ["start", "start", "0", "False"]


@pytest.mark.parametrize(("free_mb", "warnings"), [(0, 1), (13, 1), (14, 0), (64, 0)])
def test_a_process_without_room_for_its_segment_says_so_with_the_remedy(
    shared_memory, monkeypatch, caplog, free_mb, warnings
):
    started = []
    monkeypatch.setattr(module.os, "execve", lambda *call: started.append(call))
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    shared_memory(free_mb)
    with_large_messages()
    assert len(started) == 1
    assert caplog.text.count("--shm-size=512m") == len(caplog.records) == warnings


def test_an_interpreter_that_cannot_name_itself_goes_on_without(monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    with_large_messages()
