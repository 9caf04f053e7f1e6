"""Counts, and what /diagnostics makes of them."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here: make setup")
pytest.importorskip("facemesh_ros.msg", reason="the messages are not built: make setup")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rig import a_face, image_message, placed
from sensor_msgs.msg import Image

from facemesh_ros.ros.diagnostics import Report, Tally, status
from facemesh_ros.ros.timing import LATER, STAGES

pytestmark = pytest.mark.ros

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def values(message):
    return {pair.key: pair.value for pair in message.values}


def test_nothing_is_counted_at_first():
    assert Tally().report(1.0) == Report()


def test_totals_go_on_and_rates_belong_to_the_period():
    tally = Tally()
    for latency_ms in (10.0, 30.0):
        tally.add_frame(faces=2, latency_ms=latency_ms)
    first = tally.report(4.0)
    assert (first.frames, first.faces, first.rate_hz) == (2, 2, 0.5)
    assert (first.latency_mean_ms, first.latency_max_ms) == (20.0, 30.0)
    second = tally.report(4.0)
    assert (second.frames, second.rate_hz, second.latency_max_ms) == (2, 0.0, 0.0)


def test_every_way_to_skip_an_image_is_counted_apart_and_together():
    tally = Tally()
    for add, times in ((tally.add_dropped, 1), (tally.add_bad, 2), (tally.add_failed, 3)):
        for _ in range(times):
            add()
    report = tally.report(1.0)
    assert (report.dropped, report.bad, report.failed, tally.skipped) == (1, 2, 3, 6)
    assert (report.new_bad, report.new_failed) == (2, 3)
    assert (tally.report(1.0).new_bad, tally.report(1.0).bad) == (0, 2)


def test_calibrations_and_depths_are_counted_in_total_and_by_period():
    tally = Tally()
    adds = tally.add_bad_depth, tally.add_no_depth, tally.add_depth, tally.add_calibrated
    for times, add in enumerate(adds, start=1):
        for _ in range(times):
            add()
    report = tally.report(1.0)
    assert (report.calibrated, report.depth, report.no_depth, report.bad_depth) == (4, 3, 2, 1)
    assert (report.new_depth, report.new_no_depth, report.new_bad_depth) == (3, 2, 1)
    later = tally.report(1.0)
    assert (later.depth, later.new_depth, later.new_no_depth, later.new_bad_depth) == (3, 0, 0, 0)


def test_stages_are_means_over_the_images_of_the_period():
    tally = Tally()
    tally.add_frame(faces=1, latency_ms=5.0, stages_ms={"mesh": 2.0, "detect": 3.0})
    tally.add_frame(faces=1, latency_ms=5.0, stages_ms={"mesh": 4.0, "detect": 0.0})
    report = tally.report(1.0)
    assert report.stage_means_ms == {"mesh": 3.0, "detect": 1.5}
    assert values(status("node", "/image", "running", "cpu", report))["mesh mean [ms]"] == "3.00"
    assert tally.report(1.0).stage_means_ms == {}


def test_every_stage_is_shown_in_periods_without_images_too():
    shown = values(status("node", "/image", "running", "cpu", Report(stage_means_ms={"mesh": 3.0})))
    told = {stage: shown[f"{stage} mean [ms]"] for stage in STAGES}
    assert told == {**dict.fromkeys(STAGES, "0.00"), "mesh": "3.00"}


def test_clearing_begins_at_zero():
    tally = Tally()
    tally.add_bad()
    tally.add_frame(faces=1, latency_ms=5.0)
    tally.clear()
    assert tally.report(1.0) == Report()


@pytest.mark.parametrize(
    ("state", "report", "level", "message"),
    [
        ("unconfigured", Report(), OK, "unconfigured"),
        ("disabled", Report(), OK, "disabled"),
        ("running", Report(), WARN, "no images"),
        ("running", Report(rate_hz=29.97, faces=2), OK, "30.0 Hz, faces: 2"),
        ("running", Report(rate_hz=30.0, new_bad=3), WARN, "3 images could not be read"),
        ("running", Report(rate_hz=30.0, new_bad=3, new_failed=1), ERROR, "1 images failed"),
        ("running", Report(rate_hz=30.0, new_bad_depth=2), WARN, "2 depth images could not be used"),
        ("running", Report(rate_hz=30.0, new_no_depth=15), WARN, "no depth for any image"),
        ("running", Report(rate_hz=30.0, new_no_depth=15, new_depth=15), OK, "30.0 Hz"),
        ("running", Report(rate_hz=30.0, disagreeing=1), WARN, "heads are not of the size that the depth says"),
    ],
)
def test_the_level_follows_the_worst_of_the_period(state, report, level, message):
    made = status("/facemesh_node", "/image", state, "cpu", report)
    assert made.level == level
    assert made.message.startswith(message)


@pytest.mark.parametrize(
    ("busy_s", "level", "message"),
    [(0.0, WARN, "no images"), (1.0, WARN, "no images"), (7.2, WARN, "busy with one image for 7 s")],
)
def test_a_node_at_work_for_long_says_so_rather_than_that_there_are_no_images(busy_s, level, message):
    made = status("/facemesh_node", "/image", "running", "cpu", Report(), busy_s)
    assert (made.level, made.message) == (level, message)


def test_the_node_reports_an_image_that_takes_long(rig):
    rig.node()
    rig.mesher.may_work.clear()
    heard, images = rig.collect(DiagnosticArray, "/diagnostics"), rig.publisher(Image, "/image")
    images.publish(image_message(1.0))
    rig.until(lambda: heard and "busy with one image" in heard[-1].status[0].message, "the word busy")
    rig.mesher.may_work.set()


def test_the_running_node_reports_itself(rig):
    rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    heard = rig.collect(DiagnosticArray, "/diagnostics")
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    rig.until(lambda: heard and values(heard[-1].status[0])["frames"] == "1", "diagnostics")
    (made,) = heard[-1].status
    assert (made.name, made.hardware_id) == ("/facemesh_node: face meshes", "/image")
    shown = values(made)
    assert (shown["device"], shown["faces"], shown["dropped"], shown["bad"]) == ("cpu", "1", "0", "0")
    means_ms = [[float(values(made.status[0])[f"{stage} mean [ms]"]) for stage in LATER] for made in heard]
    assert any(min(of_period) > 0.0 for of_period in means_ms), "the image's own, in the very period"


def test_faces_of_which_depth_and_assumption_disagree_are_counted(rig):
    node = rig.node()
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    agreeing, disagreeing = placed(a_face()), placed(a_face(), scale_disagrees=True)
    rig.mesher.faces = (a_face(), agreeing, disagreeing, disagreeing)
    heard = rig.collect(DiagnosticArray, "/diagnostics")
    images.publish(image_message(1.0))
    rig.until(lambda: arrays, "faces")
    rig.until(lambda: any(values(made.status[0])["scale disagrees"] == "2" for made in heard), "diagnostics")
    assert node._lanes[0].tally.report(1.0).frames == 1


def test_simulated_time_without_a_clock_stops_neither_faces_nor_reports(rig):
    rig.node({"use_sim_time": True})
    arrays, images = rig.faces(), rig.publisher(Image, "/image")
    heard = rig.collect(DiagnosticArray, "/diagnostics")
    images.publish(image_message(1.0))
    rig.until(lambda: arrays and heard, "faces and diagnostics")


def test_a_node_that_is_not_configured_reports_that(rig):
    rig.node(start=False)
    heard = rig.collect(DiagnosticArray, "/diagnostics")
    rig.until(lambda: heard, "diagnostics")
    assert (heard[0].status[0].message, values(heard[0].status[0])["device"]) == ("unconfigured", "none")
