"""The server: the page's files, and one WebSocket a browser."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import WSMessage, WSMsgType, web

from facemesh_ros.errors import InputError
from facemesh_ros.tools.viewer.camera_desk import CameraDesk
from facemesh_ros.tools.viewer.files import File
from facemesh_ros.tools.viewer.guard import HEADERS, Guard, is_own_origin
from facemesh_ros.tools.viewer.hub import MOST_CLIENTS, Client, Hub
from facemesh_ros.tools.viewer.wire import (
    BUSY,
    MOST_PICTURE_BYTES,
    UNSUPPORTED,
    RefusedError,
    command,
    picture,
)

STATUS_S = 0.5
"""Between two words on how the source is."""
_HEARTBEAT_S = 10.0
_GOING_AWAY = 1001
_LONGEST_REASON = 120
"""Bytes; RFC 6455 allows 123."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers on one address until :meth:`close`."""

    def __init__(self, hub: Hub, desk: CameraDesk, guard: Guard, files: Mapping[str, File]) -> None:
        self._hub = hub
        self._desk = desk
        self._guard = guard
        self._sockets: set[web.WebSocketResponse] = set()
        self._cookie = "facemesh"
        app = web.Application(middlewares=[self._guarded], client_max_size=1024)
        for path, file in files.items():
            app.router.add_get(path, self._giver(file))
        app.router.add_get("/socket", self._socket)
        self._runner = web.AppRunner(app, access_log=None)
        self._status: asyncio.Task[None] | None = None

    async def listen(self, host: str, port: int) -> int:
        """Begin; return the port, which is another than the one given where that is 0.

        Raises:
            InputError: the address is not this machine's, or the port is taken.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise InputError(
                f"cannot listen on {host} port {port}: {error.strerror}; choose another --host or --port"
            ) from error
        bound = int(self._runner.addresses[0][1])
        self._cookie = f"facemesh_{bound}"  # cookies know hosts, not ports
        self._status = asyncio.create_task(self._tell_status())
        return bound

    async def close(self) -> None:
        """Say goodbye to every browser."""
        if self._status is not None:
            self._status.cancel()
        goodbyes = [ws.close(code=_GOING_AWAY, message=b"the viewer has ended") for ws in self._sockets]
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(*goodbyes, return_exceptions=True), timeout=1.0)
        await self._runner.cleanup()

    async def _tell_status(self) -> None:
        while True:
            self._hub.tell_status()
            await asyncio.sleep(STATUS_S)

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let nobody in who may not; put the headers on every answer."""
        offered = [token for token in (request.query.get("token"), request.cookies.get(self._cookie)) if token]
        refusal = self._guard.refusal(request.headers.get("Host", ""), offered)
        if refusal is not None:
            return web.Response(status=403, text=f"facemesh view: {refusal}\n", headers=HEADERS)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            return web.Response(status=error.status, text=f"{error.reason}\n", headers=HEADERS)
        if not response.prepared:
            response.headers.update(HEADERS)
            if self._guard.token is not None and request.query.get("token"):
                response.set_cookie(self._cookie, self._guard.token, httponly=True, samesite="Strict", path="/")
        return response

    def _giver(self, file: File) -> Handler:
        async def give(request: web.Request) -> web.StreamResponse:
            headers = {"ETag": file.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
            if request.headers.get("If-None-Match") == file.etag:
                return web.Response(status=304, headers=headers)
            if "gzip" in request.headers.get("Accept-Encoding", ""):
                headers["Content-Encoding"] = "gzip"
                return web.Response(body=file.zipped, content_type=file.content_type, charset="utf-8", headers=headers)
            return web.Response(body=file.body, content_type=file.content_type, charset="utf-8", headers=headers)

        return give

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        """Serve one browser until it leaves or breaks a rule."""
        if not is_own_origin(request.headers):
            return web.Response(status=403, text="this page is not the viewer's own\n")
        # Twice our own bound, so that what is over ours gets a reason; aiohttp stops reading at its bound.
        ws = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=2 * MOST_PICTURE_BYTES, compress=False)
        await ws.prepare(request)
        if len(self._sockets) >= MOST_CLIENTS:
            await ws.close(code=BUSY, message=f"{MOST_CLIENTS} browsers are connected already".encode())
            return ws
        self._sockets.add(ws)
        client = self._hub.join()
        sender = asyncio.create_task(_send(ws, client))
        try:
            async for message in ws:
                self._take(client, message)
        except RefusedError as error:
            await _refuse(ws, error)
        finally:
            sender.cancel()
            self._desk.stop(client)
            self._hub.leave(client)
            self._sockets.discard(ws)
        return ws

    def _take(self, client: Client, message: WSMessage) -> None:
        """Do what a browser's message says.

        Raises:
            RefusedError: the message breaks a rule.
        """
        if message.type == WSMsgType.BINARY:
            self._desk.put(client, *picture(message.data))
        elif message.type == WSMsgType.TEXT:
            wanted = command(message.data)
            if wanted.kind == "ack":
                client.acknowledge(wanted.value)
            else:
                self._turn_camera(client, bool(wanted.value))
        elif message.type != WSMsgType.ERROR:
            raise RefusedError(UNSUPPORTED, f"messages of type {message.type.name} are not taken")

    def _turn_camera(self, client: Client, on: bool) -> None:
        client.has_own_camera = on
        client.forget_frames()
        self._hub.note_watchers()
        if on:
            self._desk.start(client)
        else:
            self._desk.stop(client)


async def _send(ws: web.WebSocketResponse, client: Client) -> None:
    """Send whatever is next, until the connection ends."""
    try:
        while not ws.closed:
            message = await client.next()
            if isinstance(message, str):
                await ws.send_str(message)
            else:
                await ws.send_bytes(message)
    except RefusedError as error:
        await _refuse(ws, error)
    except ConnectionError:
        pass  # the browser has gone; the reader notices too


async def _refuse(ws: web.WebSocketResponse, error: RefusedError) -> None:
    await ws.close(code=error.code, message=error.reason.encode()[:_LONGEST_REASON])
