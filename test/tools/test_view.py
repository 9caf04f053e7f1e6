"""The command `facemesh view`: what it shows, where, and what it says when something is missing."""

import argparse
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed here: pip install 'facemesh_ros[view]'")
pytest.importorskip("plotly", reason="plotly is not installed here: pip install 'facemesh_ros[view]'")

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools import view
from facemesh_ros.tools.__main__ import main
from facemesh_ros.tools.viewer import files
from facemesh_ros.tools.viewer.files import page_files
from facemesh_ros.tools.viewer.snapshot import Snapshot
from facemesh_ros.topology import face_topology

LIMIT_S = 60.0


def started(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "facemesh_ros.tools", "view", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def serve():
    """Start the command; return the process and the URL that it prints."""
    processes = []

    def start(*arguments):
        process = started(*arguments, "--port", "0")
        processes.append(process)
        line = process.stdout.readline()
        found = re.fullmatch(r"facemesh view: (http://\S+)\n", line)
        assert found, line + process.stderr.read()
        return process, found[1]

    yield start
    for process in processes:
        process.kill()
        process.communicate(timeout=LIMIT_S)


def status_of(url):
    try:
        with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_this_machine_alone_until_a_signal_and_ends_well(serve, number):
    process, url = serve("--browser-camera")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
    assert status_of(url) == 200
    process.send_signal(number)
    assert process.wait(LIMIT_S) == 0
    assert process.stderr.read() == ""


def test_a_source_that_goes_on_while_the_server_ends_is_not_heard_and_does_not_fail(monkeypatch, capsys):
    class LateFeed:
        def start(self, hub):
            self.hub = hub
            os.kill(os.getpid(), signal.SIGTERM)

        def close(self):  # as if the loop were closed just after the source had looked
            assert self.hub._loop.is_closed()
            self.hub._loop.is_closed = lambda: False
            self.hub.watched.set()
            self.hub.offer(Snapshot(1.0, (640, 480), (), None))

    feed = LateFeed()
    monkeypatch.setattr(view, "_feed", lambda _: feed)
    try:
        assert main(["view", "demo", "--port", "0"]) == 0
    finally:
        feed.hub._loop.is_closed = lambda: True
    assert "facemesh view: http://" in capsys.readouterr().out


def test_for_others_the_printed_url_carries_the_token_and_nothing_else_is_let_in(serve):
    _, url = serve("--browser-camera", "--host", "0.0.0.0")
    port, token = re.fullmatch(r"http://[^:/]+:(\d+)/\?token=([\w-]{32,})", url).groups()
    assert status_of(f"http://127.0.0.1:{port}/?token={token}") == 200
    for wrong in ("", "?token=", f"?token={token[:-1]}", f"?token={token}x"):
        assert status_of(f"http://127.0.0.1:{port}/{wrong}") == 403


@pytest.mark.parametrize(
    "arguments", [[], ["demo", "--ros"], ["--ros", "--browser-camera"], ["demo", "--browser-camera"]]
)
def test_one_thing_is_shown_not_none_and_not_two(arguments, monkeypatch, capsys):
    monkeypatch.setattr("facemesh_ros.tools.__main__._prepare_ros", lambda: None)
    with pytest.raises(SystemExit) as stop:
        main(["view", *arguments])
    assert stop.value.code == 2
    assert "a source, --ros or --browser-camera" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--port", "65536"], ["--port", "-1"], ["--port", "x"], ["--privacy", "some"]])
def test_an_argument_out_of_range_is_wrong_usage(arguments):
    with pytest.raises(SystemExit) as stop:
        main(["view", "demo", *arguments])
    assert stop.value.code == 2


def test_ros_is_prepared_only_where_it_is_asked_for(monkeypatch):
    prepared = []
    monkeypatch.setattr("facemesh_ros.tools.__main__._prepare_ros", lambda: prepared.append(1))
    monkeypatch.setattr(view, "run", lambda _: 0)
    assert main(["view", "demo"]) == 0 and prepared == []
    assert main(["view", "--ros"]) == 0 and prepared == [1]


def test_a_source_that_is_not_there_is_said_before_anything_is_served(capsys):
    assert main(["view", "no_such_file.mp4"]) == 1
    told = capsys.readouterr()
    assert "no_such_file.mp4" in told.err and told.out == ""


@pytest.mark.parametrize("absent", ["aiohttp", "plotly"])
def test_a_package_that_is_missing_is_named_with_the_remedy(absent, monkeypatch, capsys):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else find_spec(name))
    assert main(["view", "--browser-camera", "--port", "0"]) == 1
    assert re.search(rf"needs {absent}.*pip install 'facemesh_ros\[view\]'", capsys.readouterr().err)


def test_an_address_of_another_machine_is_refused(capsys):
    assert main(["view", "--browser-camera", "--port", "0", "--host", "192.0.2.1"]) == 1
    assert "cannot listen on 192.0.2.1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (("127.0.0.1", 1, None), "http://127.0.0.1:1/"),
        (("::1", 1, None), "http://[::1]:1/"),
        (("10.0.0.7", 80, "t"), "http://10.0.0.7:80/?token=t"),
    ],
)
def test_the_url_can_be_opened_as_it_is_printed(given, shown):
    assert view.url(*given) == shown


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_are_called_by_the_machines_name(host, monkeypatch):
    monkeypatch.setattr(view.socket, "gethostname", lambda: "robot")
    assert view.url(host, 80, "t") == "http://robot:80/?token=t"


def test_the_page_names_nothing_that_is_not_served_with_it():
    pages = page_files()
    text = b"".join(file.body for path, file in pages.items() if path != "/plotly.min.js").decode()
    named = re.findall(r'(?:src|href)="([^"#]+)"|from "\./([^"]+)"|fetch\("([^"]+)"', text)
    assert named
    assert {f"/{name}" for names in named for name in names if name} <= pages.keys()
    assert not re.findall(r"https?://(?!www\.w3\.org)[\w.]+", text)


def test_the_pages_topology_is_the_librarys():
    tables = json.loads(page_files()["/topology.json"].body)
    for count in (468, 478):
        topology = face_topology(count)
        assert tables[str(count)]["tesselation"] == topology.tesselation.ravel().tolist()
        outlines = {name: (closed, points) for name, closed, points in tables[str(count)]["outlines"]}
        assert outlines.keys() == topology.loops.keys() | topology.paths.keys()
        assert all(closed == (name in topology.loops) for name, (closed, _) in outlines.items())


def test_every_file_of_the_page_has_a_type_and_is_small():
    for path in files._PAGE.iterdir():
        assert path.suffix in files._TYPES
        assert path.read_text(encoding="utf-8").count("\n") <= 300


def test_the_parser_of_the_command_is_complete():
    parser = argparse.ArgumentParser()
    view.add_parser(parser.add_subparsers())
    args = parser.parse_args(["view", "clip.mp4"])
    assert (args.host, args.privacy, args.ros) == ("127.0.0.1", "off", False)
    with pytest.raises(FaceMeshError):
        view._feed(parser.parse_args(["view", "no_such_file"]))
