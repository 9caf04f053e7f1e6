"""Laws of the mesh's connectivity; none of them is a copy of the data."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from facemesh_ros.errors import InputError
from facemesh_ros.topology import (
    ALL_POINTS,
    RIGID,
    STEADY_SHARE,
    SURFACE_POINTS,
    Topology,
    face_normals,
    face_topology,
    mirror_points,
    reference_face,
    steady_points,
)

OPEN_TRIANGLES = 852
"""Of the tesselation; the other 46 fill the mouth (a 20-gon: 18) and the eyes (16-gons: 14 each)."""
LOPSIDED_EDGES = 6
"""Diagonals of the published tesselation that are not split alike on the left and on the right."""

BOTH = pytest.mark.parametrize("point_count", [SURFACE_POINTS, ALL_POINTS])


def edge_set(edges) -> set[frozenset[int]]:
    return {frozenset(map(int, edge)) for edge in edges}


def loop_sides(loop) -> set[frozenset[int]]:
    return edge_set(zip(loop, np.roll(loop, -1), strict=True))


def directed_sides(triangles) -> Counter[tuple[int, int]]:
    return Counter((int(t[i]), int(t[(i + 1) % 3])) for t in triangles for i in range(3))


def sides(triangles) -> set[frozenset[int]]:
    return {frozenset(side) for side in directed_sides(triangles)}


def rim(triangles) -> set[frozenset[int]]:
    """Sides of one triangle only."""
    directed = directed_sides(triangles)
    return {frozenset((a, b)) for a, b in directed if (b, a) not in directed}


def euler_characteristic(triangles) -> int:
    return len(np.unique(triangles)) - len(sides(triangles)) + len(triangles)


def flattened(topology: Topology) -> np.ndarray:
    """(468, 2): Tutte's embedding, the face oval on a circle and every other point amid its neighbours."""
    oval = topology.loops["face_oval"]
    matrix, target = np.eye(SURFACE_POINTS), np.zeros((SURFACE_POINTS, 2))
    for a, b in map(tuple, sides(topology.triangles)):
        matrix[a, b] = matrix[b, a] = -1.0
    np.fill_diagonal(matrix, 1.0 - matrix.sum(axis=1))
    turn = 2.0 * np.pi * np.arange(len(oval)) / len(oval)  # from the forehead, which is on the axis
    matrix[oval], target[oval] = np.eye(SURFACE_POINTS)[oval], np.stack([np.sin(turn), -np.cos(turn)], axis=1)
    return np.linalg.solve(matrix, target)


def mirror(topology: Topology) -> np.ndarray:
    """(468,): each point's partner on the other side of the face, by its place in the flattened mesh."""
    places = flattened(topology)
    distances = np.linalg.norm(places[:, None] * [-1.0, 1.0] - places[None], axis=2)
    return linear_sum_assignment(distances)[1]


@BOTH
def test_the_published_counts_hold(point_count):
    topology = face_topology(point_count)
    assert topology.triangles.shape == (898, 3)
    assert topology.tesselation.shape == (1322, 2)
    assert topology.contours.shape == (124, 2)
    assert topology.irises.shape == ((8, 2) if point_count == ALL_POINTS else (0, 2))
    assert len(edge_set(topology.tesselation)) == 1322
    assert len(edge_set(topology.contours)) == 124


@BOTH
def test_every_index_is_a_point(point_count):
    topology = face_topology(point_count)
    mappings = (topology.loops, topology.paths, topology.groups)
    arrays = [array for mapping in mappings for array in mapping.values()]
    for array in [topology.triangles, topology.tesselation, topology.contours, topology.irises, *arrays]:
        assert array.dtype == np.uint16
        assert np.all(array < point_count)
    assert max(topology.points.values()) < point_count


def test_triangles_use_every_surface_point_and_no_iris_point():
    assert np.array_equal(np.unique(face_topology().triangles), np.arange(SURFACE_POINTS))


def test_the_closed_surface_is_a_disc_bounded_by_the_face_oval():
    topology = face_topology()
    assert euler_characteristic(topology.triangles) == 1
    assert rim(topology.triangles) == loop_sides(topology.loops["face_oval"])


def test_the_open_surface_has_three_holes_the_eyes_and_the_mouth():
    topology = face_topology()
    surface = topology.triangles[:OPEN_TRIANGLES]
    openings = [topology.loops[name] for name in ("face_oval", "right_eye", "left_eye", "lips_inner")]
    assert euler_characteristic(surface) == 1 - 3
    assert rim(surface) == set().union(*map(loop_sides, openings))


def test_the_tesselation_is_the_sides_of_the_open_surface():
    topology = face_topology()
    assert edge_set(topology.tesselation) == sides(topology.triangles[:OPEN_TRIANGLES])


def test_all_triangles_are_wound_alike():
    assert max(directed_sides(face_topology().triangles).values()) == 1


def test_triangles_do_not_fold_and_face_outwards_when_flattened():
    topology = face_topology()
    a, b, c = np.moveaxis(flattened(topology)[topology.triangles], 1, 0)
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    # Image axes, y down: a normal towards the camera has negative z. Some triangles are flat.
    assert np.all(ux * vy - uy * vx < 1e-9)


def test_left_and_right_are_mirror_images():
    topology = face_topology()
    partner = mirror(topology)
    assert np.array_equal(partner[partner], np.arange(SURFACE_POINTS))
    edges = edge_set(topology.tesselation)
    assert len(edge_set(partner[topology.tesselation]) - edges) == LOPSIDED_EDGES
    assert edge_set(partner[topology.contours]) == edge_set(topology.contours)
    for name in ("eye", "eyebrow_upper", "eyebrow_lower"):
        outlines = {**topology.loops, **topology.paths}
        assert np.array_equal(partner[outlines[f"right_{name}"]], outlines[f"left_{name}"])
    for point in ("nose_tip", "chin", "forehead", "upper_lip", "lower_lip"):
        assert partner[topology.points[point]] == topology.points[point]


def test_contours_are_edges_of_the_tesselation():
    topology = face_topology()
    assert edge_set(topology.contours) <= edge_set(topology.tesselation)


def test_loops_close_and_pass_each_point_once():
    topology = face_topology()
    edges = edge_set(topology.contours) | edge_set(topology.irises)
    for name, loop in topology.loops.items():
        assert len(np.unique(loop)) == len(loop), name
        assert loop_sides(loop) <= edges, name


@BOTH
def test_groups_share_no_point(point_count):
    groups = face_topology(point_count).groups
    assert ("left_iris" in groups) == (point_count == ALL_POINTS)
    for (name, points), (other, others) in combinations(groups.items(), 2):
        assert not np.intersect1d(points, others).size, (name, other)


def test_each_iris_group_begins_with_its_centre():
    topology = face_topology()
    for side in ("right", "left"):
        assert topology.groups[f"{side}_iris"][0] == topology.points[f"{side}_iris_center"]


def test_loading_twice_gives_one_read_only_object():
    assert face_topology() is face_topology()
    with pytest.raises(ValueError, match="read-only"):
        face_topology().triangles[0, 0] = 1
    with pytest.raises(TypeError):
        face_topology().groups["lips"] = np.zeros(1)


@pytest.mark.parametrize("point_count", [0, 467, 479])
def test_another_number_of_points_is_refused(point_count):
    with pytest.raises(InputError, match=f"is {point_count}; a face mesh has 468 points, or 478"):
        face_topology(point_count)


def test_the_reference_face_is_symmetric_and_as_large_as_a_head():
    face, mirror = reference_face(), mirror_points().astype(int)
    assert (mirror[mirror] == np.arange(468)).all()
    assert np.abs(face - (face * [-1, 1, 1])[mirror]).max() <= 1e-3
    named = face_topology().points
    right, left = (
        face[[named[f"{side}_eye_outer"], named[f"{side}_eye_inner"]]].mean(axis=0) for side in ("right", "left")
    )
    assert left - right == pytest.approx([0.063, 0.0, 0.0], abs=1e-3)
    assert 0.13 < np.ptp(face[:, 0]) < 0.16 and 0.15 < np.ptp(face[:, 1]) < 0.18


def test_the_reference_face_looks_out_of_the_image_upright_from_its_sellion():
    face, named = reference_face(), face_topology().points
    assert face[168] == pytest.approx([0, 0, 0], abs=1e-4)
    assert face[named["nose_tip"], 2] == face[:, 2].min(), "the nose tip is nearest"
    assert face[named["forehead"], 1] < face[168, 1] < face[named["nose_tip"], 1] < face[named["chin"], 1]


def test_the_reference_face_and_its_pairs_are_read_only():
    for array in (reference_face(), mirror_points()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_mirror_points_exchange_the_named_sides():
    mirror = mirror_points()
    for name, index in face_topology(468).points.items():
        other = name.replace("right", "LEFT").replace("left", "right").replace("LEFT", "left")
        assert mirror[index] == face_topology(468).points[other], name


def test_mirrored_irises_exchange_sides_and_keep_top_and_bottom():
    mirror = mirror_points(478)
    assert (mirror[mirror] == np.arange(478)).all()
    centre, image_right, top, image_left, bottom = mirror[468:473] - 473
    assert (centre, image_right, top, image_left, bottom) == (0, 3, 2, 1, 4)


def eye_centres(face):
    named = face_topology().points
    corners = [[named[f"{side}_eye_outer"], named[f"{side}_eye_inner"]] for side in ("right", "left")]
    return [face[pair].mean(axis=0) for pair in corners]


def test_no_triangle_of_the_reference_face_is_folded_and_all_face_the_viewer():
    a, b, c = reference_face()[face_topology().triangles.astype(int)].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    assert (normals[:, 2] < 0.0).all(), "image axes: towards the viewer z is negative"
    assert np.linalg.norm(normals, axis=1).min() > 1e-6, "no triangle has collapsed: 2 mm² are left of each"


def test_normals_are_unit_vectors_out_of_the_face_and_mirror_with_it():
    normals, mirror = face_normals(reference_face()), mirror_points().astype(int)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(468))
    assert normals[4] == pytest.approx([0, 0, -1], abs=0.3), "the nose points at the viewer"
    assert normals[234, 0] < -0.7 and normals[454, 0] > 0.7, "the cheeks at the sides"
    assert np.abs(normals - (normals * [-1, 1, 1])[mirror]).max() < 0.15, "but for a few diagonals"


def test_the_reference_face_has_the_measures_of_adults():
    face, named = reference_face(), face_topology().points
    right, left = eye_centres(face)
    assert np.linalg.norm(left - right) == pytest.approx(0.063, abs=1e-3)
    # Zhuang and Bradtmiller 2005, means of men and women: menton-sellion 118 mm, bizygomatic 139 mm.
    assert np.linalg.norm(face[named["chin"]] - face[168]) == pytest.approx(0.118, abs=0.005)
    assert np.linalg.norm(face[234] - face[454]) == pytest.approx(0.139, abs=0.005)


def test_the_rigid_points_are_symmetric():
    assert set(mirror_points()[RIGID].tolist()) == set(RIGID.tolist())


def test_the_steady_points_are_symmetric_and_off_lips_brows_and_rim():
    steady, groups = steady_points(), face_topology().groups
    assert set(mirror_points()[steady].tolist()) == set(steady.tolist())
    assert len(steady) == round(STEADY_SHARE * 468) == 187
    for name in ("lips", "right_eyebrow", "left_eyebrow", "face_oval"):
        assert not np.isin(steady, groups[name]).any(), name
    assert (np.ptp(reference_face()[[*steady, *RIGID]], axis=0) > [0.13, 0.09, 0.07]).all(), "with the rigid ones"
