"""What the markers of a face cost: as Point objects, as objects that are kept, and as templates of bytes.

    python bench/markers.py [--faces 1 4] [--blocks 10] [--json markers.json]

Each way makes the same MarkerArray, with the surface coloured from the image, ready to be sent: objects are made and
serialised, templates are written. Of objects that are kept only the numbers are set. "Templates, plain" leaves the
colours out. The ways take turns in one process, in blocks of IMAGES images; one image a block is a warm-up. Publishing
costs the same for all and is not counted. Needs ROS 2 (`make setup`), no networks.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.serialization import serialize_message
from rich.console import Console
from rich.table import Table
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from facemesh_ros.picture import Picture
from facemesh_ros.ros.convert import array_message
from facemesh_ros.ros.environment import with_large_messages
from facemesh_ros.ros.frames import Result
from facemesh_ros.ros.marker_kinds import CIRCLE_SIDES, GAZE_M, KINDS, LABEL_M, LIFT_IRISES_M, LIFT_M, LOOKING
from facemesh_ros.ros.markers import FaceMarkers
from facemesh_ros.topology import SURFACE_POINTS, face_topology, reference_face
from facemesh_ros.types import Face, Gaze, HeadPose, Mesh, Roi

IMAGES = 10
HEAD_AXES = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
"""camera_from_head of a face that looks into the camera."""
SIZE_WH = (640, 480)


def made_face(track_id: int, random: np.random.Generator, count: int = 478, gaze: bool = True) -> Face:
    """Return a face near the camera, a little different every time."""
    surface = reference_face() + random.normal(scale=0.001, size=(SURFACE_POINTS, 3))
    points = np.concatenate([surface, surface[:10]])[:count]
    place = random.uniform([-0.3, -0.3, 0.5], [0.3, 0.3, 2.0])
    points = (points + place).astype(np.float32)
    pixels = np.column_stack([500.0 * points[:, :2] / points[:, 2:] + [320.0, 240.0], points[:, 2]])
    mesh = Mesh(pixels, float(random.uniform(0.5, 1.0)))
    camera_from_head = np.eye(4)
    camera_from_head[:3, :3], camera_from_head[:3, 3] = HEAD_AXES, place
    direction = random.normal(size=3)
    direction /= np.linalg.norm(direction)
    return Face(
        track_id,
        Roi(pixels[1, :2], 100.0, 0.0),
        mesh,
        mesh,
        HeadPose(camera_from_head, 0.5, np.eye(6)),
        points,
        gaze=Gaze(direction, direction, "iris", origin_m=place, is_looking=track_id % 2 == 0) if gaze else None,
    )


def made_image(random: np.random.Generator) -> np.ndarray:
    """Return an (H, W, 3) uint8 picture of noise."""
    return random.integers(0, 256, (*SIZE_WH[::-1], 3), np.uint8)


def made_result(faces: Sequence[Face], seconds: float, image: np.ndarray) -> Result:
    """Return what the node has of an image with these faces."""
    header = Header(stamp=Time(sec=int(seconds), nanosec=round(seconds % 1 * 1e9)), frame_id="camera_optical_frame")
    return Result(array_message(faces, header, SIZE_WH, {}, 0), Picture.of(image), faces)


# The same markers, of objects


def positions(name: str, face: Face) -> np.ndarray:
    """Return the (C, 3) points of a marker, m."""
    points, topology = face.points_m.astype(np.float64), face_topology(len(face.points_m))
    if name == "surface":
        return points[topology.triangles.ravel()]
    if name == "irises":
        return np.concatenate([circle(points[start : start + 5]) for start in (468, 473)])
    if name == "axes":
        return np.array([end for axis in 0.1 * np.eye(3) for end in (np.zeros(3), axis)])
    if name == "gaze":
        return np.array([face.gaze.origin_m, face.gaze.origin_m + GAZE_M * face.gaze.direction])
    return np.zeros((0, 3)) if name == "id" else points[getattr(topology, name).ravel()]


def circle(iris: np.ndarray) -> np.ndarray:
    """Return the ends of the lines round an iris: centre, right, top, left, bottom."""
    center, right, top, left, bottom = iris
    ends = [side + end for side in range(CIRCLE_SIDES) for end in (0, 1)]
    angles = [2.0 * np.pi * (end % CIRCLE_SIDES) / CIRCLE_SIDES for end in ends]
    return np.array([center + np.cos(a) * (right - left) / 2 + np.sin(a) * (top - bottom) / 2 for a in angles])


def colors(name: str, face: Face, image_rgb: np.ndarray | None) -> np.ndarray:
    """Return the (C, 4) colours of a marker's points; none where it has one for all."""
    if name == "axes":
        return np.array([[float(part == axis) for part in range(3)] + [1.0] for axis in (0, 0, 1, 1, 2, 2)])
    if name != "surface" or image_rgb is None:
        return np.zeros((0, 4))
    height, width = image_rgb.shape[:2]
    x, y = np.rint(face.smoothed.points[:, :2]).astype(int).T
    seen = image_rgb[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] / np.float32(255)
    return np.insert(seen, 3, 1.0, axis=1)[face_topology(len(face.points_m)).triangles.ravel()]


def namespaces(face: Face) -> list[str]:
    """Return the markers that a face has."""
    lacking = {"gaze" if face.gaze is None else "", "irises" if len(face.points_m) == SURFACE_POINTS else ""}
    return [name for name in KINDS if name not in lacking]


def marker_of_objects(name: str, face: Face, result: Result, image_rgb: np.ndarray | None) -> Marker:
    """Return one marker."""
    kind = KINDS[name]
    color = LOOKING if name == "gaze" and face.gaze.is_looking else kind.color
    return Marker(
        header=result.array.header,
        ns=name,
        id=face.track_id,
        type=kind.type,
        pose=pose(name, face, result),
        scale=Vector3(**dict(zip("xyz", kind.scale, strict=True))),
        color=ColorRGBA(**dict(zip("rgba", color, strict=True))),
        points=[Point(x=x, y=y, z=z) for x, y, z in positions(name, face).tolist()],
        colors=[ColorRGBA(r=r, g=g, b=b, a=a) for r, g, b, a in colors(name, face, image_rgb).tolist()],
        text=str(face.track_id) if name == "id" else "",
    )


def pose(name: str, face: Face, result: Result) -> Pose:
    """Return the place of a marker's points: the head for its axes, before the surface for lines."""
    if name == "axes":
        return next(message.head_pose.pose for message in result.array.faces if message.id == face.track_id)
    ahead, _, up, place = face.pose.camera_from_head[:3].T
    offsets = dict.fromkeys(("tesselation", "contours"), LIFT_M * ahead)
    offsets |= {"id": place + LABEL_M * up, "irises": LIFT_IRISES_M * ahead}
    x, y, z = (float(value) for value in offsets.get(name, np.zeros(3)))
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion())


def of_objects(result: Result, is_colored: bool = True) -> MarkerArray:
    """Return the markers of an image, all of them new."""
    image = result.image_rgb if is_colored else None
    return MarkerArray(
        markers=[marker_of_objects(name, face, result, image) for face in result.faces for name in namespaces(face)]
    )


class KeptObjects:
    """Markers of the same faces in image after image, of which only the numbers are set."""

    def __init__(self, result: Result) -> None:
        self._array = of_objects(result)

    def message(self, result: Result) -> MarkerArray:
        """Return the same objects, with the numbers of another image."""
        drawn = ((face, name) for face in result.faces for name in namespaces(face))
        for marker, (face, name) in zip(self._array.markers, drawn, strict=True):
            marker.header = result.array.header
            marker.pose = pose(name, face, result)
            for point, xyz in zip(marker.points, positions(name, face).tolist(), strict=True):
                point.x, point.y, point.z = xyz
            for color, parts in zip(marker.colors, colors(name, face, result.image_rgb).tolist(), strict=True):
                color.r, color.g, color.b, color.a = parts
        return self._array


def results(faces: int, images: int) -> list[Result]:
    """Return images in which the same faces move, all of one picture: the node, too, has just worked on its own."""
    random = np.random.default_rng(0)
    picture = made_image(random)
    return [
        made_result([made_face(1 + face, random) for face in range(faces)], number / 30.0, picture)
        for number in range(images)
    ]


def block(make: Callable[[Result], object], images: Sequence[Result]) -> list[float]:
    """Return what each image but the first costs, s."""
    costs = []
    for result in images:
        start = time.perf_counter()
        make(result)
        costs.append(time.perf_counter() - start)
    return costs[1:]


def measure(faces: int, blocks: int) -> dict[str, list[float]]:
    """Return way → the cost of each image, us a face."""
    images = results(faces, 1 + IMAGES)
    kept, markers, plain = KeptObjects(images[0]), FaceMarkers(), FaceMarkers()
    ways: dict[str, Callable[[Result], object]] = {
        "Point objects": lambda result: serialize_message(of_objects(result)),
        "kept objects": lambda result: serialize_message(kept.message(result)),
        "templates": lambda result: markers.message(result, True),
        "templates, plain": lambda result: plain.message(result, False),
    }
    costs: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(blocks):
        for way, make in ways.items():
            costs[way] += [1e6 * cost / faces for cost in block(make, images)]
    return costs


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faces", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--json", type=Path, default=Path("markers.json"))
    arguments = parser.parse_args()
    table = Table(title=f"Markers of an image, us a face, {arguments.blocks * IMAGES} images")
    for title in ("faces", "way", "median", "90 %"):
        table.add_column(title, justify="left" if title == "way" else "right")
    report = []
    for faces in arguments.faces:
        size = len(FaceMarkers().message(results(faces, 1)[0], True) or b"") // faces
        for way, costs in measure(faces, arguments.blocks).items():
            median, high = np.quantile(costs, [0.5, 0.9]).tolist()
            table.add_row(str(faces), way, f"{median:.0f}", f"{high:.0f}")
            report.append({"faces": faces, "way": way, "median_us": median, "p90_us": high, "bytes_a_face": size})
    Console().print(table)
    arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with_large_messages()  # as the node runs: without, every message is new memory from the kernel
    main()
