"""Why no images arrive, and what to do: a function of what was seen on the topics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    images: int = 0
    """How many arrived; so for the next three."""
    infos: int = 0
    twins: int = 0
    paired: int = 0
    """Images whose camera_info has the same stamp."""
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


@dataclass(frozen=True)
class Advice:
    """What is wrong and how to mend it."""

    kind: str
    text: str


def advice(facts: Facts) -> Advice | None:
    """Return the nearest cause of what is amiss, None if nothing is."""
    for kind, check in CHECKS.items():
        text = check(facts)
        if text is not None:
            return Advice(kind, text)
    return None


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
    remedy = "remap image to a topic of images"
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
        words.append(f"-r {_remapping(name, kind)}")
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


def _unpaired(facts: Facts) -> str | None:
    if facts.paired or min(facts.infos, facts.images) < ENOUGH:
        return None
    return (
        "camera_info arrives, but never with the stamp of an image, so it is not used: the driver must give both the "
        "same stamp. Until then faces have no metric pose"
    )


CHECKS: dict[str, Callable[[Facts], str | None]] = {
    "mismatch": _mismatch,
    "wrong type": _wrong_type,
    "nobody": _nobody,
    "lost": _lost,
    "silent": _silent,
    "unpaired": _unpaired,
}
"""In order: the first that applies is the cause; each is said once, until images flow again."""
