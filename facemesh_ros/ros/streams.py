"""All cameras at work, from activation to deactivation, by workers that they share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from rclpy.lifecycle import LifecycleNode

from facemesh_ros.config import NodeConfig
from facemesh_ros.ros.frames import Frame, Result
from facemesh_ros.ros.inputs import Topics
from facemesh_ros.ros.lane import Lane
from facemesh_ros.ros.pictures import own_topics
from facemesh_ros.ros.stream import Stream
from facemesh_ros.ros.target import Target
from facemesh_ros.ros.workers import Workers, finish
from facemesh_ros.spread import usable_cores

CLOSE_S = 5.0
"""The images and views at hand are waited for this long in all; a slow computer needs 1 s for one with many faces."""
STUCK_S = 5.0
"""A worker that is at one image for longer holds up the other cameras no more: another worker takes its place."""
ACKNOWLEDGED_S = 0.5
"""The last messages are waited for this long in all, until readers have them."""
REMEDY = (
    "Nothing waits for it any more: go on with ~/enable, or configure and activate the node where it is unconfigured. "
    "If it happens again, clean up and configure: that opens the networks anew"
)
"""What to do about abandoned work."""


class StuckError(Exception):
    """The work on an image, or the drawing of one, does not end."""


class Streams:
    """A stream for each camera, and two groups of workers: those that find faces, and those that draw them.

    Drawing may take longer than the next image can wait, and whoever looks can miss a view. The faces go out at once.
    """

    def __init__(self, node: LifecycleNode, lanes: Sequence[Lane], config: NodeConfig, target: Target) -> None:
        """Subscribe to the images of all cameras, and begin.

        Raises:
            ConfigError: a QoS override of the user's is no QoS. Whatever is raised, nothing is left behind.
        """
        self._lanes = lanes
        self._streams = [Stream(lane) for lane in lanes]
        count = worker_count(config.workers, len(lanes), lanes[0].ready[0].device)
        with ExitStack() as opened:
            self._views: Workers[Result] = Workers("facemesh_views", [stream.views for stream in self._streams], count)
            opened.callback(finish, [self._views], CLOSE_S)
            self._images: Workers[Frame] = Workers(
                "facemesh_worker", [stream.images for stream in self._streams], count
            )
            opened.callback(finish, [self._images], CLOSE_S)
            self._targets = ExitStack()
            opened.callback(self._targets.close)
            for subscription in target.listen(node):
                self._targets.callback(node.destroy_subscription, subscription)
            for number, stream in enumerate(self._streams):
                opened.callback(stream.abort)
                puts = partial(self._images.put, number), partial(self._views.put, number)
                stream.open(node, config, *puts, self._no_cameras(node, config, number))
            opened.pop_all()

    @property
    def busy_s(self) -> list[float]:
        """How long each camera's present image has been worked on; 0 while there is none."""
        return [stream.images.busy_s for stream in self._streams]

    def relieve(self) -> None:
        """Put others in the place of workers that are held up; to be called now and then."""
        streams = list(enumerate(self._streams))
        self._images.relieve(number for number, stream in streams if stream.images.busy_s > STUCK_S)
        self._views.relieve(number for number, stream in streams if stream.views.busy_s > STUCK_S)

    def close(self) -> None:
        """Unsubscribe, finish the images at hand, say that there are no faces any more, and forget the tracks.

        All of that is done for every camera, whatever is raised by one.

        Raises:
            StuckError: an image is not finished or not drawn after ``CLOSE_S``; what comes of it later goes nowhere.
                Its camera can begin again at once, with new tracks where an image is not finished.
        """
        with ExitStack() as steps:  # the last that is added is the first that is done
            for stream in self._streams:
                steps.callback(stream.forget)
                steps.callback(stream.finish, ACKNOWLEDGED_S / len(self._streams))
            for stream in self._streams:  # none waits until readers have the last words of another
                steps.callback(stream.shut)
            steps.callback(self._finish_work)
            for stream in self._streams:
                steps.callback(stream.unsubscribe)
            steps.callback(self._targets.close)

    def _finish_work(self) -> None:
        """Wait for the images and views at hand.

        Raises:
            StuckError: some do not end.
        """
        of_images, of_views = finish([self._images, self._views], CLOSE_S)
        held_up = [
            *((number, "work on", self._streams[number].images.busy_s) for number in of_images),
            *((number, "drawing of", self._streams[number].views.busy_s) for number in of_views),
        ]
        if held_up:
            said = "; ".join(
                self._lanes[number].camera.title(
                    f"the {what} one image has taken {busy_s:.1f} s and does not end; it is abandoned"
                )
                for number, what, busy_s in held_up
            )
            raise StuckError(f"{said}. {REMEDY}")

    def _no_cameras(self, node: LifecycleNode, config: NodeConfig, number: int) -> set[str]:
        """Return the topics of images that are not to be recommended to a camera."""
        others = [lane.camera for other, lane in enumerate(self._lanes) if other != number]
        theirs = [Topics.of(node, config.input.transport, camera) for camera in others]
        taken = {name for topics in theirs for name in (topics.image, topics.twin)}
        return taken | own_topics(node, [lane.camera for lane in self._lanes])


def worker_count(wanted: int, cameras: int, device: str) -> int:
    """Return at how many cameras' images to work at the same time, where ``workers`` is this.

    On a GPU all of them: images that wait for it together can be worked on together.
    """
    cores = usable_cores() if device == "cpu" else cameras
    return min(wanted or cores, cameras)
