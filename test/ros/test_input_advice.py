"""From what is seen on the topics to the one thing that a user should hear."""

from dataclasses import replace

import pytest

from facemesh_ros.ros.input_advice import CHECKS, COMPRESSED_TYPE, RAW_TYPE, Facts, advice

WELL = Facts("/image", RAW_TYPE, "/image/compressed", 3.0, images=90, infos=90, paired=90, offered_types=(RAW_TYPE,))
NOBODY = replace(WELL, images=0, infos=0, paired=0, offered_types=())

CASES = {
    "well": (WELL, None, ()),
    "well without camera_info": (replace(WELL, infos=0, paired=0), None, ()),
    "nobody publishes anything": (NOBODY, "nobody", ("/image", "ROS_DOMAIN_ID (7 here)", "facemesh play")),
    "nobody publishes here": (
        replace(NOBODY, image_topics=(("/a/image_raw", RAW_TYPE), ("/b/image_raw", RAW_TYPE))),
        "nobody",
        ("/a/image_raw", "/b/image_raw", "-r image:=/a/image_raw"),
    ),
    "only a compressed topic exists": (
        replace(NOBODY, image_topics=(("/a/compressed", COMPRESSED_TYPE),)),
        "nobody",
        ("-r image:=/a -p input.transport:=compressed",),
    ),
    "QoS do not match": (
        replace(NOBODY, mismatch="reliability", offered_types=(RAW_TYPE,)),
        "mismatch",
        ("input.reliability", "best_effort"),
    ),
    "another QoS policy does not match": (
        replace(NOBODY, mismatch="durability", offered_types=(RAW_TYPE,)),
        "mismatch",
        ("durability", "qos_overrides"),
    ),
    "compressed images on a raw topic": (
        replace(NOBODY, offered_types=(COMPRESSED_TYPE,)),
        "wrong type",
        (COMPRESSED_TYPE, "input.transport to compressed"),
    ),
    "no images at all on the topic": (
        replace(NOBODY, offered_types=("std_msgs/msg/String",)),
        "wrong type",
        ("std_msgs/msg/String", "remap"),
    ),
    "camera_info but no images": (
        replace(WELL, images=0, paired=0),
        "lost",
        ("90 messages of camera_info", "0 of /image", "input.reliability", "shared-memory", "compressed"),
    ),
    "camera_info and few images": (
        replace(WELL, images=5, paired=5),
        "lost",
        ("90 messages of camera_info", "5 of /image"),
    ),
    "the twin but no images": (
        replace(WELL, images=0, infos=0, twins=90, paired=0),
        "lost",
        ("90 messages of /image/compressed",),
    ),
    "a publisher that says nothing": (
        replace(NOBODY, offered_types=(RAW_TYPE,)),
        "silent",
        ("1 publisher(s)", "ros2 topic hz /image"),
    ),
    "stamps that never agree": (replace(WELL, paired=0), "unpaired", ("same stamp",)),
}


@pytest.mark.parametrize(("facts", "kind", "said"), CASES.values(), ids=CASES.keys())
def test_the_nearest_cause_is_named_with_its_remedy(facts, kind, said):
    found = advice(replace(facts, domain_id=7))
    assert (None if found is None else found.kind) == kind
    assert all(part in found.text for part in said)


def test_every_kind_has_a_case():
    assert {kind for _, kind, _ in CASES.values()} - {None} == set(CHECKS)


def test_what_is_done_already_is_not_advised():
    compressed = {"topic_type": COMPRESSED_TYPE, "offered_types": (COMPRESSED_TYPE,)}
    lost = replace(WELL, images=0, paired=0, is_reliable=True, **compressed)
    text = advice(lost).text
    assert "input." not in text
    assert "shared-memory" in text


def test_a_slow_camera_is_not_taken_for_loss():
    assert advice(replace(WELL, images=1, infos=3, paired=1)) is None
