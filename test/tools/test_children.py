"""Child processes: small Python scripts, stopped in every way they ask for."""

import signal
import subprocess
import sys
import time

import pytest

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools import children
from facemesh_ros.tools.children import Child

DEADLINE_S = 20.0
NAP_S = 0.01
"""Between two looks, so that waiting leaves the core to what is waited for."""


def until(condition):
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(NAP_S)


@pytest.fixture
def child(tmp_path):
    """Start a script and wait until it has printed `ready`, if it does so at all."""
    started = []

    def start(script, ready=True):
        log = tmp_path / "child.log"
        process = Child("the child", [sys.executable, "-uc", script], log)
        started.append(process)
        if ready:
            until(lambda: "ready" in log.read_text(encoding="utf-8"))
        return process

    yield start
    for process in started:
        process.stop()


def told(process):
    """What `check` says; empty while the child runs."""
    try:
        process.check()
    except FaceMeshError as error:
        return str(error)
    return ""


def ended(process):
    """Wait for the end; return what `check` says of it."""
    until(lambda: told(process))
    return told(process)


WAIT = "import time\nprint('ready')\ntime.sleep(60)"


def test_a_child_that_runs_passes_the_check(child):
    child(WAIT).check()


def test_the_end_of_a_child_is_told_with_its_status_and_its_last_words(child):
    words = ended(child("print('one'); print('the reason'); raise SystemExit(3)", ready=False))
    assert words.startswith("the child ended with status 3; the end of its log, ")
    assert words.endswith("child.log:\n    one\n    the reason")


def test_only_the_end_of_a_long_log_is_told(child):
    words = ended(child("for n in range(100): print(f'line {n}')", ready=False))
    assert "line 99" in words
    assert "line 50" not in words


def test_a_silent_child_is_said_to_have_been_silent(child):
    assert ended(child("pass", ready=False)).endswith("child.log, is empty")


def test_a_child_is_stopped_as_by_ctrl_c_and_may_tidy_up(child):
    script = "import time\ntry:\n    print('ready'); time.sleep(60)\nexcept KeyboardInterrupt:\n    print('tidy')"
    process = child(script)
    process.stop()
    assert ended(process).startswith("the child ended with status 0;")
    assert "tidy" in process.last_words()


@pytest.mark.parametrize(
    ("ignored", "status"), [(("SIGINT",), -15), (("SIGINT", "SIGTERM"), -9)], ids=["SIGINT", "SIGINT and SIGTERM"]
)
def test_a_child_that_ignores_signals_is_ended_all_the_same(child, monkeypatch, ignored, status):
    monkeypatch.setattr(children, "_PATIENCE_S", 0.2)
    ignore = "".join(f"signal.signal(signal.{name}, signal.SIG_IGN)\n" for name in ignored)
    process = child(f"import signal\n{ignore}{WAIT}")
    process.stop()
    assert ended(process).startswith(f"the child ended with status {status};")


def test_a_program_that_does_not_exist_is_told(tmp_path):
    with pytest.raises(FaceMeshError, match="the child cannot be started: there is no program .*nothing"):
        Child("the child", [str(tmp_path / "nothing")], tmp_path / "log")


def test_stopping_twice_is_stopping_once(child):
    process = child(WAIT)
    process.stop()
    process.stop()


def test_leaving_the_context_stops_the_child(child):
    with child(WAIT) as process:
        process.check()
    assert "ended with status" in ended(process)


def test_a_child_is_out_of_the_terminals_reach(child):
    process = child("import os\nprint('ready', os.getsid(0) == os.getpid())\nimport time\ntime.sleep(60)")
    assert "ready True" in process.last_words()


PARENT = """
import sys
from pathlib import Path
from facemesh_ros.tools.children import Child
Child("the child", [sys.executable, "-uc", sys.argv[1]], Path(sys.argv[2]))
sys.stdin.read()
"""
TIDY = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("tidy")))
print("ready")
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP], ids=["killed", "hung up"])
def test_a_child_ends_tidily_when_its_parent_dies(tmp_path, number):
    log = tmp_path / "child.log"
    log.touch()
    with subprocess.Popen([sys.executable, "-c", PARENT, TIDY, str(log)], stdin=subprocess.PIPE) as parent:
        until(lambda: "ready" in log.read_text(encoding="utf-8"))
        parent.send_signal(number)
        assert parent.wait(DEADLINE_S) == -number
    until(lambda: "tidy" in log.read_text(encoding="utf-8"))
