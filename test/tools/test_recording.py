"""Files that are written can be read back."""

import cv2
import numpy as np
import pytest

from facemesh_ros.errors import InputError
from facemesh_ros.tools import recording
from facemesh_ros.tools.recording import write_clip, write_picture


def frames(count=5, height=48, width=64):
    return [np.full((height, width, 3), 40 * index, np.uint8) for index in range(count)]


def test_a_picture_comes_back_as_it_was(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    assert np.array_equal(cv2.imread(str(write_picture(image, tmp_path / "x.png"))), image)


@pytest.mark.parametrize("count", [1, 5])
def test_a_clip_has_its_frames_rate_and_size(tmp_path, count):
    path = write_clip(frames(count), 25.0, tmp_path / "clip.mp4")
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(25.0, abs=0.01)
    shades = []
    while (read := capture.read())[0]:
        assert read[1].shape == (48, 64, 3)
        shades.append(read[1].mean())
    assert shades == pytest.approx([40.0 * index for index in range(count)], abs=4.0)


def test_where_the_first_format_cannot_be_written_the_next_one_serves(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "_FORMATS", ((".none", "????"), (".avi", "MJPG")))
    assert write_clip(frames(), 30.0, tmp_path / "clip.mp4") == tmp_path / "clip.avi"
    assert [path.name for path in tmp_path.iterdir()] == ["clip.avi"]


def test_where_nothing_can_be_written_the_remedy_is_said(tmp_path):
    gone = tmp_path / "gone"
    with pytest.raises(InputError, match=f"cannot write a clip to {gone}: see that the disk has room"):
        write_clip(frames(), 30.0, gone / "clip.mp4")
    with pytest.raises(InputError, match="picture cannot be written to .*; choose another --out"):
        write_picture(frames()[0], gone / "x.png")
