"""The web page in a real Chromium: what a person sees and clicks.

Over 300 lines because one Chromium serves all tests.
"""

import asyncio
import importlib.util
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed here: pip install 'facemesh_ros[view]'")
pytest.importorskip("plotly", reason="plotly is not installed here: pip install 'facemesh_ros[view]'")

from browser import Browser, chromium, until
from viewer_fakes import FakeMesher, a_face, a_jpeg, metric

from facemesh_ros.tools.moving_face import picture_bgr
from facemesh_ros.tools.viewer import camera_desk
from facemesh_ros.tools.viewer import server as server_module
from facemesh_ros.tools.viewer.camera_desk import CameraDesk
from facemesh_ros.tools.viewer.files import page_files
from facemesh_ros.tools.viewer.guard import Guard
from facemesh_ros.tools.viewer.hub import Hub
from facemesh_ros.tools.viewer.server import Server
from facemesh_ros.tools.viewer.snapshot import Snapshot

pytestmark = [
    pytest.mark.slow,
    pytest.mark.models,
    pytest.mark.skipif(chromium() is None, reason="no Chromium is installed here: apt-get install chromium"),
]
needs_ros = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("rclpy", "facemesh_ros.msg")),
    reason="ROS 2 or the messages are not here: make setup",
)

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LIVE = "document.body?.dataset.state === 'live' && +document.querySelector('#stage').dataset.frames > 0"
FRAMES = "+document.querySelector('#stage').dataset.frames"
POINTS = "document.querySelector('#scatter')?.data?.[0].x.length"
DRAWN = """(() => {
  const canvas = document.querySelector("#overlay"), {width, height} = canvas;
  const bytes = canvas.getContext("2d").getImageData(0, 0, width, height).data, drawn = [];
  for (let i = 3; i < bytes.length; i += 4) if (bytes[i]) drawn.push((i - 3) / 4);
  const xs = drawn.map((i) => i % width / width), ys = drawn.map((i) => Math.floor(i / width) / height);
  const least = (values) => values.reduce((a, b) => Math.min(a, b), 1);
  const most = (values) => values.reduce((a, b) => Math.max(a, b), 0);
  return {count: drawn.length, box: [least(xs), least(ys), most(xs), most(ys)]};
})()"""
"""How many pixels of the overlay are drawn on, and where, as shares of its size."""
CLIPPED = (
    "[...document.querySelectorAll('button, td, th, dt, dd, h1, h2, figcaption, #state, #source')]"
    ".filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth && getComputedStyle(e).display !== 'inline')"
    ".map((e) => e.outerHTML)"
)
"""Texts that have no room."""
STAGES = ("queue", "decode", "detect", "mesh", "crop", "network", "post", "pose", "build", "publish", "total")
PICTURE_SPREAD = """(() => {
  const {width, height} = document.querySelector("#picture");
  const bytes = document.querySelector("#picture").getContext("2d").getImageData(0, 0, width, height).data;
  return Math.max(...bytes.slice(0, 40000)) - Math.min(...bytes.slice(0, 40000).filter((_, i) => i % 4 < 3));
})()"""


@pytest.fixture(scope="module")
def browser(networks, moving_face, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chromium")
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    browser = Browser(folder, *camera, f"--use-file-for-fake-video-capture={camera_film(folder / 'camera.y4m')}")
    yield browser
    browser.close()


@pytest.fixture
def run():
    """Start processes that end with the test."""
    with ExitStack() as stack:

        def start(*command, **environment):
            options = {"stdout": subprocess.PIPE, "text": True, "env": {**os.environ, **environment}}
            process = subprocess.Popen([sys.executable, "-m", *command], **options)
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def view(run):
    """Run `facemesh view`; return its process and its URL."""

    def start(*arguments, port=0, **environment):
        process = run("facemesh_ros.tools", "view", *arguments, "--port", str(port), **environment)
        return process, re.fullmatch(r"facemesh view: (\S+)\n", process.stdout.readline())[1]

    return start


@pytest.fixture
def opened(browser):
    """Open pages that must show no error until the end of the test, unless they are told of one."""
    pages = []

    def open_page(url, **look):
        pages.append(browser.page(url, **look))
        return pages[-1]

    yield open_page
    errors = [page.errors for page in pages]
    for page in pages:
        page.close()
    assert not any(errors), errors


@contextmanager
def served(source=""):
    """Serve the page from here, beside the test; give the hub, and the URL."""
    begun, end = threading.Event(), asyncio.Event()
    site = {}

    async def serve():
        hub = site["hub"] = Hub(source, with_video=True)
        desk = CameraDesk(hub, FakeMesher)
        server = Server(hub, desk, Guard(None), page_files())
        site["loop"], site["port"] = asyncio.get_running_loop(), await server.listen("127.0.0.1", 0)
        begun.set()
        await end.wait()
        hub.close()
        desk.close()
        await server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert begun.wait(20.0)
        yield site["hub"], f"http://127.0.0.1:{site['port']}/"
    finally:
        site["loop"].call_soon_threadsafe(end.set)
        thread.join(20.0)


def camera_film(path):
    """Write the picture of a face as the film of Chromium's fake camera: a second of YUV 4:2:0."""
    face = cv2.resize(picture_bgr()[:384], (640, 480))
    planes = cv2.cvtColor(face, cv2.COLOR_BGR2YUV_I420).tobytes()
    path.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n" + 10 * (b"FRAME\n" + planes))
    return path


def still(folder):
    """Write the picture of a face as a file, and return its name: a source that does not move."""
    path = folder / "still.png"
    cv2.imwrite(str(path), picture_bgr())
    return str(path)


def wait_live(page):
    page.until(LIVE, "a live page")


def test_the_page_shows_video_mesh_and_figures_without_an_error_or_the_internet(view, opened, tmp_path):
    _, url = view(still(tmp_path))
    page = opened(url)
    wait_live(page)
    assert page.until(f"{POINTS} === 478", "478 points in 3D")
    left, top, right, bottom = page.until(f"(({{count, box}}) => count > 1000 && box)({DRAWN})", "an overlay")
    x, y = 225 / 512, 124 / 512  # where the face is in this picture
    assert left < x < right and top < y < bottom
    assert right - left < 0.5 and bottom - top < 0.5  # and nothing is drawn elsewhere
    assert page.run(PICTURE_SPREAD) > 100
    cells = page.until("document.querySelector('tr[data-id]')?.innerText.split('\\t')", "a row of the table")
    assert re.fullmatch(r"\d+", cells[0].strip()) and re.fullmatch(r"≈ \d\.\d\d m", cells[1])
    assert all(re.fullmatch(r"−?\d+°", cell) for cell in cells[2:5]), cells
    page.until("document.querySelector('#latency').textContent.endsWith('ms')", "a latency")
    page.until("document.querySelector('#rate').textContent.endsWith('Hz')", "a rate")
    assert page.urls and all(asked.startswith((url, "blob:")) for asked in page.urls), page.urls


def test_a_distance_that_is_an_estimate_is_marked_as_such_on_the_picture_too(view, opened, tmp_path):
    _, url = view(still(tmp_path), "--rate", "5")
    page = opened(url)
    wait_live(page)
    page.run(
        "(() => { const draw = CanvasRenderingContext2D.prototype.fillText; window.texts = [];"
        " CanvasRenderingContext2D.prototype.fillText = function (text, ...at)"
        " { texts.push(text); draw.call(this, text, ...at); }; })()"
    )
    label = page.until("texts.find((text) => text.startsWith('face '))", "a label")
    assert re.fullmatch(r"face \d+  ≈ \d\.\d\d m", label)


def test_every_toggle_takes_away_what_it_names_and_brings_it_back(view, opened, tmp_path):
    _, url = view(still(tmp_path), "--rate", "5")
    page = opened(url)
    wait_live(page)
    drawn = page.until(f"({DRAWN}).count", "an overlay")
    toggles = ["mesh", "contours", "irises", "axes", "gaze", "labels"]
    for name in toggles:
        page.click(f"[data-toggle={name}]")
        fewer = page.run(f"({DRAWN}).count")
        assert fewer < drawn, name
        drawn = fewer
    assert page.until(f"({DRAWN}).count === 0", "an overlay without anything")
    for name in toggles:
        page.click(f"[data-toggle={name}]")
    assert page.until(f"({DRAWN}).count > 1000", "everything again")
    page.click("[data-toggle=video]")
    assert page.until(f"{PICTURE_SPREAD} === 0", "no video")


def test_the_plot_has_pixels_or_metres_and_keeps_the_view_to_which_it_was_turned(view, opened, tmp_path):
    _, url = view(still(tmp_path), "--rate", "5")
    page = opened(url)
    page.until(f"{POINTS} === 478", "478 points in 3D")
    widest = "Math.max(...document.querySelector('#scatter').data[0].x)"
    assert page.run(widest) < 0.2
    page.click("[data-unit=px]")
    page.until(f"{widest} > 10", "pixels")
    eye = "document.querySelector('#scatter')._fullLayout.scene._scene.getCamera().eye.x"
    before = page.run(eye)
    x, y = page.run("(({x, y, width, height}) => [x + width / 2, y + height / 2])(scatter.getBoundingClientRect())")
    page.drag((x, y), (x + 120, y))
    after = page.until(f"Math.abs({eye} - {before}) > 0.1 && {eye}", "a turned view")
    page.click("[data-unit=m]")
    page.until(f"{widest} < 0.2", "metres")
    assert page.run(eye) == pytest.approx(after, abs=0.05)


def test_two_browsers_stream_at_once(view, opened, tmp_path):
    _, url = view("demo")
    pages = [opened(url), opened(url)]
    for page in pages:
        wait_live(page)
    begun = [page.run(FRAMES) for page in pages]
    for page, frames in zip(pages, begun, strict=True):
        page.until(f"{FRAMES} > {frames + 3}", "further frames")


def test_a_viewer_that_ends_is_shown_as_such_and_one_in_its_place_is_found(view, opened, tmp_path):
    process, url = view(still(tmp_path))
    page = opened(url)
    wait_live(page)
    process.send_signal(signal.SIGINT)
    page.until("document.body.dataset.state === 'lost'", "the loss")
    assert "viewer has ended" in page.run("document.querySelector('#notice').innerText")
    frames = page.run(FRAMES)
    view(still(tmp_path), port=url.rstrip("/").rpartition(":")[2])
    page.until(f"{LIVE} && {FRAMES} > {frames}", "the new viewer")
    page.errors.clear()  # Chromium notes each attempt that found nobody


def test_privacy_shows_the_mesh_and_no_video(view, opened, tmp_path):
    _, url = view(still(tmp_path), "--privacy", "numbers")
    page = opened(url)
    wait_live(page)
    page.until(f"({DRAWN}).count > 1000", "an overlay")
    assert page.run("document.querySelector('#no-video').checkVisibility()")
    assert page.run("document.querySelector('#picture').width") == 1


def test_the_token_leaves_the_address_bar_and_a_reload_still_works(view, opened, tmp_path):
    _, url = view(still(tmp_path), "--host", "0.0.0.0")
    page = opened(re.sub(r"//[^:]+:", "//127.0.0.1:", url))
    wait_live(page)
    assert page.run("location.search") == ""
    page.run("window.isOld = true")
    page.call("Page.reload")
    page.until(f"!window.isOld && {LIVE}", "the page again")


def test_the_visitors_camera_is_meshed(view, opened):
    _, url = view("--browser-camera")
    page = opened(url)
    page.until("document.body?.dataset.state === 'none'", "a page without a source")
    page.click("#use-camera")
    page.until(f"document.body.dataset.state === 'camera' && {FRAMES} > 5", "answers to pictures")
    page.until(f"({DRAWN}).count > 1000", "an overlay")
    page.until(f"{POINTS} === 478", "478 points in 3D")
    assert page.run(PICTURE_SPREAD) > 50
    page.click("#use-camera")
    page.until("document.body.dataset.state === 'none'", "the camera off")


ASKED = """(() => {
  const devices = navigator.mediaDevices, real = devices.getUserMedia.bind(devices);
  Object.assign(window, {asked: [], streams: []});
  devices.getUserMedia = (wish) => new Promise((resolve, reject) => asked.push({
    allow: () => real(wish).then((stream) => { streams.push(stream); resolve(stream); }),
    deny: () => reject(new DOMException("Permission denied", "NotAllowedError")),
  }));
})()"""
"""Has the browser ask for its camera until the test answers."""
ALL_OFF = (
    "streams.length && streams.every((stream) => stream.getTracks().every(({readyState}) => readyState === 'ended'))"
)
NOTICE = "document.querySelector('#notice').innerText"


def pause(page, ms):
    page.until(f"new Promise((resolve) => setTimeout(() => resolve(true), {ms}))", "a while")


def asking(opened, url):
    """Open a page, click its camera on, and have the browser ask for it."""
    page = opened(url)
    page.until("document.body?.dataset.state === 'none'", "a page without a source")
    page.run(ASKED)
    page.click("#use-camera")
    page.until("asked.length", "the question")
    return page


def test_a_second_click_while_the_browser_asks_leaves_no_camera_on(opened):
    with served() as (_, url):
        page = asking(opened, url)
        page.click("#use-camera")
        assert page.run("asked.length") == 1
        page.run("Promise.all(asked.map((question) => question.allow()))")
        page.until("document.body.dataset.state === 'camera'", "the camera on")
        page.click("#use-camera")
        page.until("document.body.dataset.state === 'none'", "the camera off")
        assert page.run(ALL_OFF)


def test_a_camera_that_is_refused_is_said_for_long_enough_to_be_read_and_can_be_asked_for_again(opened):
    with served() as (_, url):
        page = asking(opened, url)
        page.run("asked[0].deny()")
        page.until(f"{NOTICE}.includes('Permission denied')", "the reason")
        pause(page, 1500)  # in which the server speaks thrice
        assert "Permission denied" in page.run(NOTICE)
        page.click("#use-camera")
        page.until("asked.length === 2", "a second question")
        page.run("asked[1].allow()")
        page.until("document.body.dataset.state === 'camera'", "the camera on")


def test_a_camera_that_comes_after_the_page_was_left_is_switched_off(opened):
    with served() as (_, url):
        page = asking(opened, url)
        page.run("window.dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
        page.run("asked[0].allow()")
        page.until(ALL_OFF, "the camera off")
        assert page.run("document.querySelector('#use-camera').getAttribute('aria-pressed')") == "false"
        assert page.run("document.body.dataset.state") == "none"


def test_a_camera_whose_film_does_not_play_is_switched_off(opened):
    with served() as (_, url):
        page = asking(opened, url)
        page.run("HTMLMediaElement.prototype.play = () => Promise.reject(new Error('no film'))")
        page.run("asked[0].allow()")
        page.until(f"{NOTICE}.includes('no film')", "the reason")
        assert page.run(ALL_OFF)


def test_a_camera_that_is_unplugged_is_said_and_leaves_no_picture(opened):
    with served() as (_, url):
        page = asking(opened, url)
        page.run("asked[0].allow()")
        page.until(f"document.body.dataset.state === 'camera' && {FRAMES} > 1 && {POINTS} > 0", "the camera on")
        page.run("streams[0].getTracks()[0].dispatchEvent(new Event('ended'))")
        page.until("document.body.dataset.state === 'none'", "the camera off")
        assert "camera has ended" in page.run(NOTICE)
        assert page.run("document.querySelector('#picture').width") == 1
        assert page.run(f"({DRAWN}).count") == 0
        page.until(f"!({POINTS})", "the 3D plot empty")


def test_one_camera_too_many_is_told_why_for_long_enough_to_be_read(opened, monkeypatch):
    monkeypatch.setattr(camera_desk, "MOST_CAMERAS", 0)
    with served() as (_, url):
        page = asking(opened, url)
        page.run("asked[0].allow()")
        page.until(f"{NOTICE}.includes('visitors use their cameras already')", "the reason")
        page.until("document.body.dataset.state === 'none'", "the connection again")
        pause(page, 1500)
        assert "visitors use their cameras already" in page.run(NOTICE)
        assert page.run(ALL_OFF)


def test_a_browser_too_many_tries_again_ever_more_seldom(opened, monkeypatch):
    tried_s = []

    class Nobody:
        def __le__(self, _):
            tried_s.append(time.monotonic())
            return True

        def __str__(self):
            return "no"

    monkeypatch.setattr(server_module, "MOST_CLIENTS", Nobody())
    with served() as (_, url):
        page = opened(url)
        page.until("document.body?.dataset.state === 'lost'", "the refusal")
        assert "browsers are connected already" in page.run(NOTICE)
        until(lambda: page.run("1") and len(tried_s) > 3, "three further tries")
        assert tried_s[3] - tried_s[2] > 1.5  # after 0.5, 1 and 2 s


def test_the_last_picture_goes_when_its_source_becomes_private(opened):
    with served("a node") as (hub, url):
        page = opened(url)
        page.until("document.body?.dataset.state === 'waiting'", "a page that waits")
        hub.offer(Snapshot(1.0, (640, 480), (a_face(),), 5.0, a_jpeg((64, 48))))
        page.until("document.querySelector('#picture').width === 64", "the picture")
        hub.is_private = True  # and no further frame comes
        page.until("document.querySelector('#picture').width === 1", "the picture gone")
        page.until("document.querySelector('#no-video').checkVisibility()", "why")
        assert page.run(f"({DRAWN}).count") > 0  # the mesh stays


def with_stages(hub, page, number, **stages_ms):
    """Have a frame shown with these times."""
    hub.offer(Snapshot(float(number), (640, 480), (metric(a_face()),), 25.0, b"", stages_ms=stages_ms))
    page.until(f"{FRAMES} === {number}", "the frame")


TIMES = "Object.fromEntries([...document.querySelectorAll('dd')].map((dd) => [dd.dataset.stage, dd.textContent]))"
TIMES_SHOWN = "document.querySelector('#stages').checkVisibility()"


def test_the_mean_time_of_each_stage_is_shown_where_it_is_known_and_stays_for_a_while(opened):
    with served("a node") as (hub, url):
        page = opened(url)
        page.until("document.body?.dataset.state === 'waiting'", "a page that waits")
        page.run("window.clock_ms = performance.now(); performance.now = () => clock_ms")
        with_stages(hub, page, 1)
        assert not page.run(TIMES_SHOWN)
        with_stages(hub, page, 2, queue=0.125, mesh=2.0, total=11.04, pose=math.nan)
        assert page.run(TIMES_SHOWN)
        assert page.run(TIMES) == {"queue": "0.13", "mesh": "2.00", "total": "11.0", "pose": "–"}
        for number, (passed_ms, mesh, shown) in enumerate(
            [(600, 4.0, "3.00"), (100, 9.0, "3.00"), (2500, 8.0, "8.00")], 3
        ):
            page.run(f"clock_ms += {passed_ms}")
            with_stages(hub, page, number, queue=0.125, mesh=mesh, total=11.04, pose=0.5)
            assert (page.run(TIMES)["queue"], page.run(TIMES)["mesh"]) == ("0.13", shown)
        with_stages(hub, page, 6)
        assert not page.run(TIMES_SHOWN)


@pytest.mark.parametrize(("size_wh", "phone"), [((1280, 800), False), ((1000, 800), False), ((390, 844), True)])
def test_the_times_of_the_stages_have_room_and_the_parts_of_mesh_are_together(opened, size_wh, phone):
    with served("a node") as (hub, url):
        page = opened(url, size_wh=size_wh, phone=phone)
        page.until("document.body?.dataset.state === 'waiting'", "a page that waits")
        with_stages(hub, page, 1, **dict.fromkeys(STAGES, 88.8))
        assert set(page.run(TIMES)) == set(STAGES)
        assert page.run(CLIPPED) == [] and page.run("document.documentElement.scrollWidth") <= size_wh[0]
        if size_wh == (1280, 800):
            assert page.run("document.documentElement.scrollHeight") <= size_wh[1]
        rows = {stage: page.run(f"document.querySelector('[data-stage={stage}]').offsetTop") for stage in STAGES}
        assert len({rows[stage] for stage in ("mesh", "crop", "network", "post")}) == 1
        together = page.run("document.querySelector('.group').innerText").split()
        assert together == ["mesh", "88.8", "crop", "88.8", "network", "88.8", "post", "88.8"]


@needs_ros
@pytest.mark.ros
def test_a_node_is_shown_and_its_end_and_its_return(view, run, opened, tmp_path):
    ros = {"ROS_DOMAIN_ID": str(1 + os.getpid() % 101), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    ros["ROS_LOG_DIR"] = str(tmp_path)
    node = ("facemesh_ros.ros.node", "--ros-args", "-r", "image:=/camera/image_raw")
    run("facemesh_ros.tools", "play", "--rate", "10", **ros)
    first = run(*node, **ros)
    _, url = view("--ros", "--node", "/facemesh_node", **ros)
    page = opened(url)
    wait_live(page)
    page.until(f"({DRAWN}).count > 1000", "an overlay")
    page.until(f"{PICTURE_SPREAD} > 100", "the very images beneath it")
    assert set(page.run(TIMES)) == set(STAGES)
    first.kill()
    page.until("document.body.dataset.state === 'silent'", "the silence")
    page.until("document.querySelector('#notice').innerText.includes('nobody publishes /facemesh_node/faces')", "why")
    assert re.match(r"no images for \d+ s", page.run("document.querySelector('#state').textContent"))
    frames = page.run(FRAMES)
    run(*node, **ros)
    page.until(f"{LIVE} && {FRAMES} > {frames}", "the node again")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "size_wh", "phone"), [("viewer", (1280, 800), False), ("viewer_phone", (390, 844), True)]
)
def test_nothing_is_clipped_or_wider_than_the_screen(view, opened, tmp_path, name, size_wh, phone, scheme):
    _, url = view("demo", "--rate", "15")
    page = opened(url, size_wh=size_wh, scheme=scheme, phone=phone)
    page.until(f"{LIVE} && {POINTS} === 478", "the whole page")
    page.until("document.querySelector('#rate').textContent.endsWith('Hz')", "a rate")
    assert page.run("document.documentElement.scrollWidth") <= size_wh[0]
    assert page.run(CLIPPED) == []
    if not phone:
        assert page.run("document.documentElement.scrollHeight") <= size_wh[1]
    if os.environ.get("FACEMESH_WRITE_PICTURES"):
        write_picture(page, size_wh[0], scheme, IMAGES / f"{name}{'_dark' if scheme == 'dark' else ''}.png")


def write_picture(page, width, scheme, path):
    """Write a picture of the whole page for the documents, with charts that have begun."""
    page.until("performance.now() > 25e3", "charts with some seconds in them")
    page.show_as((width, page.run("document.documentElement.scrollHeight")), scheme)
    page.until("new Promise((resolve) => setTimeout(() => resolve(true), 1000))", "a page drawn anew")
    page.picture(path)
