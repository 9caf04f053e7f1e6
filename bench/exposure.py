"""Does a better exposed crop help the networks? Labelled faces made dark or flat, with noise, and mended several ways.

    python bench/exposure.py DATA [--json exposure.json]

DATA is a folder with gt/gt.json as `facemesh evaluate` takes it (docs/evaluation.md). Every labelled face of 60 px or
more is cropped as the tracker would before the light is taken away, so that all ways of mending see the same pixels.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from facemesh_ros.errors import FaceMeshError, InputError
from facemesh_ros.exposure import SMOOTHING_PX, exposed
from facemesh_ros.geometry import image_from_crop, roi_from_points
from facemesh_ros.mesh_net import MeshNet, crop, presence, uncrop
from facemesh_ros.session import Session
from facemesh_ros.tools.evaluation.accuracy import Accuracy
from facemesh_ros.tools.evaluation.datasets import read_data, read_image_rgb
from facemesh_ros.tools.evaluation.figures import is_strong
from facemesh_ros.types import Roi, UInt8
from facemesh_ros.virtual_camera import FlatCrop
from facemesh_ros.warp import cut, sampling_maps

SMALLEST_PX = 60.0
DETECTOR_SIDE = 1.7
"""Side of the short-range detector's square over that of the landmark network's."""
LIGHTS = (
    (1.0, 0, 0),
    (0.3, 0, 1),
    (0.1, 0, 1),
    (0.06, 0, 1),
    (0.03, 0, 1),
    (0.03, 0, 2),
    (0.15, 100, 1),
    (0.05, 110, 1),
)
"""Share of the light that is left, grey levels added (haze), standard deviation of the noise in grey levels."""
SEED = 1


def stretched(picture: UInt8) -> UInt8:
    """Stretch from the darkest to the brightest hundredth, whatever the span, without smoothing."""
    low, high = np.percentile(picture, [1, 99])
    return np.clip((picture.astype(np.float32) - low) * (255.0 / max(high - low, 1.0)), 0, 255).astype(np.uint8)


def equalised(picture: UInt8) -> UInt8:
    """Equalise the luma locally (CLAHE, clip limit 2, 4×4 tiles)."""
    ycc = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
    ycc[..., 0] = cv2.createCLAHE(2.0, (4, 4)).apply(np.ascontiguousarray(ycc[..., 0]))
    return np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), np.uint8)


def brightened(picture: UInt8) -> UInt8:
    """Raise to the power that takes the mean to 0.45."""
    mean = max(float(picture.mean()) / 255.0, 0.004)
    return np.asarray(255.0 * (picture / 255.0) ** min(1.0, np.log(0.45) / np.log(mean)), np.uint8)


def always(picture: UInt8) -> UInt8:
    """Stretch and smooth, whatever the span."""
    return np.asarray(cv2.GaussianBlur(stretched(picture), (0, 0), SMOOTHING_PX), np.uint8)


WAYS: Mapping[str, Callable[[UInt8], UInt8]] = {
    "as it is": lambda picture: picture,
    "exposure.py": exposed,
    "stretched, smoothed always": always,
    "stretched": stretched,
    "CLAHE": equalised,
    "gamma": brightened,
}


@dataclass(frozen=True, eq=False)
class Case:
    """A labelled face."""

    image_rgb: UInt8
    points68: NDArray[np.float64]
    size_px: float
    roi: Roi


def cases(folder: Path, net: MeshNet) -> Iterator[tuple[Case, Callable[[NDArray[np.float32]], NDArray[np.float64]]]]:
    """Yield the faces, in the region that the tracker would look at, and the mapping of meshes to 68 points."""
    data = read_data(folder, ("gt",), None)
    for item in data.annotated:
        image_rgb = read_image_rgb(item.path)
        for face in item.faces:
            if face.size_px < SMALLEST_PX or face.ignore or not is_strong(item.source):
                continue
            low, high = face.points68.min(axis=0), face.points68.max(axis=0)
            roi = Roi(0.5 * (low + high), 1.6 * float((high - low).max()), 0.0)
            for _ in range(2):
                (mesh,) = net.run(image_rgb, [roi])
                roi = roi if mesh is None else roi_from_points(mesh.points)
            yield Case(image_rgb, face.points68, face.size_px, roi), data.mapping.points


def main() -> int:
    """Measure, print the table, write the JSON; return 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, default=Path("exposure.json"))
    arguments = parser.parse_args()
    landmarks, detector = Session.open("attention", "cpu"), Session.open("detector_short", "cpu")
    rng = np.random.default_rng(SEED)
    figures: dict[tuple[float, int, int], dict[str, list[tuple[float, bool, bool]]]] = {}
    faces = list(cases(arguments.data, MeshNet(landmarks)))
    if not faces:
        raise InputError(f"{arguments.data}/gt/gt.json has no face of {SMALLEST_PX:.0f} px or more annotated by hand")
    for (case, points68), light in track([(face, light) for face in faces for light in LIGHTS], "exposure"):
        share, haze, sigma = light
        noise = rng.normal(0.0, sigma, case.image_rgb.shape) if sigma else 0.0
        seen = np.clip(np.round(case.image_rgb * share + haze + noise), 0, 255).astype(np.uint8)
        window = FlatCrop(case.roi, landmarks.input_size)
        close = crop(seen, window)
        wide = Roi(case.roi.center_xy, DETECTOR_SIDE * case.roi.size, case.roi.angle)
        maps = sampling_maps(image_from_crop(wide, detector.input_size), detector.input_size)
        square = cut(seen, maps, cv2.BORDER_CONSTANT)
        for name, mend in WAYS.items():
            points, logit = landmarks.run(mend(close)[np.newaxis], "points", "presence_logit")
            mesh = uncrop(points[0], window)
            error = Accuracy.of(points68(mesh), case.points68, case.size_px).nme51_iod
            (logits,) = detector.run(mend(square)[np.newaxis], "logits")
            row = (error, presence(float(logit[0])) >= 0.5, presence(float(logits.max())) >= 0.5)
            figures.setdefault(light, {}).setdefault(name, []).append(row)
    table = Table(title=f"{len(faces)} faces: NME51 / present / detected (short range), in %")
    for heading in ("light + haze, noise", *WAYS):
        table.add_column(heading, justify="right")
    rows = []
    for (share, haze, sigma), ways in figures.items():
        means = {name: 100.0 * np.array(values, float).mean(axis=0) for name, values in ways.items()}
        cells = [f"{nme:.2f} / {present:.0f} / {detected:.0f}" for nme, present, detected in means.values()]
        table.add_row(f"{100 * share:.0f} % + {haze}, {sigma}", *cells)
        rows.append({"light": share, "haze": haze, "noise": sigma, **{n: m.tolist() for n, m in means.items()}})
    Console(width=160).print(table)
    arguments.json.write_text(json.dumps({"faces": len(faces), "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except FaceMeshError as error:
        raise SystemExit(f"exposure.py: {error}") from error
