"""Rewrite test/data/*.npz: what MediaPipe 0.10.21 finds on frames that the tests can make again.

Run by hand, never by the tests, with the interpreter of the peer's own environment (test/data/PROVENANCE.md):

    python -m facemesh_ros.tools.record_golden --out test/data [still tracking detector attention]

No image is stored, only the affine by which `moving_face.render_bgr` makes it from the picture and the CRC-32
of its bytes. Landmarks are the peer's own: x·width, y·height, z·width, with no shift to our pixel convention.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.console import Console

from facemesh_ros.errors import FaceMeshError
from facemesh_ros.tools.moving_face import FACE_CENTRE_XY, MovingFace, picture_bgr, render_bgr, similarity

PEER_VERSION = "0.10.21"
TRACKED_FRAMES = 90
TRACKED_SIZE_WH = (480, 360)
"""The face is 120 to 184 px wide there, as at arm's length from a 640×480 camera."""
MIN_SCORE = {"short": 0.5, "full": 0.6}
"""The peer's own thresholds (its TensorsToDetectionsCalculator options for each range)."""

CROP_SIZE = 192
_CROPS = {
    "frontal": (1.3, 0.0, 0.0, 0.0),
    "rolled 25 degrees": (1.3, 25.0, 0.0, 0.0),
    "zoomed": (1.9, -8.0, 4.0, -6.0),
    "small and off centre": (0.9, 10.0, -30.0, 22.0),
    "bad: collar and flag": (1.2, 0.0, 90.0, -210.0),
}
"""Attention crops: scale, roll in degrees, shift of the face from the crop's centre in crop px."""
NOISE_SEED = 20240519

_ATTENTION_GRAPH = """
input_stream: "image"
output_stream: "landmarks"
output_stream: "flag"
node { calculator: "ImageToTensorCalculator" input_stream: "IMAGE:image" output_stream: "TENSORS:input"
  options { [mediapipe.ImageToTensorCalculatorOptions.ext] {
    output_tensor_width: 192 output_tensor_height: 192 output_tensor_float_range { min: 0.0 max: 1.0 } } } }
node { calculator: "TfLiteCustomOpResolverCalculator" output_side_packet: "OP_RESOLVER:resolver"
  options { [mediapipe.TfLiteCustomOpResolverCalculatorOptions.ext] { use_gpu: false } } }
node { calculator: "InferenceCalculatorCpu" input_stream: "TENSORS:input" output_stream: "TENSORS:output"
  input_side_packet: "OP_RESOLVER:resolver"
  options { [mediapipe.InferenceCalculatorOptions.ext] {
    model_path: "mediapipe/modules/face_landmark/face_landmark_with_attention.tflite"
    delegate { xnnpack {} } } } }
node { calculator: "SplitTensorVectorCalculator" input_stream: "output"
  output_stream: "landmark_tensors" output_stream: "flag_tensor"
  options { [mediapipe.SplitVectorCalculatorOptions.ext] {
    ranges { begin: 0 end: 6 } ranges { begin: 6 end: 7 } } } }
node { calculator: "TensorsToFaceLandmarksWithAttention" input_stream: "TENSORS:landmark_tensors"
  output_stream: "LANDMARKS:landmarks" }
node { calculator: "TensorsToFloatsCalculator" input_stream: "TENSORS:flag_tensor"
  output_stream: "FLOAT:flag" }
"""
"""The peer's own interpreter on a finished crop: no detector, no region, no activation on the flag."""

Arrays = dict[str, ArrayLike]


def record_still() -> dict[str, Arrays]:
    """Find the face in the picture itself, as 468 and as 478 points."""
    image = picture_bgr()
    return {
        f"still_{n}": {"points": _mesh_points([image], n, still=True)[0], "crc32": _crc32([image])} for n in (468, 478)
    }


def record_tracking() -> dict[str, Arrays]:
    """Track the first frames of the moving face, as 468 and as 478 points."""
    film = MovingFace(TRACKED_SIZE_WH)
    frames = [film.frame_bgr(index) for index in range(TRACKED_FRAMES)]
    affines = np.stack([film.frame_from_picture(index) for index in range(TRACKED_FRAMES)])
    frame_facts: Arrays = {"frame_from_picture": affines, "size_wh": film.size_wh, "crc32": _crc32(frames)}
    return {f"tracking_{n}": {"points": _mesh_points(frames, n, still=False), **frame_facts} for n in (468, 478)}


def record_detector() -> dict[str, Arrays]:
    """Detect with both ranges on frames that are wide, tall, near and far."""
    wide, tall = MovingFace((640, 480)), MovingFace((480, 640))
    far = similarity(0.6, 0.2, FACE_CENTRE_XY, (440.0, 170.0))
    scenes = [(film.frame_from_picture(i), film.size_wh) for film, i in ((wide, 0), (wide, 75), (tall, 150))]
    scenes.append((far, wide.size_wh))
    frames = [render_bgr(affine, size_wh) for affine, size_wh in scenes]
    facts: Arrays = {
        "frame_from_picture": np.stack([affine for affine, _ in scenes]),
        "size_wh": np.array([size_wh for _, size_wh in scenes]),
        "crc32": _crc32(frames),
    }
    return {f"detector_{name}": {**_detections(frames, name), **facts} for name in MIN_SCORE}


def record_attention() -> dict[str, Arrays]:
    """Run the attention network alone on RGB crops; the last one is noise of a fixed seed, its affine zero."""
    middle = 0.5 * (CROP_SIZE - 1)
    affines = [
        similarity(scale, np.deg2rad(roll), FACE_CENTRE_XY, (middle + x, middle + y))
        for scale, roll, x, y in _CROPS.values()
    ]
    crops = [render_bgr(affine, (CROP_SIZE, CROP_SIZE))[..., ::-1] for affine in affines]
    crops.append(np.random.default_rng(NOISE_SEED).integers(0, 256, (CROP_SIZE, CROP_SIZE, 3), np.uint8))
    points, logits = _attention_outputs(crops)
    return {
        "attention_tensors": {
            "points": points,
            "presence_logit": logits,
            "crop_from_picture": np.stack([*affines, np.zeros((2, 3))]),
            "noise_seed": NOISE_SEED,
            "name": np.array([*_CROPS, "noise"]),
            "crc32": _crc32(crops),
        }
    }


RECORDERS: Mapping[str, Callable[[], dict[str, Arrays]]] = {
    "still": record_still,
    "tracking": record_tracking,
    "detector": record_detector,
    "attention": record_attention,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Write the goldens that were asked for; return 0, or 1 with a line on what is wrong."""
    parser = argparse.ArgumentParser(prog="record_golden", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "what", nargs="*", default=list(RECORDERS), help=f"any of {', '.join(RECORDERS)} (default: all)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write into, test/data of the repository")
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.what) - set(RECORDERS):
        parser.error(f"unknown golden {', '.join(sorted(unknown))}; there are {', '.join(RECORDERS)}")
    console = Console(stderr=True)
    try:
        provenance = _provenance()
        for what in arguments.what:
            for name, arrays in RECORDERS[what]().items():
                path = arguments.out / f"{name}.npz"
                np.savez_compressed(path, **{**provenance, **arrays})  # type: ignore[arg-type]
                console.print(f"{path}  {path.stat().st_size / 1e3:.0f} kB")
    except FaceMeshError as error:
        console.print(f"record_golden: {error}", style="red")
        return 1
    return 0


def _peer() -> Any:
    """Return the mediapipe package; it is no dependency of this project, hence not imported at the top."""
    remedy = f"make an environment of its own: pip install mediapipe=={PEER_VERSION} scikit-image rich"
    try:
        mediapipe = import_module("mediapipe")
    except ImportError as error:
        raise FaceMeshError(f"goldens are recorded with mediapipe, which is not installed here; {remedy}") from error
    if mediapipe.__version__ != PEER_VERSION:
        raise FaceMeshError(f"mediapipe is {mediapipe.__version__}; the goldens are those of {PEER_VERSION}; {remedy}")
    return mediapipe


def _provenance() -> Arrays:
    return {
        "mediapipe_version": _peer().__version__,
        "opencv_version": cv2.__version__,
        "frame_source": "astronaut.png of scikit-image through facemesh_ros.tools.moving_face",
        "command": "python -m facemesh_ros.tools.record_golden --out test/data",
    }


def _mesh_points(frames: Iterable[NDArray[np.uint8]], count: int, still: bool) -> NDArray[np.float32]:
    """Return (N, count, 3) float32: the peer's x·W, y·H, z·W of the one face of each BGR frame."""
    solution = _peer().solutions.face_mesh.FaceMesh(
        static_image_mode=still, max_num_faces=1, refine_landmarks=count == 478
    )
    with closing(solution):
        return np.stack([_points(solution.process(_rgb(frame)), frame.shape, count) for frame in frames])


def _points(result: Any, shape: tuple[int, ...], count: int) -> NDArray[np.float32]:
    if not result.multi_face_landmarks:
        raise FaceMeshError("the peer found no face in a frame; every frame must show one: check moving_face.py")
    height, width = shape[:2]
    points = np.array(
        [(p.x * width, p.y * height, p.z * width) for p in result.multi_face_landmarks[0].landmark],
        np.float32,
    )
    return points.reshape(count, 3)


def _detections(frames: Sequence[NDArray[np.uint8]], range_name: str) -> Arrays:
    """Return the detections of all frames in one table; `frame` says of which frame each row is."""
    solution = _peer().solutions.face_detection.FaceDetection(
        model_selection=list(MIN_SCORE).index(range_name), min_detection_confidence=MIN_SCORE[range_name]
    )
    with closing(solution):
        rows = [
            (index, found.score[0], *_box_and_keypoints(found.location_data, frame.shape))
            for index, frame in enumerate(frames)
            for found in solution.process(_rgb(frame)).detections or []
        ]
    indices, scores, boxes, keypoints = zip(*rows, strict=True)
    return {
        "frame": np.array(indices),
        "score": np.array(scores, np.float32),
        "box_xyxy": np.array(boxes, np.float32),
        "keypoints": np.array(keypoints, np.float32),
        "min_score": MIN_SCORE[range_name],
    }


def _box_and_keypoints(location: Any, shape: tuple[int, ...]) -> tuple[ArrayLike, ArrayLike]:
    """Return the box (4,), not clipped to the frame, and the keypoints (6, 2), px of the frame."""
    height, width = shape[:2]
    box = location.relative_bounding_box
    left, top = box.xmin * width, box.ymin * height
    corners = (left, top, left + box.width * width, top + box.height * height)
    return corners, [(point.x * width, point.y * height) for point in location.relative_keypoints]


def _attention_outputs(crops: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (N, 478, 3) float32 crop px and (N,) float32 logits for RGB crops."""
    mediapipe = _peer()
    bindings = import_module("mediapipe.python._framework_bindings")
    bindings.resource_util.set_resource_dir(str(Path(mediapipe.__file__).parents[1]))
    graph = mediapipe.CalculatorGraph(graph_config=_ATTENTION_GRAPH)
    points: list[Any] = []
    logits: list[float] = []
    get = mediapipe.packet_getter
    graph.observe_output_stream("landmarks", lambda _, packet: points.append(get.get_proto(packet).landmark))
    graph.observe_output_stream("flag", lambda _, packet: logits.append(get.get_float(packet)))
    graph.start_run()
    for index, crop in enumerate(crops):
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(crop))
        graph.add_packet_to_input_stream("image", mediapipe.packet_creator.create_image(image).at(index))
    graph.close()
    normalised = np.array([[(p.x, p.y, p.z) for p in landmarks] for landmarks in points], np.float32)
    return normalised * CROP_SIZE, np.array(logits, np.float32)


def _rgb(frame_bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(frame_bgr[..., ::-1])


def _crc32(images: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint32]:
    return np.array([zlib.crc32(image.tobytes()) for image in images], np.uint32)


if __name__ == "__main__":
    sys.exit(main())
