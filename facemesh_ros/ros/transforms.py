"""Heads and gazes as TF frames, named and turned as REP 155 lays down.

face_<id>   in the image's frame: the head, from the sellion; x out of the face, y to the person's left, z up.
gaze_<id>   in face_<id>, with the same origin: z along the gaze, x right, y down; without a gaze, z is the face's x.
focus_<id>  in gaze_<id>, turned like it: where the gaze passes the target that the person looks at; only while so.

An id is that of the message after a prefix: /tf is one for all nodes, and each numbers its faces from 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import TransformStamped
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from facemesh_ros.rep155 import PREFIX
from facemesh_ros.ros.convert import stamp_nanoseconds
from facemesh_ros.ros.quaternion import Quaternion, SteadySigns, quaternion_xyzw
from facemesh_ros.target import Target, TargetPlace
from facemesh_ros.types import Face, Float64, Gaze

KINDS = ("face", "gaze", "focus")
HEAD_FROM_AHEAD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Rotation of a gaze along the head's x: REP 155's roll, pitch, yaw of -pi/2, 0, -pi/2."""
UNTURNED = (0.0, 0.0, 0.0, 1.0)
_STEEPEST = 1e-6
"""Sine between a gaze and the head's z below which the gaze does not tell where right and down are."""


def frames_of(*id_prefixes: str) -> Callable[[str], object]:
    """Return what tells whether a frame may be one that a node with these prefixes of ids publishes."""
    prefixes = "|".join(prefix or f"{PREFIX}?" for prefix in id_prefixes)
    return re.compile(rf"({'|'.join(KINDS)})_({prefixes})[0-9]+").fullmatch


@dataclass(frozen=True)
class _Link:
    """A frame in its parent."""

    parent: str
    child: str
    position_m: tuple[float, float, float]
    turn_xyzw: Quaternion


class FaceTransforms:
    """Make the transforms of image after image: stamps increase, and quaternions do not change their sign."""

    def __init__(self) -> None:
        self._stamp_ns: int | None = None
        self._signs: SteadySigns[str] = SteadySigns()

    def message(
        self, faces: Iterable[Face], header: Header, target_m: Target = None, prefix: str = ""
    ) -> TFMessage | None:
        """Return the transforms of the faces that have a pose; None where there is nothing to be sent.

        An image with the stamp of the one before gets none: TF refuses a second transform of a frame at one time. So
        does one whose frame has no name. A jump back begins a new stream, in which the library has given new ids.

        Args:
            faces: of one image.
            header: the image's own.
            target_m: (3,) m in the header's frame: the target of attention; None for the camera.
            prefix: goes before the ids in the names of the frames.
        """
        stamp_ns = stamp_nanoseconds(header.stamp)
        if stamp_ns == self._stamp_ns or not header.frame_id:
            return None
        self._stamp_ns = stamp_ns
        links = [link for face in faces for link in _links(face, header.frame_id, target_m, prefix)]
        steady = self._signs.kept({link.child: link.turn_xyzw for link in links})
        transforms = [_stamped(link, steady[link.child], header) for link in links]
        return TFMessage(transforms=transforms) if transforms else None


def _links(face: Face, camera_frame: str, target_m: Target, prefix: str) -> Iterator[_Link]:
    if face.pose is None:
        return
    head, gaze, focus = (f"{kind}_{prefix}{face.track_id}" for kind in KINDS)
    pose, head_from_gaze = face.pose.camera_from_head, _head_from_gaze(face.gaze)
    x, y, z = pose[:3, 3].tolist()
    yield _Link(camera_frame, head, (x, y, z), quaternion_xyzw(pose[:3, :3]))
    yield _Link(head, gaze, (0.0, 0.0, 0.0), quaternion_xyzw(head_from_gaze))
    distance_m = _focus_m(face.gaze, target_m)
    if distance_m is not None:
        yield _Link(gaze, focus, (0.0, 0.0, distance_m), UNTURNED)


def _head_from_gaze(gaze: Gaze | None) -> Float64:
    """Return the (3, 3) rotation of a frame with z along the gaze, x to the right across the head, and y down."""
    if gaze is None:
        return HEAD_FROM_AHEAD
    x, y, z = gaze.head_direction.tolist()
    level = math.hypot(x, y)
    if level < _STEEPEST:
        return HEAD_FROM_AHEAD
    return np.array([[y / level, x * z / level, x], [-x / level, y * z / level, y], [0.0, -level, z]])


def _focus_m(gaze: Gaze | None, target_m: Target) -> float | None:
    """Return how far along the gaze its target is passed, m; None unless it is looked at and both have a place."""
    if gaze is None or not gaze.is_looking or gaze.origin_m is None or isinstance(target_m, TargetPlace):
        return None
    way = -gaze.origin_m if target_m is None else target_m - gaze.origin_m
    return max(float(gaze.direction @ way), 0.0)


def _stamped(link: _Link, turn_xyzw: Quaternion, header: Header) -> TransformStamped:
    message = TransformStamped()  # filled in place: what is passed to it is made beside its defaults
    message.header.stamp, message.header.frame_id, message.child_frame_id = header.stamp, link.parent, link.child
    place, turn = message.transform.translation, message.transform.rotation
    place.x, place.y, place.z = link.position_m
    turn.x, turn.y, turn.z, turn.w = turn_xyzw
    return message
