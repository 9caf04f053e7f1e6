"""Every tunable, once: default, bounds, unit, description, and whether it may change while running.

``Config`` is what the library takes; ``NodeConfig`` is what the ROS node adds. Both are nested frozen dataclasses whose
leaves have dotted names (``detector.min_score``), the same in Python, in YAML and as ROS parameters.

Over 300 lines because every tunable stands here, once, with its description.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from facemesh_ros.tunables import Form, Section, tunable


@dataclass(frozen=True)
class MeshConfig(Section):
    """The landmark network."""

    network: str = tunable(
        "attention",
        "Landmark network: attention gives 478 points with sharper eyes and lips and the irises, mesh 468 points at "
        "about two thirds of the cost, landmarker the 478-point 256x256 network of a .task bundle, if installed.",
        choices=("attention", "mesh", "landmarker"),
        live=False,
    )
    second_pass: bool = tunable(
        True,
        "Mesh a new face, and every face of a single picture, again from the region of its first mesh, which fits "
        "better than the detector's.",
    )
    averaged: bool = tunable(
        True,
        "In a single picture, take the mean of four meshes of a face: of the detector's region and of the first mesh's "
        "own, each as it is and mirrored. A stream has no time for it.",
    )
    virtual_camera: bool = tunable(
        True,
        "Where the camera's calibration is known, look at each face through a virtual camera turned towards it, in "
        "the place of a flat square of the image, which stretches faces beside the middle.",
    )


@dataclass(frozen=True)
class DetectorConfig(Section):
    """The face detector."""

    range: str = tunable(
        "auto",
        "Detector: short sees faces to about 2 m, full to about 5 m at three times the cost, auto goes on from short "
        "to full and then to full on overlapping tiles, for smaller faces, while fewer are found than wanted.",
        choices=("short", "full", "auto"),
        live=False,
    )
    min_score: float = tunable(
        0.5,
        "A detection with a lower score is dropped; the mesh network judges the rest. (0.5 for short and 0.6 for full "
        "are usual.) A lower one finds more and costs time.",
        bounds=(0.0, 1.0),
    )
    interval_s: float = tunable(
        0.5,
        "While faces are tracked and more are allowed, look for new ones this often, through one view in turn: the "
        "whole image by short, by full, a tile. At once when a face is lost, and on every image while there is none. 0 "
        "looks on every image.",
        bounds=(0.0, 3600.0),
        unit="s",
    )
    budget_ms: float = tunable(
        4.0,
        "Most that the detector may cost in an image of a stream in which no face is tracked or one was just lost, in "
        "nominal ms of one CPU core (short 0.7 a view, full 2.3); what it finds is meshed on top. The whole image by "
        "short, one close look at where a face is missing, and one view in turn (by full, turned by quarters, a tile) "
        "are looked at in any case. A single picture is always searched in full.",
        bounds=(0.0, 10000.0),
        unit="ms",
    )
    min_face_px: float = tunable(
        24.0,
        "Smallest face that range auto looks for (eyebrows to chin); half of it costs four times as many tiles.",
        bounds=(8.0, 1000.0),
        unit="px",
    )
    min_certainty: float = tunable(
        0.6,
        "A new face counts if the detector, looking close up at its mesh, sees the same face with at least this score. "
        "0 takes every mesh.",
        bounds=(0.0, 1.0),
    )


@dataclass(frozen=True)
class CameraConfig(Section):
    """How the camera is mounted, and what is assumed of it."""

    rotation: float = tunable(
        0.0,
        "How far upright people appear turned clockwise in the image: 180 for a camera that hangs upside down, 90 or "
        "270 for one on its side.",
        bounds=(-360.0, 360.0),
        unit="deg",
    )
    assume_fov_deg: float = tunable(
        0.0,
        "Horizontal field of view that is assumed where there is no calibration; such poses are flagged. 0 assumes "
        "none: then there are no metric poses without a calibration.",
        bounds=(0.0, 170.0),
        unit="deg",
    )


@dataclass(frozen=True)
class PoseConfig(Section):
    """Head poses in metres."""

    enabled: bool = tunable(True, "Estimate head poses and metric meshes where the camera's calibration is known.")
    scale: str = tunable(
        "assumed",
        "Size of a head, from which its distance follows: assumed, or by iris (11.7 mm in every adult) where both are "
        "seen well. A depth image goes before either.",
        choices=("assumed", "iris"),
    )
    head_scale: float = tunable(
        1.0, "Assumed size of heads over the mean adult's; about 0.85 for children of six.", bounds=(0.1, 10.0)
    )


@dataclass(frozen=True)
class TrackerConfig(Section):
    """Who is who."""

    min_presence: float = tunable(0.5, "A face whose presence falls below this is lost.", bounds=(0.0, 1.0))
    min_hits: int = tunable(
        1,
        "A new face is published, and given its id, once it has been seen in this many images in a row; more keep "
        "short-lived mistakes out and cost their time. A face that returns is published at once.",
        bounds=(1, 1000),
    )
    reacquire_s: float = tunable(
        2.0,
        "A face that returns within this time gets its id back, if place, size and shape are plausible. 0 gives none "
        "back.",
        bounds=(0.0, 3600.0),
        unit="s",
    )
    coast_s: float = tunable(
        0.2,
        "So long after a face was lost, its place is kept for it, it is tried in every image where it should be by "
        "now, and faces are looked for in every image. At most reacquire_s counts.",
        bounds=(0.0, 60.0),
        unit="s",
    )


@dataclass(frozen=True)
class FilterConfig(Section):
    """The One-Euro filter of every track.

    The constants are MediaPipe's. bench/filter.py found none of 538 others to have less jitter at rest with no more lag
    at 15, 30 and 60 Hz: 32 % of the raw jitter is left at 30 Hz, for 22 ms on a slow pan (docs/filter.md).
    """

    enabled: bool = tunable(True, "Smooth what is published; raw meshes are always kept beside it.")
    min_cutoff_hz: float = tunable(
        0.05, "Cut-off for a face at rest; lower is calmer.", bounds=(0.001, 1000.0), unit="Hz"
    )
    beta: float = tunable(
        80.0,
        "Growth of the cut-off with speed (face sizes a second); higher lags less: a steady motion is trailed by "
        "1/(2 pi beta) face sizes.",
        bounds=(0.0, 10000.0),
    )
    derivative_cutoff_hz: float = tunable(
        1.0,
        "Cut-off of the speed estimate; higher lags less where motion turns, lower is calmer.",
        bounds=(0.001, 1000.0),
        unit="Hz",
    )
    max_gap_s: float = tunable(
        1.0, "A track's filter starts anew after stamps have jumped by more than this.", bounds=(0.0, 60.0), unit="s"
    )


@dataclass(frozen=True)
class GazeConfig(Section):
    """Eyes, mouth and line of sight."""

    enabled: bool = tunable(True, "Measure eyes and mouth, blinks and gaze.")


@dataclass(frozen=True)
class AttentionConfig(Section):
    """Who looks at the camera, or at another target."""

    enabled: bool = tunable(True, "Compare the gaze with the direction of the target; needs gaze.enabled.")
    angle_deg: float = tunable(
        15.0,
        "Who looks past the target by less than this looks at it. Gaze is 5 deg off in the median, now and then 12, "
        "and more without irises (mesh.network mesh): then take 25.",
        bounds=(0.0, 180.0),
        unit="deg",
    )
    release_deg: float = tunable(
        20.0,
        "Who has looked at the target does so until the gaze is farther off than this. At least angle_deg counts.",
        bounds=(0.0, 180.0),
        unit="deg",
    )


@dataclass(frozen=True)
class Config(Section):
    """What :class:`facemesh_ros.FaceMesher` takes."""

    max_faces: int = tunable(4, "Most faces tracked at once.", bounds=(1, 64))
    device: str = tunable(
        "auto",
        "Where the networks run: cpu, cuda, tensorrt (whose first start builds engines for minutes), or auto for the "
        "best that is usable: tensorrt where its engines are built, else cuda, else cpu.",
        choices=("cpu", "cuda", "tensorrt", "auto"),
        live=False,
    )
    require_device: bool = tunable(
        False, "Refuse to start where device cannot be used, rather than fall back to the next best.", live=False
    )
    precision: str = tunable(
        "fp32",
        "Numbers that the networks compute with: fp32, or fp16, which takes device tensorrt and trades exactness for "
        "speed.",
        choices=("fp32", "fp16"),
        live=False,
    )
    threads: int = tunable(
        0,
        "On a CPU, so many threads mesh the faces of an image, and look through the detector's views of it; 0 is one a "
        "core, up to 4. More finish a crowd sooner for the same CPU time; one face is meshed by one.",
        bounds=(0, 64),
        live=False,
    )
    intra_op_threads: int = tunable(
        1,
        "On a CPU, so many threads share each operator of a network (onnxruntime's name). 2 take a sixth off the "
        "time of one face and a third off a detector's, for 20 to 40 % more CPU time, if a core is idle; on a busy "
        "machine they cost time. From 3 on, results may differ in the last digits with what is meshed together.",
        bounds=(1, 64),
        live=False,
    )
    camera: CameraConfig = field(default_factory=CameraConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)
    gaze: GazeConfig = field(default_factory=GazeConfig)
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    pose: PoseConfig = field(default_factory=PoseConfig)


ID_PREFIX = Form(
    r"([A-Za-z](?!\w*__)([A-Za-z0-9_]{0,62}[A-Za-z_])?)?",
    "empty, or up to 64 letters, digits and single underscores, a letter first and no digit last",
)
"""Part of the names of topics and TF frames. A digit at its end would run into the id: cam1 and 7, cam and 17."""


CAMERA = Form(
    r"([A-Za-z](?!\w*__)([A-Za-z0-9_]{0,30}[A-Za-z0-9])?)?",
    "empty, or up to 32 letters, digits and single underscores, a letter first and no underscore last",
)
"""Part of the names of topics, TF frames and loggers. In those of frames an underscore and the id follow."""


@dataclass(frozen=True)
class InputConfig(Section):
    """The node's image topic."""

    transport: str = tunable(
        "raw",
        "raw subscribes to image (sensor_msgs/Image), compressed to image/compressed (sensor_msgs/CompressedImage).",
        choices=("raw", "compressed"),
        live=False,
    )
    reliability: str = tunable(
        "best_effort",
        "QoS of the image subscription: best_effort, reliable, or auto for what the publisher offers.",
        choices=("best_effort", "reliable", "auto"),
        live=False,
    )
    patience_s: float = tunable(
        6.0,
        "After this long without an image the node says what it sees on the topics, and the remedy.",
        bounds=(0.1, 3600.0),
        unit="s",
        live=False,
    )


@dataclass(frozen=True)
class InfoConfig(Section):
    """How the node reads the camera's calibration."""

    rectified: bool = tunable(
        False,
        "The images are rectified (image_rect, image_rect_color): P of camera_info is their camera matrix, and nothing "
        "is distorted. False: they are as the camera took them, and K and D count.",
        live=False,
    )


@dataclass(frozen=True)
class DepthConfig(Section):
    """The node's depth topic."""

    enabled: bool = tunable(
        False,
        "Subscribe to depth (16UC1 mm or 32FC1 m, aligned with the image and of its size): it tells how large heads "
        "are, and so how far away.",
        live=False,
    )
    tolerance_s: float = tunable(
        0.0,
        "An image takes the depth whose stamp is nearest to its own, if it is off by no more than this.",
        bounds=(0.0, 1.0),
        unit="s",
        live=False,
    )


@dataclass(frozen=True)
class TargetConfig(Section):
    """What the node measures attention against."""

    target_frame: str = tunable(
        "",
        "TF frame whose origin is the target of attention, none of this node's own; empty for the camera. While its "
        "place is not known from /tf and /tf_static, attention is not told.",
        live=False,
    )


@dataclass(frozen=True)
class TfConfig(Section):
    """The node's transforms."""

    enabled: bool = tunable(True, "Publish face_<id>, gaze_<id> and focus_<id> on /tf for faces that have a head pose.")
    view_frame: str = tunable(
        "",
        "Name of a frame for viewers such as RViz, published on /tf_static in the image's frame, with its origin: x "
        "forward, y left, z up, so that faces stand upright. Empty for none.",
        live=False,
    )


@dataclass(frozen=True)
class MarkersConfig(Section):
    """The node's markers."""

    enabled: bool = tunable(
        True, "Publish markers on ~/markers while somebody subscribes, for faces that have metric points."
    )
    surface: str = tunable(
        "image",
        "Colours of the surface: image takes them from the image at the points of the mesh, plain is grey.",
        choices=("image", "plain"),
    )


@dataclass(frozen=True)
class Rep155Config(Section):
    """The node's bridge to ROS4HRI."""

    enabled: bool = tunable(
        False,
        "Publish the topics of REP 155 under /humans as well; needs hri_msgs. Where that is installed ids are f1, f2, "
        "... there and in TF (face_f1), unless there is an id_prefix.",
        live=False,
    )


@dataclass(frozen=True)
class PrivacyConfig(Section):
    """What the node lets out of the images."""

    mode: str = tunable(
        "off",
        "What images go out: with off as they are, with numbers none at all, with blur only such in which the faces "
        "that are found are covered (docs/privacy.md says what that leaves), also on anonymous_image. REP 155 has "
        "pictures of faces with off alone.",
        choices=("off", "numbers", "blur"),
        live=False,
    )


@dataclass(frozen=True)
class NodeConfig(Section):
    """What the ROS node takes beside :class:`Config`."""

    autostart: bool = tunable(True, "Configure and activate at start; false waits for a lifecycle manager.", live=False)
    cameras: tuple[str, ...] = tunable(
        ("",),
        "Names of the cameras that this node serves, set before the start. Each has its topics under its name, such as "
        "front/image and ~/front/faces, and its ids begin with front_ in TF and REP 155, after the id_prefix. The one "
        "without a name has image and ~/faces.",
        form=CAMERA,
        live=False,
    )
    workers: int = tunable(
        0,
        "At how many cameras' images the node works at the same time, on a thread each. 0: on the CPU as many as there "
        "are cores, on a GPU all cameras'; never more than there are cameras.",
        bounds=(0, 64),
        live=False,
    )
    executor: str = tunable(
        "auto",
        "What runs the node's callbacks, set before the start: rclpy's single_threaded executor, its experimental "
        "events executor, at half the cost of a message, or auto for events where that is tested (Fast DDS).",
        choices=("auto", "single_threaded", "events"),
        live=False,
    )
    id_prefix: str = tunable(
        "",
        "What ids begin with in the names of TF frames and in REP 155: left_ gives face_left_7. All nodes share /tf "
        "and /humans, so of several each needs a prefix of its own. Ids in messages are numbers in any case.",
        form=ID_PREFIX,
        live=False,
    )
    input: InputConfig = field(default_factory=InputConfig)
    camera: InfoConfig = field(default_factory=InfoConfig)
    depth: DepthConfig = field(default_factory=DepthConfig)
    attention: TargetConfig = field(default_factory=TargetConfig)
    tf: TfConfig = field(default_factory=TfConfig)
    markers: MarkersConfig = field(default_factory=MarkersConfig)
    rep155: Rep155Config = field(default_factory=Rep155Config)
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
