"""The environment for large messages, in processes of our own."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from facemesh_ros.ros.environment import PROFILES_FILE, large_message_environment, with_large_messages

OURS = large_message_environment({})


def output_of(code: str, *arguments: str, **variables: str) -> list[str]:
    """Run Python code in an environment of ours without what this test's own one may have; return its lines."""
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment | variables, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


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


def test_the_profile_replaces_the_small_segment():
    root = ElementTree.parse(PROFILES_FILE).getroot()
    texts = {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in root.iter()}
    assert int(texts["segment_size"]) == 32 * 1024**2
    assert int(texts["maxMessageSize"]) == 8 * 1024**2
    assert texts["useBuiltinTransports"] == "false"
    used = [e.text for e in root.iter("{http://www.eprosima.com}transport_id")]
    assert used[:2] == used[2:]


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


def test_an_interpreter_that_cannot_name_itself_goes_on_without(monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    with_large_messages()
