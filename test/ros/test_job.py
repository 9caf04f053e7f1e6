"""Work that survives what is wrong with the things that it is done on."""

import pytest

from facemesh_ros.errors import InputError, StuckDeviceError
from facemesh_ros.ros.job import Job


class Log:
    def __init__(self):
        self.warned, self.failed = [], []
        self.warning, self.error = self.warned.append, self.failed.append


@pytest.fixture
def log():
    return Log()


def raising(error):
    if error is not None:
        raise error


def test_what_is_bad_and_what_fails_is_counted_apart_and_said_once_each(log):
    bad, failed = [], []
    job = Job("image", raising, log, lambda: bad.append(1), lambda: failed.append(1))
    for error in (InputError("torn"), None, InputError("torn"), InputError("torn")):
        job(error)
    assert (len(bad), len(failed), log.warned, log.failed) == (3, 0, ["image skipped: torn"], [])


def test_an_error_of_our_own_is_said_with_its_traceback(log):
    job = Job("view", raising, log)
    job(ZeroDivisionError("a bug"))
    (said,) = log.failed
    assert said.startswith("view skipped because of an error in this node:\nTraceback")
    assert "ZeroDivisionError: a bug" in said


def test_a_device_that_fails_is_said_in_its_own_words(log):
    failed = []
    job = Job("image", raising, log, add_failed=lambda: failed.append(1))
    job(StuckDeviceError("a run does not end: do this"))
    assert (failed, log.warned, log.failed) == ([1], [], ["image skipped: a run does not end: do this"])


def test_it_is_busy_while_it_works_however_that_ends(log):
    now_s, seen = [10.0], []

    def work(error):
        now_s[0] += 2.0
        seen.append(job.busy_s)
        raising(error)

    job = Job("image", work, log, clock_s=lambda: now_s[0])
    for error in (None, InputError("torn"), ZeroDivisionError()):
        assert job.busy_s == 0.0
        job(error)
    assert seen == [2.0, 2.0, 2.0]
    assert job.busy_s == 0.0
