"""A source without ROS, worked on beside the server."""

import asyncio
import json

import numpy as np
import pytest
from viewer_fakes import FakeMesher

from facemesh_ros.errors import InputError
from facemesh_ros.tools.sources import FrameSource
from facemesh_ros.tools.viewer import local_feed as module
from facemesh_ros.tools.viewer.hub import SILENT_S, Hub
from facemesh_ros.tools.viewer.local_feed import LocalFeed
from facemesh_ros.tools.viewer.wire import frame_parts

DEADLINE_S = 20.0


class Film(FrameSource):
    """Grey pictures at 100 Hz, until the camera breaks."""

    def __init__(self, frames, broken=None):
        super().__init__("film", (64, 48), 100.0, loop=broken is None)
        self.frames, self.broken, self.is_closed = frames, broken, False

    def _frames(self):
        for _ in range(self.frames):
            yield np.full((48, 64, 3), 90, np.uint8)
        if self.broken is not None:
            raise self.broken

    def close(self):
        self.is_closed = True


class Films:
    """Opens one film after another; the last one again and again."""

    def __init__(self, *films):
        self.films, self.opened = list(films), []

    def __call__(self):
        film = self.films.pop(0) if len(self.films) > 1 else self.films[0]
        self.opened.append(film)
        return film


def with_feed(films, scenario, with_video=True):
    async def work():
        hub, mesher = Hub("film", with_video), FakeMesher()
        feed = LocalFeed(mesher, films)
        feed.start(hub)
        try:
            await scenario(hub, mesher)
        finally:
            await asyncio.to_thread(feed.close)

    asyncio.run(asyncio.wait_for(work(), DEADLINE_S))


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


async def frame(client):
    while isinstance(message := await client.next(), str):
        pass
    parts = frame_parts(message)
    client.acknowledge(parts[0]["seq"])
    return parts


@pytest.mark.parametrize("with_video", [True, False])
def test_frames_come_with_their_faces_and_a_picture_is_made_only_where_that_is_wanted(with_video, monkeypatch):
    if not with_video:
        monkeypatch.setattr(module, "video_jpeg", None)

    async def scenario(hub, mesher):
        numbers, floats, jpeg = await frame(hub.join())
        assert (numbers["width"], numbers["height"], len(floats)) == (64, 48, 3 * 478)
        assert bool(jpeg) == with_video

    with_feed(Films(Film(10)), scenario, with_video)


def test_the_source_is_open_only_while_somebody_watches():
    films = Films(Film(10))

    async def scenario(hub, mesher):
        assert not films.opened
        client = hub.join()
        await frame(client)
        assert films.opened and not films.opened[0].is_closed
        hub.leave(client)
        await until(lambda: films.opened[0].is_closed)
        worked = len(mesher.images)
        await frame(hub.join())
        assert len(mesher.images) > worked

    with_feed(films, scenario)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (InputError("webcam 0 stopped delivering images"), "webcam 0 stopped delivering images"),
        (MemoryError(), "the source failed (MemoryError); it is tried again"),
    ],
)
def test_a_webcam_that_stops_is_said_and_opened_again(monkeypatch, error, text):
    monkeypatch.setattr(module, "RETRY_S", SILENT_S + 0.2)
    films = Films(Film(2, error), Film(10))

    async def scenario(hub, mesher):
        client = hub.join()
        await frame(client)
        await until(lambda: json.loads(hub.status())["state"] == "silent")
        assert json.loads(hub.status())["text"] == text
        await until(lambda: len(films.opened) > 1)
        await until(lambda: json.loads(hub.status())["state"] == "live")

    with_feed(films, scenario)
