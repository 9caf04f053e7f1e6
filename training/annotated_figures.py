"""Draw the annotated image of the README and the covered one of docs/privacy.md.

    python training/annotated_figures.py [--out docs/images]

The face is the public-domain astronaut picture of scikit-image, read where that is installed. Needs the networks.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facemesh_ros import Camera, Config, FaceMesher
from facemesh_ros.anonymous import covered, face_hulls
from facemesh_ros.draw import draw_faces
from facemesh_ros.tools.moving_face import FACE_CENTRE_XY, picture_bgr

OUT = Path(__file__).parents[1] / "docs" / "images"
SCALE = 2.4
SIZE_WH = (640, 560)
FACE_XY = (300.0, 285.0)
"""Where the middle of the face comes to lie."""
FOV_RAD = math.radians(60.0)
Picture = NDArray[np.uint8]


def enlarged() -> Picture:
    """Return (560, 640, 3) uint8 BGR: head and shoulders."""
    shift = np.array(FACE_XY) - SCALE * np.array(FACE_CENTRE_XY)
    affine = np.array([[SCALE, 0.0, shift[0]], [0.0, SCALE, shift[1]]])
    picture = cv2.warpAffine(picture_bgr(), affine, SIZE_WH, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(picture, np.uint8)


def halved(picture: Picture) -> Picture:
    """Return the picture at half its size."""
    return np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


def main() -> None:
    """Draw both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    picture, camera = enlarged(), Camera.from_fov(SIZE_WH, FOV_RAD)
    mesher = FaceMesher(Config.from_dotted({"device": "cpu", "max_faces": 1}))
    faces = mesher.process_still(np.ascontiguousarray(picture[..., ::-1]), camera)
    bare = covered(picture, face_hulls(faces, ()))
    pictures = {
        "annotated": draw_faces(picture, faces, order="bgr", camera=camera),
        "anonymous": halved(np.hstack([bare, draw_faces(bare, faces, order="bgr", camera=camera)])),
    }
    for name, drawn in pictures.items():
        cv2.imwrite(str(folder / f"{name}.png"), drawn, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
