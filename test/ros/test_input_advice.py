"""From what is seen on the topics to the one thing that a user should hear."""

from dataclasses import replace

import pytest

from facemesh_ros.ros.input_advice import (
    COMPANION_CHECKS,
    COMPRESSED_TYPE,
    IMAGE_CHECKS,
    RAW_TYPE,
    Facts,
    advice,
)

WELL = Facts(
    "/image",
    RAW_TYPE,
    "/image/compressed",
    3.0,
    images=90,
    infos=90,
    paired=90,
    images_before=90,
    offered_types=(RAW_TYPE,),
    info_topic="/camera_info",
    wants_poses=True,
)
BARE = replace(WELL, infos=0, paired=0)
DEEP = replace(WELL, depth_topic="/depth", depth_publishers=1, depths=90, depths_paired=90)
RECTIFIED = replace(WELL, topic="/cam/image_rect_color", is_distorted=True)
NOBODY = replace(WELL, images=0, infos=0, paired=0, offered_types=())

CASES = {
    "well": (WELL, None, ()),
    "well without camera_info where no poses are wanted": (replace(BARE, wants_poses=False), None, ()),
    "well without camera_info where a camera is assumed": (replace(BARE, assumes_camera=True), None, ()),
    "well without camera_info since images have just begun": (replace(BARE, images_before=0), None, ()),
    "well with depth": (DEEP, None, ()),
    "well with depth for some images": (replace(DEEP, depths=45, depths_paired=45), None, ()),
    "well without depth where no poses are wanted": (
        replace(DEEP, depths=0, depths_paired=0, wants_poses=False),
        None,
        (),
    ),
    "well without depth since images have just begun": (
        replace(DEEP, depths=0, depths_paired=0, images_before=0),
        None,
        (),
    ),
    "well with a distorted image": (replace(WELL, is_distorted=True), None, ()),
    "well with a rectified image": (replace(RECTIFIED, is_rectified=True), None, ()),
    "well with a rectified image of a lens without distortion": (replace(RECTIFIED, is_distorted=False), None, ()),
    "nobody publishes anything": (NOBODY, "nobody", ("/image", "ROS_DOMAIN_ID (7 here)", "facemesh play")),
    "nobody publishes here": (
        replace(NOBODY, image_topics=(("/a/image_raw", RAW_TYPE), ("/b/image_raw", RAW_TYPE))),
        "nobody",
        ("/a/image_raw (raw)", "/b/image_raw (raw)", "with --ros-args -r image:=/a/image_raw"),
    ),
    "nobody publishes colours": (
        replace(NOBODY, image_topics=(("/a/facemesh_node/debug_image", RAW_TYPE), ("/depth/image_rect", RAW_TYPE))),
        "nobody",
        ("No topic of colour images", "ROS_DOMAIN_ID"),
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
        (COMPRESSED_TYPE, "-r image/compressed:=/image -p input.transport:=compressed"),
    ),
    "no images at all on the topic": (
        replace(NOBODY, offered_types=("std_msgs/msg/String",)),
        "wrong type",
        ("std_msgs/msg/String", "remap"),
    ),
    "camera_info but no images": (
        replace(WELL, images=0, paired=0),
        "lost",
        ("90 messages of camera_info", "0 of /image", "(1)", "shared-memory"),
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
    "a few stamps that never agree": (replace(WELL, infos=1, paired=0), "unpaired", ("same stamp",)),
    "camera_info that is late": (
        replace(WELL, paired=0, info_lag_s=0.0203),
        "unpaired",
        ("20 ms after it is needed", "together with the image"),
    ),
    "no camera_info": (BARE, "uncalibrated", ("/camera_info", "TF", "remap", "camera.assume_fov_deg")),
    "no camera_info for a slow camera": (replace(BARE, images=2, images_before=2), "uncalibrated", ("/camera_info",)),
    "a rectified image taken for a raw one": (RECTIFIED, "lens", ("/cam/image_rect_color", "camera.rectified to true")),
    "a rectified compressed image taken for a raw one": (
        replace(RECTIFIED, topic="/cam/image_rect/compressed"),
        "lens",
        ("camera.rectified to true",),
    ),
    "a raw image taken for a rectified one": (
        replace(RECTIFIED, topic="/cam/image_raw", is_rectified=True),
        "lens",
        ("/cam/image_raw", "camera.rectified to false"),
    ),
    "nobody publishes depth": (
        replace(DEEP, depth_publishers=0, depths=0, depths_paired=0),
        "no depth",
        ("/depth", "nothing publishes there", "depth.enabled to false"),
    ),
    "depth that is silent": (
        replace(DEEP, depths=0, depths_paired=0),
        "no depth",
        ("ros2 topic hz /depth", "assumed"),
    ),
    "no depth for an assumed camera": (
        replace(DEEP, infos=0, paired=0, depths=0, depths_paired=0, assumes_camera=True),
        "no depth",
        ("/depth",),
    ),
    "depth whose stamps never agree": (replace(DEEP, depths_paired=0), "unpaired depth", ("depth.tolerance_s",)),
    "depth that is late": (
        replace(DEEP, depths_paired=0, depth_lag_s=0.045),
        "unpaired depth",
        ("45 ms after it is needed", "depth.tolerance_s"),
    ),
}


@pytest.mark.parametrize(("facts", "kind", "said"), CASES.values(), ids=CASES.keys())
def test_the_nearest_cause_is_named_with_its_remedy(facts, kind, said):
    found = advice(replace(facts, domain_id=7))
    assert [one.kind for one in found] == ([] if kind is None else [kind])
    assert all(part in found[0].text for part in said)


def test_every_kind_has_a_case():
    assert {kind for _, kind, _ in CASES.values()} - {None} == {*IMAGE_CHECKS, *COMPANION_CHECKS}


def test_what_is_amiss_beside_the_images_is_told_of_all_together():
    found = advice(replace(RECTIFIED, depth_topic="/depth"))
    assert [one.kind for one in found] == ["lens", "no depth"]


def test_missing_depth_is_told_of_without_a_calibration_too_and_unpaired_depth_is_not():
    uncalibrated = replace(BARE, depth_topic="/depth", depth_publishers=1)
    assert [one.kind for one in advice(uncalibrated)] == ["uncalibrated", "no depth"]
    assert [one.kind for one in advice(replace(uncalibrated, depths=90))] == ["uncalibrated"]


def test_while_images_are_missing_nothing_else_is_told_of():
    found = advice(replace(RECTIFIED, depth_topic="/depth", images=0))
    assert [one.kind for one in found] == ["lost"]


def test_only_what_many_mean_to_be_so_is_a_note():
    kinds = {kind: advice(facts)[0].is_note for facts, kind, _ in CASES.values() if kind}
    assert [kind for kind, is_note in kinds.items() if is_note] == ["uncalibrated"]


COLOUR = ("/cam/image_raw", RAW_TYPE)
JPEG = ("/cam/image_raw/compressed", COMPRESSED_TYPE)
ODD_JPEG = ("/cam/jpeg", COMPRESSED_TYPE)
NO_COLOURS = (
    ("/a/depth/image_rect_raw", RAW_TYPE),
    ("/a/facemesh_node/debug_image", RAW_TYPE),
    ("/a/facemesh_node/anonymous_image/compressed", COMPRESSED_TYPE),
    ("/a/image/compressedDepth", COMPRESSED_TYPE),
)
RAW_WANTED = {"topic": "/image", "topic_type": RAW_TYPE, "twin_topic": "/image/compressed"}
JPEG_WANTED = {"topic": "/image/compressed", "topic_type": COMPRESSED_TYPE, "twin_topic": "/image"}

START = {
    "raw wanted, raw exists": (RAW_WANTED, (COLOUR,), "-r image:=/cam/image_raw"),
    "raw wanted, both exist": (RAW_WANTED, (COLOUR, JPEG), "-r image:=/cam/image_raw"),
    "raw wanted, compressed exists": (
        RAW_WANTED,
        (JPEG,),
        "-r image:=/cam/image_raw -p input.transport:=compressed",
    ),
    "raw wanted, compressed exists under another name": (
        RAW_WANTED,
        (ODD_JPEG,),
        "-r image/compressed:=/cam/jpeg -p input.transport:=compressed",
    ),
    "raw wanted, its own twin exists": (
        RAW_WANTED,
        (COLOUR, ("/image/compressed", COMPRESSED_TYPE)),
        "-p input.transport:=compressed",
    ),
    "compressed wanted, its own twin exists": (
        JPEG_WANTED,
        (COLOUR, ("/image", RAW_TYPE)),
        "-p input.transport:=raw",
    ),
    "compressed wanted, only raw exists": (
        JPEG_WANTED,
        (COLOUR,),
        "-r image:=/cam/image_raw -p input.transport:=raw",
    ),
    "compressed wanted, both exist": (JPEG_WANTED, (COLOUR, JPEG), "-r image:=/cam/image_raw"),
    "compressed wanted, with /compressed twice": (
        {
            "topic": "/cam/image_raw/compressed/compressed",
            "topic_type": COMPRESSED_TYPE,
            "twin_topic": "/cam/image_raw/compressed",
        },
        (JPEG,),
        "-r image:=/cam/image_raw",
    ),
    "what has no colours comes first": (RAW_WANTED, (*NO_COLOURS, COLOUR), "-r image:=/cam/image_raw"),
}


@pytest.mark.parametrize(("wanted", "existing", "arguments"), START.values(), ids=START.keys())
def test_arguments_lead_to_the_nearest_topic_of_colours(wanted, existing, arguments):
    (found,) = advice(replace(NOBODY, image_topics=existing, **wanted))
    text = found.text
    assert text.endswith(f"--ros-args {arguments}")


LOST = replace(WELL, images=0, paired=0)
TWIN_EXISTS = {"image_topics": (("/image/compressed", COMPRESSED_TYPE),)}

AGAINST_LOSS = {
    "best effort, also offered": (LOST, set()),
    "best effort, reliable offered": (replace(LOST, offers_reliable=True), {"reliability"}),
    "reliable, as offered": (replace(LOST, offers_reliable=True, is_reliable=True), set()),
    "the twin is offered": (replace(LOST, **TWIN_EXISTS), {"compressed"}),
    "the twin and reliable are offered": (
        replace(LOST, offers_reliable=True, **TWIN_EXISTS),
        {"reliability", "compressed"},
    ),
    "no images at all": (replace(LOST, infos=0, offers_reliable=True, **TWIN_EXISTS), {"reliability", "compressed"}),
}


@pytest.mark.parametrize(("facts", "ways"), AGAINST_LOSS.values(), ids=AGAINST_LOSS.keys())
def test_against_loss_only_what_would_help_is_advised(facts, ways):
    text = advice(facts)[0].text
    words = {"reliability": "input.reliability to reliable", "compressed": "input.transport to compressed"}
    assert {way for way, word in words.items() if word in text} == ways
    assert "shared-memory segment" in text


def test_a_slow_camera_is_not_taken_for_loss():
    assert not advice(replace(WELL, images=1, infos=3, paired=1))
