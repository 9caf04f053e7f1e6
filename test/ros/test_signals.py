"""Signals, in processes of their own."""

import signal
import subprocess
import sys

import pytest

DEADLINE_S = 20.0
WHILE_STARTING = "import sys; from facemesh_ros.ros.signals import exit_quietly; exit_quietly(); "
WHILE_RUNNING = WHILE_STARTING + "from facemesh_ros.ros.signals import StopRequest; stop = StopRequest(); "
SAY_READY = "print('ready', flush=True)\n"
UNTIL_ASKED = "import time\nwhile not stop.was_made: time.sleep(0.01)\n"
FOR_EVER = "import time\nwhile True: time.sleep(0.01)\n"
every_signal = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@pytest.fixture
def run():
    """Start Python on a program and wait until it prints a line; ends it with the test."""
    started = []

    def start(program):
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def end_of(process):
    """Return the exit code and what was said after the line that said it is ready."""
    rest, _ = process.communicate(timeout=DEADLINE_S)
    return process.returncode, rest


@every_signal
def test_a_signal_at_start_ends_the_process_with_code_0_and_no_word(run, number):
    process = run(WHILE_STARTING + SAY_READY + FOR_EVER)
    process.send_signal(number)
    assert end_of(process) == (0, "")


@every_signal
def test_the_first_signal_asks_to_stop(run, number):
    process = run(WHILE_RUNNING + SAY_READY + UNTIL_ASKED + "sys.exit(7)")
    process.send_signal(number)
    assert end_of(process) == (7, "")


@every_signal
def test_the_second_signal_ends_even_a_process_that_does_not_stop(run, number):
    process = run(WHILE_RUNNING + SAY_READY + UNTIL_ASKED + "print('asked', flush=True)\n" + FOR_EVER)
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "asked\n"
    process.send_signal(number)
    assert end_of(process) == (128 + number, "")
