"""From one source to many browsers: packed once, never queued, and told how the source is."""

import asyncio
import json
import threading

import pytest
from viewer_fakes import a_face

from facemesh_ros.tools.viewer import hub as module
from facemesh_ros.tools.viewer.hub import IN_FLIGHT, SILENT_S, Client, Hub
from facemesh_ros.tools.viewer.snapshot import Snapshot
from facemesh_ros.tools.viewer.wire import frame_parts

DEADLINE_S = 20.0


def snapshot(stamp_s=1.0, jpeg=b"jpeg"):
    return Snapshot(stamp_s, (640, 480), (a_face(),), 5.0, jpeg)


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


def inside(work):
    """Run an async test to its end."""
    asyncio.run(asyncio.wait_for(work(), DEADLINE_S))


async def frames_ready(client):
    """Return the frames that are sent at once, until nothing more is."""
    frames = []
    while True:
        try:
            message = await asyncio.wait_for(client.next(), 0.05)
        except asyncio.TimeoutError:
            return frames
        if isinstance(message, bytes):
            frames.append(message)


def test_a_browser_that_draws_nothing_gets_two_frames_and_no_more_and_then_the_newest():
    async def scenario():
        client, sent = Client(), []

        async def sender():
            while True:
                sent.append(await client.next())

        task = asyncio.ensure_future(sender())
        for number in range(1, 101):
            client.offer(number, b"%d" % number)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert sent == [b"1", b"2"] and IN_FLIGHT == 2
        assert client.missed == 97
        client.acknowledge(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sent == [b"1", b"2", b"100"]
        task.cancel()

    inside(scenario)


def test_an_acknowledgement_covers_earlier_frames_and_one_of_the_future_does_no_harm():
    async def scenario():
        client = Client()
        for number in (1, 2):
            client.offer(number, b"")
            await client.next()
        client.acknowledge(10**9)
        client.offer(3, b"three")
        client.acknowledge(0)
        assert await client.next() == b"three"

    inside(scenario)


def test_texts_go_before_frames_and_only_the_last_one_is_sent():
    async def scenario():
        client = Client()
        client.offer(1, b"frame")
        client.tell("old")
        client.tell("new")
        assert [await client.next(), await client.next()] == ["new", b"frame"]

    inside(scenario)


def test_a_snapshot_is_packed_once_for_all_browsers(monkeypatch):
    async def scenario():
        packed = []
        original = module.frame_message
        monkeypatch.setattr(module, "frame_message", lambda *given: packed.append(1) or original(*given))
        hub = Hub("source", with_video=True)
        clients = [hub.join() for _ in range(20)]
        await asyncio.to_thread(hub.offer, snapshot())
        texts_and_frames = [[await client.next(), await client.next()] for client in clients]
        assert len(packed) == 1
        assert len({id(frame) for _, frame in texts_and_frames}) == 1  # the very same bytes

    inside(scenario)


def test_nothing_is_packed_while_nobody_watches(monkeypatch):
    async def scenario():
        monkeypatch.setattr(module, "frame_message", None)
        hub = Hub("source", with_video=True)
        hub.offer(snapshot())
        client = hub.join()
        client.has_own_camera = True
        hub.note_watchers()
        assert not hub.watched.is_set()
        hub.offer(snapshot())

    inside(scenario)


def test_a_busy_event_loop_gets_the_newest_snapshot_only():
    async def scenario():
        failures = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        hub = Hub("source", with_video=True)
        client = hub.join()
        await client.next()
        offers = threading.Thread(target=lambda: [hub.offer(snapshot(float(i))) for i in range(50)])
        offers.start()
        offers.join()  # the loop does nothing meanwhile
        numbers, _, _ = frame_parts(await client.next())
        assert numbers["stamp"] == 49.0
        await asyncio.sleep(0)
        assert not failures

    inside(scenario)


@pytest.mark.parametrize(("with_video", "is_private"), [(False, False), (False, True), (True, True)])
def test_where_there_is_no_video_no_byte_of_a_picture_leaves(with_video, is_private):
    async def scenario():
        hub = Hub("source", with_video)
        hub.is_private = is_private
        client = hub.join()
        assert json.loads(await client.next())["private"]
        hub.offer(snapshot(jpeg=b"secret"))
        message = await client.next()
        assert b"secret" not in message
        assert frame_parts(message)[2] == b""

    inside(scenario)


def test_a_picture_that_waits_when_the_source_becomes_private_does_not_leave():
    async def scenario():
        hub = Hub("source", with_video=True)
        client = hub.join()
        await client.next()
        hub.offer(snapshot(jpeg=b"secret"))
        hub.is_private = True
        hub.offer(snapshot(1.0, jpeg=b"secret"))
        message = await client.next()
        assert frame_parts(message)[0]["stamp"] == 1.0 and b"secret" not in message
        hub.is_private = False
        hub.offer(snapshot(2.0, jpeg=b"secret"))
        hub.is_private = True
        await asyncio.sleep(0)
        assert await frames_ready(client) == []

    inside(scenario)


def test_a_picture_that_waits_for_a_slow_browser_when_the_source_becomes_private_does_not_leave():
    async def scenario():
        hub = Hub("source", with_video=True)
        clients = [hub.join(), hub.join()]
        for number in range(IN_FLIGHT + 1):
            hub.offer(snapshot(float(number), jpeg=b"secret"))
            await asyncio.sleep(0)
            for client in clients:
                await frames_ready(client)
        hub.is_private = True
        for client in clients:
            client.acknowledge(10**9)
            assert [message for message in await frames_ready(client) if b"secret" in message] == []
        hub.offer(snapshot(9.0, jpeg=b"secret"))
        for client in clients:
            message = await client.next()
            assert frame_parts(message)[0]["stamp"] == 9.0 and b"secret" not in message

    inside(scenario)


def test_numbers_that_wait_for_a_slow_browser_leave_also_when_the_source_becomes_private():
    async def scenario():
        hub = Hub("source", with_video=True)
        client = hub.join()
        await client.next()
        hub.offer(snapshot(3.0, jpeg=b""))
        await asyncio.sleep(0)
        hub.is_private = True
        assert frame_parts(await client.next())[0]["stamp"] == 3.0

    inside(scenario)


def test_a_browser_that_shows_its_own_camera_gets_no_frames_of_the_source():
    async def scenario():
        hub = Hub("source", with_video=True)
        watching, own = hub.join(), hub.join()
        own.has_own_camera = True
        hub.note_watchers()
        hub.offer(snapshot())
        assert isinstance([await watching.next(), await watching.next()][1], bytes)
        assert isinstance(await own.next(), str)
        assert await frames_ready(own) == []

    inside(scenario)


def test_a_source_is_waited_for_then_live_then_silent_then_live_again():
    async def scenario():
        clock = Clock()
        hub = Hub("the camera", with_video=True, now=clock)
        hub.join()

        def state():
            told = json.loads(hub.status())
            return told["state"], told["text"]

        assert state() == ("waiting", "")
        hub.offer(snapshot())
        assert state() == ("live", "")
        clock.now_s += SILENT_S
        assert state() == ("silent", "the camera is silent")
        hub.problem = "it was unplugged"
        assert state() == ("silent", "it was unplugged")
        hub.offer(snapshot())
        assert state() == ("live", "")

    inside(scenario)


def test_silence_counts_from_when_somebody_began_to_watch():
    async def scenario():
        clock = Clock()
        hub = Hub("source", with_video=True, now=clock)
        hub.offer(snapshot())
        hub.leave(hub.join())
        clock.now_s += 1000.0
        hub.join()
        assert json.loads(hub.status())["state"] == "waiting"
        clock.now_s += SILENT_S
        assert json.loads(hub.status())["state"] == "silent"

    inside(scenario)


def test_the_rate_is_that_of_the_last_seconds():
    async def scenario():
        clock = Clock()
        hub = Hub("source", with_video=True, now=clock)
        hub.join()
        assert hub.rate_hz() is None
        for _ in range(100):
            hub.offer(snapshot())
            clock.now_s += 0.1
        assert hub.rate_hz() == pytest.approx(10.0, rel=1e-3)
        clock.now_s += 10.0
        assert hub.rate_hz() is None

    inside(scenario)
