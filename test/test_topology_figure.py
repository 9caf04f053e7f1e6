"""The numbered faces of docs/topology.md: every point has its number, and every number can be read."""

import importlib.util
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from facemesh_ros.topology import ALL_POINTS, SURFACE_POINTS, face_topology, reference_face

ROOT = Path(__file__).resolve().parent.parent
PICTURES = sorted((ROOT / "docs" / "images").glob("topology*.svg"))
LARGEST_BYTES = 600_000
DIGIT_OVER_HEIGHT, CAPITAL_OVER_HEIGHT = 0.6, 0.7
"""Of the sizes of a font: how wide a digit is at most, and how high."""


@pytest.fixture(scope="module")
def label_places():
    spec = importlib.util.spec_from_file_location("label_places", ROOT / "training" / "label_places.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.label_places


def numbers(picture):
    """{index: (centre, size)} of the numbers of a picture, px."""
    text = picture.read_text(encoding="utf-8")
    font = float(re.search(r'<g font-size="([\d.]+)" text-anchor="middle"', text)[1])
    found = re.findall(r'<text x="([\d.-]+)" y="([\d.-]+)"[^>]*>(\d+)</text>', text)
    height = CAPITAL_OVER_HEIGHT * font
    boxes = {
        int(index): (np.array([float(x), float(y) - 0.5 * height]), (DIGIT_OVER_HEIGHT * font * len(index), height))
        for x, y, index in found
    }
    assert len(boxes) == len(found), "a number is there twice"
    return boxes


def dots(picture):
    found = re.findall(r'<circle cx="([\d.-]+)" cy="([\d.-]+)"', picture.read_text(encoding="utf-8"))
    return np.array(found, float)


def apart(boxes):
    return all(
        (np.abs(a - b) >= 0.5 * (np.array(size_a) + size_b)).any()
        for (a, size_a), (b, size_b) in combinations(boxes, 2)
    )


def test_there_are_pictures():
    assert {picture.stem for picture in PICTURES} >= {"topology", "topology_nose", "topology_mouth"}


def test_the_whole_face_has_every_number_once():
    assert set(numbers(ROOT / "docs" / "images" / "topology.svg")) == set(range(ALL_POINTS))


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
class TestPicture:
    def test_is_small(self, picture):
        assert picture.stat().st_size < LARGEST_BYTES

    def test_no_number_covers_another(self, picture):
        assert apart(numbers(picture).values())

    def test_no_number_covers_a_dot(self, picture):
        points = dots(picture)
        for centre, size in numbers(picture).values():
            assert not (np.abs(points - centre) < 0.5 * np.array(size)).all(axis=1).any()

    def test_every_number_lies_in_the_picture(self, picture):
        left, top, width, height = map(float, re.search(r'viewBox="([^"]+)"', picture.read_text())[1].split())
        for centre, size in numbers(picture).values():
            assert (centre - 0.5 * np.array(size) >= [left, top]).all()
            assert (centre + 0.5 * np.array(size) <= [left + width, top + height]).all()

    def test_a_number_away_from_its_dot_has_a_line_to_it(self, picture):
        lines = re.findall(r'<path d="M([\d.-]+) ([\d.-]+)L[^"ML]+"', picture.read_text(encoding="utf-8"))
        begins = {(float(x), float(y)) for x, y in lines}
        for (centre, size), dot in zip(numbers(picture).values(), dots(picture), strict=True):
            far = (np.abs(centre - dot) > 0.5 * np.array(size) + size[1]).any()
            assert not far or tuple(dot) in begins


@pytest.mark.parametrize("picture", [one for one in PICTURES if one.stem != "topology"], ids=lambda path: path.stem)
def test_the_picture_of_a_part_is_the_reference_face_at_one_scale(picture):
    indices, points = np.array(list(numbers(picture))), dots(picture)
    of_surface = indices < SURFACE_POINTS
    face = reference_face()[indices[of_surface], :2]
    across, down = np.ptp(points[of_surface], axis=0) / np.ptp(face, axis=0)
    assert across == pytest.approx(down, rel=1e-3)
    origins = points[of_surface] - across * face
    assert (np.ptp(origins, axis=0) < 0.5).all()


def test_the_whole_face_shows_the_persons_right_on_the_left_and_the_forehead_above():
    picture = ROOT / "docs" / "images" / "topology.svg"
    at = dict(zip(numbers(picture), dots(picture), strict=True))
    surface = reference_face()
    right, left = (np.flatnonzero(side) for side in (surface[:, 0] < -1e-6, surface[:, 0] > 1e-6))
    assert max(at[i][0] for i in right) < min(at[i][0] for i in left)
    order = np.argsort(surface[:, 1])
    assert (np.diff([at[i][1] for i in order]) > -0.11).all()  # written to 0.1 px


def test_the_pictures_of_parts_show_those_parts():
    topology, folder = face_topology(), ROOT / "docs" / "images"
    for name, parts in {
        "topology_mouth": ("lips",),
        "topology_right_eye": ("right_eye", "right_eyebrow", "right_iris"),
        "topology_left_eye": ("left_eye", "left_eyebrow", "left_iris"),
    }.items():
        shown = set(numbers(folder / f"{name}.svg"))
        assert all(set(topology.groups[part].tolist()) <= shown for part in parts), name


@pytest.mark.parametrize("count", [0, 1, 2, 60])
def test_labels_find_places_apart_from_each_other_and_within_the_picture(label_places, count):
    random = np.random.default_rng(3)
    points, sizes = random.uniform(6.0, 394.0, (count, 2)), np.full((count, 2), [24.0, 10.0])
    places = label_places(points, sizes, (400.0, 400.0))
    assert places.shape == (count, 2)
    assert apart([(place, (24.0, 10.0)) for place in places])
    assert (places >= [12.0, 5.0]).all() and (places <= [388.0, 395.0]).all()
    np.testing.assert_array_equal(places, label_places(points, sizes, (400.0, 400.0)))


def test_labels_move_with_their_dots(label_places):
    points, sizes = np.array([[100.0, 100.0], [108.0, 100.0], [104.0, 106.0]]), np.full((3, 2), [24.0, 10.0])
    moved = label_places(points + [50.0, 30.0], sizes, (400.0, 400.0))
    np.testing.assert_allclose(moved, label_places(points, sizes, (400.0, 400.0)) + [50.0, 30.0])
