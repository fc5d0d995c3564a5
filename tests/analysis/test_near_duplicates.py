"""Near-duplicates: planted ones are found, and the gains are those of the points left."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resmem_core.analysis import near_duplicates as module
from resmem_core.analysis.near_duplicates import FRACTION, near_duplicates
from resmem_core.common.errors import InvalidParameterError
from resmem_core.data.types import Examples
from resmem_core.evaluation.evaluate import evaluate
from resmem_core.memory.types import Memory, Neighbors, Params, Queries

NAMES = ("x", "y", "z")
PARAMS = Params(3, 0.4)


def experiment(distances, seed=0, n_memory=50):
    """Return memory, queries at these distances from their nearest memory, and the evaluation."""
    rng = np.random.default_rng(seed)
    m = len(distances)
    memory = Memory(rng.normal(size=(n_memory, 3)).astype(np.float32), rng.integers(0, 3, n_memory))
    beyond = np.asarray(distances)[:, None] + np.array([0, 0.1, 0.2])
    ids = np.stack([rng.permutation(n_memory)[:3] for _ in range(m)])
    found = Neighbors(beyond.astype(np.float32), ids)
    queries = Queries(rng.normal(size=(m, 3)).astype(np.float32), rng.integers(0, 3, m), found)
    return memory, queries, evaluate(memory, queries, PARAMS, NAMES)


def images(rng, n, channels=1):
    return rng.integers(0, 256, (n, channels, 4, 5)).astype(np.uint8)


DISTANCES = np.array([1.0, 0.2, 1.2, 0.0, 0.9, 0.6, 1.1, 1.3, 0.49])  # their median is 0.9


def test_planted_ones_are_found_nearest_first():
    memory, queries, result = experiment(DISTANCES)
    for fraction in (-0.1, 1.1, np.nan, "half", True):
        with pytest.raises(InvalidParameterError, match="fraction="):
            near_duplicates(memory, queries, result, fraction=fraction)
    near = near_duplicates(memory, queries, result)
    assert near.typical == pytest.approx(0.9)
    assert near.threshold == pytest.approx(0.9 * FRACTION)
    assert near.points.tolist() == [3, 1]
    assert near.ids.tolist() == queries.neighbors.indices[[3, 1], 0].tolist()
    assert near.distances.tolist() == pytest.approx([0, 0.2])
    assert near.exact.tolist() == [True, False]
    assert near.pixel_difference is None
    assert near.everything.gain == pytest.approx(result.delta)
    assert near.everything.gain_ci95 == result.delta_ci95
    assert near.labels.tolist() == queries.labels[[3, 1]].tolist()
    assert near.memory_labels.tolist() == memory.labels[near.ids].tolist()
    assert near.same_label.tolist() == (near.labels == near.memory_labels).tolist()


@settings(max_examples=60)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=40), st.floats(0, 1), st.integers(0, 99))
def test_all_points_are_among_or_without(steps, fraction, seed):
    nearest = np.array(steps) / 4
    memory, queries, result = experiment(nearest, seed)
    near = near_duplicates(memory, queries, result, fraction=fraction)
    limit = np.float32(fraction * np.median(queries.neighbors.distances[:, 0]))
    inside = queries.neighbors.distances[:, 0] <= limit
    assert sorted(near.points.tolist()) == np.flatnonzero(inside).tolist()
    assert (np.diff(near.distances) >= 0).all()
    for group, rows in ((near.everything, np.ones(len(inside), bool)), (near.among, inside), (near.without, ~inside)):
        if not rows.any():
            assert group is None
            continue
        assert (group.n, group.fixed, group.broken) == (
            rows.sum(),
            (result.outcome[rows] == "fixed").sum(),
            (result.outcome[rows] == "broken").sum(),
        )
        assert group.resmem == pytest.approx((result.predictions["resmem"] == queries.labels)[rows].mean())


@pytest.mark.parametrize(
    ("distances", "fraction", "copies"), [(DISTANCES, 0, [3]), ([0, 0, 0, 0.5, 0.7], 1, [0, 1, 2])]
)
def test_at_0_or_where_most_have_a_copy_only_exact_copies_count(distances, fraction, copies):
    near = near_duplicates(*experiment(distances), fraction=fraction)
    assert (near.threshold, near.points.tolist()) == (0, copies)
    assert near.exact.all()


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_compared(channels, monkeypatch):
    rng = np.random.default_rng(0)
    memory, queries, result = experiment(DISTANCES)
    train = Examples(memory.labels, images(rng, len(memory), channels))
    test = Examples(queries.labels, images(rng, len(queries), channels))
    test.images[1] = train.images[queries.neighbors.indices[1, 0]]
    expected = [
        np.abs(test.images[p].astype(float) - train.images[queries.neighbors.indices[p, 0]]).mean() for p in range(9)
    ]
    for at_a_time in (1, 2**22):
        monkeypatch.setattr(module, "PIXELS", at_a_time)
        near = near_duplicates(memory, queries, result, fraction=1, train=train, test=test)
        assert near.pixel_difference.tolist() == pytest.approx([expected[p] for p in near.points])
    assert dict(zip(near.points.tolist(), near.exact.tolist(), strict=True)) == {
        **dict.fromkeys(near.points.tolist(), False),
        3: True,  # the same embedding
        1: True,  # the same pixels
    }


@pytest.mark.parametrize("with_images", [False, True])
def test_as_json(with_images):
    rng = np.random.default_rng(0)
    memory, queries, result = experiment(DISTANCES)
    train, test = (images(rng, n) if with_images else None for n in (50, 9))
    seen = {"train": Examples(memory.labels, train), "test": Examples(queries.labels, test)}
    near = near_duplicates(memory, queries, result, **seen)
    told = json.loads(json.dumps(near.as_dict(NAMES), allow_nan=False))
    assert (told["n"], told["n_exact"]) == (2, 1)
    assert [pair["point"] for pair in told["pairs"]] == [3, 1]
    assert [pair["label"] for pair in told["pairs"]] == [NAMES[label] for label in near.labels]
    assert [pair["pixel_difference"] is None for pair in told["pairs"]] == [not with_images] * 2
    assert told["gain"]["without"]["n"] == 7
    nobody = near_duplicates(*experiment(DISTANCES + 1), fraction=0)
    assert nobody.as_dict(NAMES)["gain"]["among"] is None
