"""Why no images arrive, and what to do: a function of what was seen on the topics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

ENOUGH = 5
"""So many messages in the time looked at are a stream whose rate can be compared."""

RAW_TYPE, COMPRESSED_TYPE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
TRANSPORT_OF = {RAW_TYPE: "raw", COMPRESSED_TYPE: "compressed"}


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
    transport = TRANSPORT_OF.get(others[0])
    remedy = "remap image to a topic of images"
    if transport == "compressed":
        remedy = "set input.transport to compressed, and remap image to the name without /compressed"
    elif transport == "raw":
        remedy = "set input.transport to raw"
    return f"{facts.topic} carries {others[0]} and this node expects {facts.topic_type}; {remedy}"


def _nobody(facts: Facts) -> str | None:
    if facts.images or facts.offered_types:
        return None
    return (
        f"no image for {facts.window_s:.1f} s: nothing publishes on {facts.topic} ({facts.topic_type}). "
        + _where_images_are(facts)
    )


def _where_images_are(facts: Facts) -> str:
    if not facts.image_topics:
        return (
            "No image topic exists: start the camera, or `facemesh play`; both sides need the same ROS_DOMAIN_ID "
            f"({facts.domain_id} here)"
        )
    names = ", ".join(f"{name} ({TRANSPORT_OF[kind]})" for name, kind in facts.image_topics)
    name, kind = facts.image_topics[0]
    compressed = " -p input.transport:=compressed" if kind == COMPRESSED_TYPE else ""
    return (
        f"Image topics that do exist: {names}. Remap, for instance: "
        f"--ros-args -r image:={name.removesuffix('/compressed')}{compressed}"
    )


def _lost(facts: Facts) -> str | None:
    sent, witness = max((facts.infos, "camera_info"), (facts.twins, facts.twin_topic))
    if sent < ENOUGH or facts.images >= sent / 2:
        return None
    return (
        f"in {facts.window_s:.1f} s {sent} messages of {witness} arrived and {facts.images} of {facts.topic}: large "
        "images are lost on the way by default, as they do not fit the middleware's shared memory. Any of these helps: "
        + _against_loss(facts)
    )


def _against_loss(facts: Facts) -> str:
    ways = [
        "start the publisher's process with a Fast DDS profile that has a larger shared-memory segment (README, "
        "'Large images')"
    ]
    if facts.topic_type == RAW_TYPE:
        ways.append("set input.transport to compressed")
    if not facts.is_reliable:
        ways.insert(0, "set the parameter input.reliability to reliable (or auto)")
    return "; ".join(f"({number}) {way}" for number, way in enumerate(ways, start=1))


def _silent(facts: Facts) -> str | None:
    if facts.images:
        return None
    return (
        f"no image for {facts.window_s:.1f} s, though {len(facts.offered_types)} publisher(s) exist on {facts.topic}: "
        f"see with `ros2 topic hz {facts.topic}` whether they send. If they do, large images are lost on the way: "
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
"""In order: the first that applies is the cause; each is said once."""
