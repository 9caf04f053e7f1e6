"""What is amiss with the inputs, and what to do: a function of what was seen on the topics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from facemesh_ros.ros.camera_name import UNNAMED, CameraName

ENOUGH = 5
"""So many messages in the time looked at are a stream whose rate can be compared."""

RAW_TYPE, COMPRESSED_TYPE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
TRANSPORT_OF = {RAW_TYPE: "raw", COMPRESSED_TYPE: "compressed"}

NO_COLOURS = frozenset(
    {"depth", "depth_registered", "aligned_depth_to_color", "compressedDepth", "debug_image", "anonymous_image"}
)
"""Parts of a topic's name that tell that no camera's colours are there (openni, realsense, image_transport, ours)."""


@dataclass(frozen=True)
class Facts:
    """What was seen of the input topics during the last ``window_s`` seconds."""

    topic: str
    topic_type: str
    """The message type that the node subscribes to."""
    twin_topic: str
    """The same camera's other transport."""
    window_s: float
    camera: CameraName = UNNAMED
    images: int = 0
    """How many arrived; so for the next three."""
    infos: int = 0
    twins: int = 0
    paired: int = 0
    """Images whose camera_info has the same stamp."""
    images_before: int = 0
    """How many arrived in the time before."""
    offered_types: tuple[str, ...] = ()
    """Message type of every publisher on the topic."""
    mismatch: str | None = None
    """The QoS policy for which a publisher cannot be heard."""
    is_reliable: bool = False
    """Whether the node asks for reliable images."""
    offers_reliable: bool = False
    """Whether every publisher on the topic has reliable images to give."""
    image_topics: tuple[tuple[str, str], ...] = ()
    """Name and type of the other image topics on which somebody publishes."""
    domain_id: int = 0
    info_topic: str = ""
    info_lag_s: float | None = None
    """How long after it was asked for the latest camera_info came that was not there at once; None if none did."""
    is_distorted: bool = False
    """Whether camera_info has distortion coefficients that are not zero."""
    is_rectified: bool = False
    """Whether camera.rectified is set."""
    wants_poses: bool = False
    """Whether head poses are estimated where there is a camera."""
    assumes_camera: bool = False
    """Whether a field of view is assumed where there is no calibration."""
    depth_topic: str | None = None
    """None where depth is not subscribed to."""
    depth_publishers: int = 0
    depths: int = 0
    depths_paired: int = 0
    """Images that found their depth."""
    depth_lag_s: float | None = None
    """As ``info_lag_s``."""


@dataclass(frozen=True)
class Advice:
    """What is wrong and how to mend it."""

    kind: str
    text: str

    @property
    def is_note(self) -> bool:
        """Whether all may be as it is meant to be."""
        return self.kind in NOTES


def advice(facts: Facts) -> tuple[Advice, ...]:
    """Return the nearest cause of missing images; where none are missing, all that is amiss beside them."""
    causes = _applying(IMAGE_CHECKS, facts)
    return causes[:1] or _applying(COMPANION_CHECKS, facts)


def _applying(checks: Mapping[str, Callable[[Facts], str | None]], facts: Facts) -> tuple[Advice, ...]:
    texts = ((kind, check(facts)) for kind, check in checks.items())
    return tuple(Advice(kind, text) for kind, text in texts if text is not None)


def _mismatch(facts: Facts) -> str | None:
    if facts.mismatch is None:
        return None
    remedy = "set qos_overrides of this subscription to what `ros2 topic info --verbose` shows"
    if facts.mismatch == "reliability":
        remedy = "set the parameter input.reliability to best_effort or auto"
    return (
        f"a publisher on {facts.topic} cannot be heard: its QoS does not match this subscription's (policy: "
        f"{facts.mismatch}); {remedy}"
    )


def _wrong_type(facts: Facts) -> str | None:
    others = sorted(set(facts.offered_types) - {facts.topic_type})
    if facts.images or not others or facts.topic_type in facts.offered_types:
        return None
    remedy = f"remap {facts.camera.input('image')} to a topic of images"
    if others[0] in TRANSPORT_OF:
        remedy = f"start this node with {_arguments(facts, facts.topic, others[0])}"
    return f"{facts.topic} carries {others[0]} and this node expects {facts.topic_type}; {remedy}"


def _nobody(facts: Facts) -> str | None:
    if facts.images or facts.offered_types:
        return None
    return (
        f"no image for {facts.window_s:.1f} s: nothing publishes on {facts.topic} ({facts.topic_type}). "
        + _where_images_are(facts)
    )


def _where_images_are(facts: Facts) -> str:
    found = [(name, kind) for name, kind in facts.image_topics if NO_COLOURS.isdisjoint(name.split("/"))]
    if not found:
        return (
            "No topic of colour images exists: start the camera, or `facemesh play`; both sides need the same "
            f"ROS_DOMAIN_ID ({facts.domain_id} here)"
        )
    names = ", ".join(f"{name} ({TRANSPORT_OF[kind]})" for name, kind in found)
    nearest = min(found, key=lambda topic: (not _is_twin(facts, *topic), topic[1] != facts.topic_type, topic))
    return f"Image topics that do exist: {names}. Start this node, for instance, with {_arguments(facts, *nearest)}"


def _is_twin(facts: Facts, name: str, kind: str) -> bool:
    """Tell whether the other transport, with the remappings as they are, is this topic."""
    return name == facts.twin_topic and kind != facts.topic_type


def _arguments(facts: Facts, name: str, kind: str) -> str:
    """Return the command line's end with which the node listens to a topic."""
    words = ["--ros-args"]
    if not _is_twin(facts, name, kind):
        words.append(f"-r {facts.camera.input(_remapping(name, kind))}")
    if kind != facts.topic_type:
        words.append(f"-p input.transport:={TRANSPORT_OF[kind]}")
    return " ".join(words)


def _remapping(name: str, kind: str) -> str:
    """Remap ``image``, from which the compressed topic's name follows, if it has the usual name."""
    if kind == COMPRESSED_TYPE and not name.endswith("/compressed"):
        return f"image/compressed:={name}"
    return f"image:={name.removesuffix('/compressed') if kind == COMPRESSED_TYPE else name}"


def _lost(facts: Facts) -> str | None:
    sent, witness = max((facts.infos, "camera_info"), (facts.twins, facts.twin_topic))
    if sent < ENOUGH or facts.images >= sent / 2:
        return None
    return (
        f"in {facts.window_s:.1f} s {sent} messages of {witness} arrived and {facts.images} of {facts.topic}: large "
        "images are lost on the way by default, as they do not fit the middleware's shared memory. What helps: "
        + _against_loss(facts)
    )


def _against_loss(facts: Facts) -> str:
    """List what helps with these publishers."""
    ways = [
        "start the publisher's process with a Fast DDS profile that has a larger shared-memory segment (README, "
        "'Large images')"
    ]
    if facts.offers_reliable and not facts.is_reliable:
        ways.insert(0, "set the parameter input.reliability to reliable (or auto)")
    if (facts.twin_topic, COMPRESSED_TYPE) in facts.image_topics:
        ways.append("set input.transport to compressed")
    return "; ".join(f"({number}) {way}" for number, way in enumerate(ways, start=1))


def _silent(facts: Facts) -> str | None:
    if facts.images:
        return None
    return (
        f"no image for {facts.window_s:.1f} s, though {len(facts.offered_types)} publisher(s) exist on {facts.topic}: "
        f"see with `ros2 topic hz {facts.topic}` whether they send. If they do, they are lost on the way. What helps: "
        + _against_loss(facts)
    )


def _has_flowed(facts: Facts) -> bool:
    """Tell whether images have arrived for so long that what goes with them should have, too."""
    return bool(facts.images and facts.images_before)


def _unpaired(facts: Facts) -> str | None:
    if facts.paired or not facts.infos or not _has_flowed(facts):
        return None
    if facts.info_lag_s is not None:
        why = (
            f"{1e3 * facts.info_lag_s:.0f} ms after it is needed, longer than an image waits, so it is not used: "
            "let the driver publish it together with the image"
        )
    else:
        why = "but never with the stamp of an image, so it is not used: the driver must give both the same stamp"
    return f"camera_info arrives, {why}. Until then faces have no metric pose"


def _uncalibrated(facts: Facts) -> str | None:
    if facts.infos or facts.paired or facts.assumes_camera or not (facts.wants_poses and _has_flowed(facts)):
        return None
    return (
        f"no camera_info arrives on {facts.info_topic}: faces are published without head poses in metres and TF. Where "
        f"these are wanted, remap {facts.camera.input('camera_info')} to the camera's, or set camera.assume_fov_deg to "
        "its field of view"
    )


def _lens(facts: Facts) -> str | None:
    if not (facts.infos and facts.is_distorted):
        return None
    name = facts.topic.removesuffix("/compressed").rpartition("/")[2]
    if name.startswith("image_rect") and not facts.is_rectified:
        return (
            f"the images of {facts.topic} are rectified, by its name, and the lens's distortion in camera_info is "
            "applied to them: distances may be a quarter off. Set the parameter camera.rectified to true"
        )
    if name.startswith("image_raw") and facts.is_rectified:
        return (
            f"camera.rectified is true, and the images of {facts.topic} are not, by its name: remap "
            f"{facts.camera.input('image')} to the rectified topic (often image_rect), or set camera.rectified to false"
        )
    return None


def _no_depth(facts: Facts) -> str | None:
    if facts.depths or not _wants_depth(facts):
        return None
    if facts.depth_publishers:
        why = f"see with `ros2 topic hz {facts.depth_topic}` whether its publisher sends, and whether QoS match"
    else:
        name = facts.camera.input("depth")
        why = f"nothing publishes there: remap {name} to the camera's aligned depth, or set depth.enabled to false"
    return f"no depth arrives on {facts.depth_topic}: {why}. Until then the size of heads is assumed"


def _unpaired_depth(facts: Facts) -> str | None:
    has_camera = facts.paired or facts.assumes_camera  # else no image asks for its depth
    if not facts.depths or facts.depths_paired or not (has_camera and _wants_depth(facts)):
        return None
    if facts.depth_lag_s is not None:
        why = (
            f"{1e3 * facts.depth_lag_s:.0f} ms after it is needed, longer than an image waits: speed up what makes "
            "it, or let an image take an earlier one by a larger depth.tolerance_s"
        )
    else:
        why = "but never with the stamp of an image: set depth.tolerance_s to how far apart the stamps are"
    return f"depth arrives on {facts.depth_topic}, {why}. Until then it is not used, and the size of heads is assumed"


def _wants_depth(facts: Facts) -> bool:
    return facts.depth_topic is not None and facts.wants_poses and _has_flowed(facts)


IMAGE_CHECKS: dict[str, Callable[[Facts], str | None]] = {
    "mismatch": _mismatch,
    "wrong type": _wrong_type,
    "nobody": _nobody,
    "lost": _lost,
    "silent": _silent,
}
"""In order: the first that applies is the cause; each is said once, until images flow again."""
COMPANION_CHECKS: dict[str, Callable[[Facts], str | None]] = {
    "unpaired": _unpaired,
    "uncalibrated": _uncalibrated,
    "lens": _lens,
    "no depth": _no_depth,
    "unpaired depth": _unpaired_depth,
}
"""Each is said once, until it no longer applies."""
NOTES = frozenset({"uncalibrated"})
"""Many want no metric poses."""
