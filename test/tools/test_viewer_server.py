"""The server, asked over real sockets by friends and others."""

import asyncio
import contextlib
import json

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed here: pip install 'facemesh_ros[view]'")

from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError
from viewer_fakes import FakeMesher, a_face, a_jpeg

from facemesh_ros.errors import FaceMeshError, InputError
from facemesh_ros.tools.viewer import server as module
from facemesh_ros.tools.viewer.camera_desk import MOST_CAMERAS, CameraDesk
from facemesh_ros.tools.viewer.files import File
from facemesh_ros.tools.viewer.guard import HEADERS, Guard
from facemesh_ros.tools.viewer.hub import Hub
from facemesh_ros.tools.viewer.server import Server
from facemesh_ros.tools.viewer.snapshot import Snapshot
from facemesh_ros.tools.viewer.wire import (
    BUSY,
    INTERNAL,
    INVALID,
    MOST_PICTURE_BYTES,
    MOST_TEXT_BYTES,
    REFUSED,
    TOO_BIG,
    UNSUPPORTED,
    frame_parts,
    picture_message,
)

DEADLINE_S = 20.0
FILES = {"/": File.of("text/html", b"<p>the page</p>"), "/main.js": File.of("text/javascript", b"'script'")}


class Site:
    """A server and what asks it."""

    def __init__(self, token):
        self.token = token
        self.meshers = []
        self.hub = Hub("source", with_video=True)
        self.desk = CameraDesk(self.hub, self._mesher)
        self.server = Server(self.hub, self.desk, Guard(token), FILES)
        self.client = ClientSession()

    def _mesher(self):
        self.meshers.append(FakeMesher())
        return self.meshers[-1]

    async def get(self, path="/", **headers):
        async with self.client.get(f"http://127.0.0.1:{self.port}{path}", headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers

    def open(self, path="/socket", **headers):
        origin = {"Origin": f"http://127.0.0.1:{self.port}"}
        return self.client.ws_connect(f"http://127.0.0.1:{self.port}{path}", headers=origin | headers, autoclose=False)


@contextlib.asynccontextmanager
async def site(token=None):
    here = Site(token)
    here.port = await here.server.listen("127.0.0.1", 0)
    try:
        yield here
    finally:
        await here.client.close()
        here.desk.close()
        await here.server.close()


def with_site(scenario, token=None):
    async def work():
        async with site(token) as here:
            await scenario(here)

    asyncio.run(asyncio.wait_for(work(), DEADLINE_S))


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


async def goodbye(socket):
    """Read to the end; return the code and the reason."""
    while True:
        message = await socket.receive()
        if message.type == WSMsgType.CLOSE:
            await socket.close()
            return message.data, message.extra
        assert message.type in (WSMsgType.TEXT, WSMsgType.BINARY), message


# Files


def test_the_page_is_given_with_all_headers():
    async def scenario(here):
        status, body, headers = await here.get()
        assert (status, body) == (200, b"<p>the page</p>")
        assert {name: headers[name] for name in HEADERS} == HEADERS

    with_site(scenario)


def test_a_file_that_the_browser_has_is_not_sent_again():
    async def scenario(here):
        _, _, headers = await here.get("/main.js")
        status, body, _ = await here.get("/main.js", **{"If-None-Match": headers["ETag"]})
        assert (status, body) == (304, b"")

    with_site(scenario)


@pytest.mark.parametrize(
    "path",
    [
        "/server.py",
        "/../server.py",
        "/%2e%2e/server.py",
        "/..%2fserver.py",
        "/....//server.py",
        "/page/main.js",
        "/main.js/",
        "/main.js%00.html",
        "//etc/passwd",
        "/etc/passwd",
        "/%5c..%5cserver.py",
        "/" + "a" * 5000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_but_its_own_files_is_ever_given(path, method):
    async def scenario(here):
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        assert answer.split(b" ")[1] == b"404", answer
        assert b"import" not in answer and b"root:" not in answer

    with_site(scenario)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_can_be_written(method):
    async def scenario(here):
        async with here.client.request(method, f"http://127.0.0.1:{here.port}/main.js", data=b"x" * 5000) as answer:
            assert answer.status == 405

    with_site(scenario)


# The guard


def test_another_name_for_this_machine_is_refused_so_that_no_site_can_point_its_own_here():
    async def scenario(here):
        for path in ("/", "/main.js", "/socket", "/nothing"):
            status, body, _ = await here.get(path, Host="evil.example")
            assert status == 403 and b"the page" not in body

    with_site(scenario)


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=secret2", "?token=Secret", "?other=secret"])
def test_without_the_token_there_is_nothing_to_be_had(query):
    async def scenario(here):
        for path in ("/", "/main.js", "/socket", "/nothing"):
            status, body, headers = await here.get(path + query)
            assert status == 403 and b"the page" not in body and b"secret" not in body
            assert "Set-Cookie" not in headers
        with pytest.raises(WSServerHandshakeError, match="403"):
            await here.open("/socket" + query)
        assert not here.hub.clients

    with_site(scenario, token="secret")


def test_the_url_with_the_token_leaves_a_cookie_that_scripts_and_other_sites_cannot_use():
    async def scenario(here):
        status, _, headers = await here.get("/?token=secret")
        assert status == 200
        cookie = headers["Set-Cookie"]
        assert cookie.startswith(f"facemesh_{here.port}=secret;")
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
        name_and_value = cookie.split(";")[0]
        assert (await here.get("/main.js", Cookie=name_and_value))[0] == 200
        async with here.open(Cookie=name_and_value) as socket:
            assert (await socket.receive()).type == WSMsgType.TEXT

    with_site(scenario, token="secret")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "", "file://"])
@pytest.mark.parametrize("token", [None, "secret"])
def test_another_sites_page_gets_no_socket(origin, token):
    async def scenario(here):
        with pytest.raises(WSServerHandshakeError, match="403"):
            await here.open("/socket?token=secret", Origin=origin)

    with_site(scenario, token)


# The socket


@pytest.mark.parametrize(
    ("kind", "message", "code"),
    [
        ("text", "no JSON", INVALID),
        ("text", '{"type": "reboot", "value": 1}', REFUSED),
        ("text", "x" * (MOST_TEXT_BYTES + 1), TOO_BIG),
        ("bytes", b"", UNSUPPORTED),
        ("bytes", b"FMP1", UNSUPPORTED),
        ("bytes", picture_message(1, a_jpeg() + b"x" * MOST_PICTURE_BYTES), TOO_BIG),
        ("bytes", picture_message(1, a_jpeg()), REFUSED),  # the camera is off
    ],
)
def test_a_message_that_breaks_a_rule_closes_the_socket_with_a_reason(kind, message, code):
    async def scenario(here):
        async with here.open() as socket:
            await (socket.send_str if kind == "text" else socket.send_bytes)(message)
            got, reason = await goodbye(socket)
            assert got == code
            assert reason
        await until(lambda: not here.hub.clients)

    with_site(scenario)


def test_a_message_far_too_large_is_not_even_read():
    async def scenario(here):
        async with here.open() as socket:
            with contextlib.suppress(ConnectionError):
                await socket.send_bytes(b"x" * (3 * MOST_PICTURE_BYTES))
            while (message := await socket.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
                pass
            assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)
            assert message.type != WSMsgType.CLOSE or message.data == TOO_BIG
            assert "picture" not in (message.extra or "")  # aiohttp gave up, not we
        await until(lambda: not here.hub.clients)

    with_site(scenario)


def test_one_browser_too_many_is_told_to_come_later(monkeypatch):
    monkeypatch.setattr(module, "MOST_CLIENTS", 2)

    async def scenario(here):
        async with here.open() as one, here.open() as two, here.open() as three:
            assert (await goodbye(three))[0] == BUSY
            for socket in (one, two):
                assert json.loads((await socket.receive()).data)["state"] == "waiting"
        await until(lambda: not here.hub.clients)
        async with here.open() as again:
            assert (await again.receive()).type == WSMsgType.TEXT

    with_site(scenario)


def test_every_browser_gets_the_snapshots_while_one_that_never_answers_gets_two():
    async def scenario(here):
        async with here.open() as quick, here.open() as stuck:
            await until(lambda: len(here.hub.clients) == 2)
            seen = []
            for number in range(20):
                here.hub.offer(Snapshot(float(number), (640, 480), (a_face(),), 5.0, a_jpeg()))
                while (message := await quick.receive()).type != WSMsgType.BINARY:
                    pass
                numbers, floats, jpeg = frame_parts(message.data)
                assert (len(floats), jpeg) == (3 * 478, a_jpeg())
                seen.append(numbers["stamp"])
                await quick.send_json({"type": "ack", "value": numbers["seq"]})
            assert seen == [float(number) for number in range(20)]
            here.hub.tell_status()
            got = []
            while len(got) < 3:  # two frames and what is said after them
                message = await stuck.receive()
                if message.type == WSMsgType.BINARY:
                    got.append(frame_parts(message.data)[0]["stamp"])
                elif len(got) == 2:
                    got.append("status")
            assert got == [0.0, 1.0, "status"]

    with_site(scenario)


def test_browsers_are_told_when_the_server_ends():
    async def scenario(here):
        socket = await here.open()
        await until(lambda: here.hub.clients)
        await here.server.close()
        assert (await goodbye(socket))[0] == 1001

    with_site(scenario)


def test_a_port_that_is_taken_is_said_with_the_remedy():
    async def scenario(here):
        other = Server(here.hub, here.desk, Guard(None), FILES)
        with pytest.raises(InputError, match=f"port {here.port}: .* choose another"):
            await other.listen("127.0.0.1", here.port)

    with_site(scenario)


# The visitors' own cameras


async def turned_on(socket):
    await socket.send_json({"type": "camera", "value": True})


async def answer(socket):
    while (message := await socket.receive()).type != WSMsgType.BINARY:
        assert message.type == WSMsgType.TEXT, message
    return frame_parts(message.data)


def test_a_visitors_picture_is_answered_with_its_mesh_for_that_visitor_alone():
    async def scenario(here):
        async with here.open() as visitor, here.open() as other:
            await turned_on(visitor)
            await visitor.send_bytes(picture_message(41, a_jpeg((64, 48))))
            numbers, floats, jpeg = await answer(visitor)
            assert (numbers["picture"], numbers["width"], numbers["height"]) == (41, 64, 48)
            assert len(floats) == 3 * 478
            assert jpeg == b""  # the browser has it
            here.hub.offer(Snapshot(7.0, (640, 480), (), 5.0))
            assert (await answer(other))[0]["stamp"] == 7.0  # and nothing before

    with_site(scenario)


def test_pictures_that_come_too_fast_are_dropped_but_for_the_newest():
    async def scenario(here):
        async with here.open() as visitor:
            await turned_on(visitor)
            await visitor.send_bytes(picture_message(1, a_jpeg()))
            await visitor.send_json({"type": "ack", "value": (await answer(visitor))[0]["seq"]})
            mesher = here.meshers[0]
            mesher.may_work.clear()
            await visitor.send_bytes(picture_message(2, a_jpeg()))
            await until(lambda: len(mesher.images) == 2)  # it is at work
            for number in range(3, 12):
                await visitor.send_bytes(picture_message(number, a_jpeg()))
            [visit] = here.desk._visits.values()
            await until(lambda: visit.newest is not None and visit.newest[0] == 11)
            mesher.may_work.set()
            answered = [(await answer(visitor))[0] for _ in range(2)]
            assert [numbers["picture"] for numbers in answered] == [2, 11]
            assert len(mesher.images) == 3
            assert answered[-1]["dropped"] == 8

    with_site(scenario)


def test_a_picture_that_cannot_be_decoded_ends_the_socket_with_a_reason():
    async def scenario(here):
        async with here.open() as visitor:
            await turned_on(visitor)
            whole = a_jpeg()
            await visitor.send_bytes(picture_message(1, whole[: whole.index(b"\xff\xda")]))  # a head without a picture
            assert await goodbye(visitor) == (
                INVALID,
                "the picture cannot be decoded, or has another size than it says",
            )
        await until(lambda: not here.hub.clients)

    with_site(scenario)


def test_a_library_that_cannot_start_is_told_to_the_visitor():
    async def scenario(here):
        def make():
            raise FaceMeshError("no networks are installed")

        here.desk._make_mesher = make
        async with here.open() as visitor:
            await turned_on(visitor)
            await visitor.send_bytes(picture_message(1, a_jpeg()))
            assert await goodbye(visitor) == (INTERNAL, "no networks are installed")

    with_site(scenario)


def test_a_camera_that_is_turned_off_or_away_is_forgotten():
    async def scenario(here):
        async with here.open() as visitor:
            await turned_on(visitor)
            await until(lambda: here.desk._visits)
            assert not here.hub.watched.is_set()
            await visitor.send_json({"type": "camera", "value": False})
            await until(lambda: not here.desk._visits)
            assert here.hub.watched.is_set()
            await turned_on(visitor)
            await until(lambda: here.desk._visits)
        await until(lambda: not here.desk._visits and not here.hub.clients)

    with_site(scenario)


def test_one_camera_too_many_is_refused():
    async def scenario(here):
        async with contextlib.AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(here.open()) for _ in range(MOST_CAMERAS + 1)]
            for socket in sockets[:-1]:
                await turned_on(socket)
            await until(lambda: len(here.desk._visits) == MOST_CAMERAS)
            await turned_on(sockets[-1])
            assert (await goodbye(sockets[-1]))[0] == BUSY

    with_site(scenario)
