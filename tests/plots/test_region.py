"""Areas of the map: what lies inside, and their text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError
from resmem_core.plots.region import MAX_CORNERS, Region, class_counts

numbers = st.floats(-100, 100).map(lambda value: float(f"{value:.4g}"))
corners = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=MAX_CORNERS)


@given(corners)
def test_the_text_gives_the_region_back(corners):
    region = Region(tuple(corners))
    assert Region.parse(str(region)) == region


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=300))
def test_a_path_is_thinned_from_end_to_end(path):
    region = Region.of_path(*zip(*path, strict=True))
    assert len(region.corners) == min(len(path), MAX_CORNERS)
    assert (region.corners[0], region.corners[-1]) == (path[0], path[-1])
    assert set(region.corners) <= set(path)


@given(numbers, numbers, numbers, numbers)
def test_a_box_holds_what_lies_between_its_corners(x0, y0, x1, y1):
    region = Region(((x0, y0), (x1, y1)))
    points = np.random.default_rng(0).uniform(-100, 100, (200, 2))
    left, right, bottom, top = region.bounds
    x, y = points.T
    np.testing.assert_array_equal(region.contains(points), (left < x) & (x < right) & (bottom < y) & (y < top))


@given(st.integers(3, 12), st.integers(0, 2**32 - 1))
def test_a_convex_polygon_is_the_intersection_of_half_planes(n, seed):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, n))
    ring = np.column_stack([np.cos(angles), np.sin(angles)])
    points = rng.uniform(-1, 1, (200, 2))
    edges, to_point = np.roll(ring, -1, axis=0) - ring, points[:, None] - ring
    inside = (edges[:, 0] * to_point[..., 1] - edges[:, 1] * to_point[..., 0] > 0).all(axis=1)
    np.testing.assert_array_equal(Region(tuple(map(tuple, ring))).contains(points), inside)


def test_a_notch_lies_outside_and_so_does_what_is_nowhere():
    region = Region(((0, 0), (4, 0), (4, 4), (2, 1), (0, 4)))
    points = np.array([(2, 0.5), (2, 3), (0.5, 2), (np.nan, np.nan)], dtype=np.float32)
    assert region.contains(points).tolist() == [True, False, True, False]


def test_around_holds_all_points_that_are_placed():
    points = np.array([(1, 2), (3, 2), (np.nan, np.nan)], dtype=np.float32)
    assert Region.around(points).bounds == pytest.approx((0.8, 3.2, 1.9, 2.1))
    with pytest.raises(InvalidParameterError, match="no point"):
        Region.around(points[2:])


@pytest.mark.parametrize(
    "text", ["", "1_2", "1_2,3", "a_b,c_d", "1_2,nan_3", "1_2,inf_3", "1e999_0,1_1", ",".join(["1_2"] * 65), "1 2,3 4"]
)
def test_no_other_text_is_a_region(text):
    with pytest.raises(InvalidParameterError, match="region"):
        Region.parse(text)


def test_rows_inside_and_their_classes():
    points = {"train": np.array([(0, 0), (1, 1), (9, 9)], np.float32), "test": np.array([(1, 0), (0, 1)], np.float32)}
    labels = {"train": np.array([2, 1, 0]), "test": np.array([2, 2])}
    rows = {"train": np.array([0, 1, 2]), "test": np.array([1])}
    inside = Region(((-1, -1), (2, 2))).rows_inside(points, rows)
    assert {part: of_part.tolist() for part, of_part in inside.items()} == {"train": [0, 1], "test": [1]}
    counts = class_counts(inside, labels, np.array(["both right", "fixed"]), ("a", "b", "c"))
    assert [tuple(count) for count in counts] == [("c", 1, 1, 1, 0), ("b", 1, 0, 0, 0)]
