"""What the library warns of is told by the node."""

import logging

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.logging import get_logger
from rig import FakeMesher

from facemesh_ros.ros.library_log import library_log

pytestmark = pytest.mark.ros
LOG = logging.getLogger("facemesh_ros.devices")


def test_warnings_and_errors_are_handed_over_and_lesser_ones_not():
    warned, failed = [], []
    with library_log(warned.append, failed.append):
        LOG.debug("a detail")
        LOG.info("so be it")
        LOG.warning("on the %s", "cpu")
        LOG.critical("lost")
        logging.getLogger("another").warning("not the library's")
    assert (warned, failed) == (["on the cpu"], ["lost"])


def test_after_the_block_nothing_is_handed_over_even_if_it_raised():
    warned = []
    with pytest.raises(ValueError, match="no"), library_log(warned.append, warned.append):
        raise ValueError("no")
    LOG.warning("later")
    assert not warned


def test_a_nodes_logger_takes_warnings_and_errors_in_any_order(capfd):
    logger = get_logger("library_log_test")
    with library_log(logger.warning, logger.error):
        for number in range(2):
            LOG.warning("warning %d", number)
            LOG.error("error %d", number)
    said = capfd.readouterr().err
    for number in range(2):
        assert "[WARN]" in next(line for line in said.splitlines() if f"warning {number}" in line)
        assert "[ERROR]" in next(line for line in said.splitlines() if f"error {number}" in line)


def test_a_log_that_fails_does_not_stop_the_library(capfd):
    def fail(text):
        raise ValueError(f"no log for {text}")

    with library_log(fail, fail):
        LOG.warning("something")
    assert "no log for something" in capfd.readouterr().err


class OnTheWrongDevice(FakeMesher):
    fallback = "device is cuda, but it runs on cpu"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        LOG.warning(self.fallback)


def test_a_fallback_is_a_warning_of_the_node_and_stays_in_its_diagnostics(rig, capfd):
    rig.node(make_mesher=OnTheWrongDevice)
    heard = rig.collect(DiagnosticArray, "/diagnostics")
    rig.until(lambda: heard, "diagnostics")
    shown = {pair.key: pair.value for pair in heard[0].status[0].values}
    assert shown["device fallback"] == OnTheWrongDevice.fallback
    told = [line for line in capfd.readouterr().err.splitlines() if OnTheWrongDevice.fallback in line]
    assert len(told) == 1 and "[WARN]" in told[0] and "facemesh_node" in told[0]
