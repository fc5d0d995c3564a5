"""The algorithm against its invariants, and against a reference written query by query."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax

from resmem_core.common.errors import InvalidParameterError
from resmem_core.memory.residuals import (
    auto_sigma,
    knn_scores,
    neighbor_weights,
    probabilities,
    project_to_simplex,
    residuals,
    resmem_scores,
    resmem_values,
    weighted_rows,
)

KINDS = [(library, dtype) for library in ("numpy", "torch") for dtype in ("float32", "float64")]
each_kind = pytest.mark.parametrize(("library", "dtype"), KINDS)
quick = settings(max_examples=25)
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}

POSITIVE = st.floats(1e-3, 1e3)
NOT_POSITIVE = [0, -1, math.nan, math.inf, -math.inf, "1", True, None]


def of(library, array):
    return array if library == "numpy" else torch.from_numpy(np.array(array))


class Case:
    """Random logits, labels and neighbours of a few queries; sizes and values by hypothesis."""

    def __init__(self, rng, n, m, k, c, spread):
        self.rng = rng
        self.memory_points, self.query_points = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
        self.memory_logits, self.query_logits = (spread * rng.normal(size=(rows, c)) for rows in (n, m))
        self.labels = rng.integers(0, c, n)
        self.k, self.c, self.spread = k, c, spread
        self.search()

    def search(self, k=None):
        d = np.linalg.norm(self.query_points[:, None] - self.memory_points[None], axis=2)
        self.indices = np.argsort(d, axis=1, kind="stable")[:, : k or self.k]
        self.distances = np.take_along_axis(d, self.indices, axis=1)

    def inputs(self, library="numpy", dtype="float64"):
        floats = [a.astype(dtype) for a in (self.query_logits, self.memory_logits, self.distances)]
        return tuple(of(library, a) for a in (floats[0], floats[1], self.labels, floats[2], self.indices))

    def scores(self, library="numpy", dtype="float64", **numbers):
        s = resmem_scores(*self.inputs(library, dtype), **{"sigma": 1.0, "temperature": 1.0, **numbers})
        assert isinstance(s, np.ndarray if library == "numpy" else torch.Tensor)
        assert str(s.dtype).removeprefix("torch.") == dtype
        return np.asarray(s, dtype=np.float64)

    def one_hot(self):
        return np.eye(self.c)[self.labels]


@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 30))
    return Case(
        rng,
        n=n,
        m=draw(st.integers(1, 6)),
        k=draw(st.integers(1, n)),
        c=draw(st.integers(2, 6)),
        spread=draw(st.sampled_from([0.0, 0.1, 1.0, 10.0, 100.0])),
    )


def reference(case, sigma, temperature):
    """Return s(x) as ALGORITHM states it, one query and one neighbour at a time, in float64."""
    rows = []
    for logits, distances, ids in zip(case.query_logits, case.distances, case.indices, strict=True):
        s = softmax(logits / temperature)
        weights = np.exp(-(distances - distances.min()) / sigma)
        for w, i in zip(weights / weights.sum(), ids, strict=True):
            residual = np.eye(case.c)[case.labels[i]] - softmax(case.memory_logits[i] / temperature)
            s = s + w * residual
        rows.append(s)
    return np.array(rows)


def in_each_kind(**drawn):
    """Let a test go through both libraries and precisions, with cases and numbers drawn by hypothesis."""
    return lambda test: each_kind(quick(given(case=cases(), **drawn)(test)))


@in_each_kind(sigma=POSITIVE, temperature=st.floats(0.1, 10), gamma=st.floats(0, 3))
def test_gamma_multiplies_what_memory_adds(library, dtype, case, sigma, temperature, gamma):
    base = softmax(case.query_logits / temperature, axis=1)
    expected = base + gamma * (case.scores(sigma=sigma, temperature=temperature) - base)
    found = case.scores(library, dtype, sigma=sigma, temperature=temperature, gamma=gamma)
    np.testing.assert_allclose(found, expected, atol=1e-12 if dtype == "float64" else 5e-3)


# The invariants --------------------------------------------------------------------------------------------


@in_each_kind(sigma=POSITIVE, temperature=st.floats(0.1, 10))
def test_scores_are_those_of_the_formula(library, dtype, case, sigma, temperature):
    expected = reference(case, sigma, temperature)
    atol = 1e-12 if dtype == "float64" else 2e-3 if case.spread / temperature > 10 or sigma < 0.1 else 2e-5
    found = case.scores(library, dtype, sigma=sigma, temperature=temperature)
    np.testing.assert_allclose(found, expected, atol=atol)


@in_each_kind(sigma=POSITIVE, temperature=POSITIVE)
def test_1_rows_sum_to_1_and_entries_lie_between_minus_1_and_2(library, dtype, case, sigma, temperature):
    s = case.scores(library, dtype, sigma=sigma, temperature=temperature)
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(s.sum(axis=1), 1, atol=tolerance)
    assert s.min() >= -1 - tolerance
    assert s.max() <= 2 + tolerance


@in_each_kind(sigma=POSITIVE, temperature=POSITIVE)
def test_2_its_own_only_neighbour_gives_exactly_its_label(library, dtype, case, sigma, temperature):
    case.query_points, case.query_logits = case.memory_points, case.memory_logits
    case.search(k=1)
    np.testing.assert_array_equal(case.indices[:, 0], np.arange(len(case.labels)))
    s = case.scores(library, dtype, sigma=sigma, temperature=temperature)
    np.testing.assert_array_equal(s, case.one_hot())


@in_each_kind(sigma=st.sampled_from([5e-324, 1e-310, 1e-100, 1e-40, 1e-20]))
def test_3_tiny_sigma_gives_the_nearest_alone(library, dtype, case, sigma):
    assume(case.k == 1 or (np.diff(case.distances[:, :2]) > 1e-6).all())
    s = case.scores(library, dtype, sigma=sigma)
    case.search(k=1)
    np.testing.assert_array_equal(s, case.scores(library, dtype, sigma=1.0))


@in_each_kind(sigma=st.sampled_from([1e20, 1e100, 1.7e308]))
def test_3_huge_sigma_gives_the_plain_average(library, dtype, case, sigma):
    s = case.scores(library, dtype, sigma=sigma)
    case.distances = np.zeros_like(case.distances)
    np.testing.assert_allclose(s, case.scores(library, dtype), atol=TOLERANCE[dtype])


@in_each_kind(sigma=POSITIVE, temperature=st.sampled_from([1e20, 1e100, 1.7e308]))
def test_4_at_infinite_temperature_the_base_cancels(library, dtype, case, sigma, temperature):
    _, _, labels, distances, indices = case.inputs(library, dtype)
    vote = knn_scores(labels, indices, neighbor_weights(distances, sigma), case.c)
    s = case.scores(library, dtype, sigma=sigma, temperature=temperature)
    np.testing.assert_allclose(s, np.asarray(vote), atol=TOLERANCE[dtype])


@in_each_kind(sigma=POSITIVE)
def test_5_without_residuals_the_base_stays(library, dtype, case, sigma):
    case.memory_logits = 1e4 * case.one_hot()  # p is exactly the label
    base = probabilities(case.query_logits.astype(dtype))
    np.testing.assert_allclose(case.scores(library, dtype, sigma=sigma), base, atol=TOLERANCE[dtype])


@in_each_kind(sigma=POSITIVE)
def test_6_the_order_of_memory_does_not_matter(library, dtype, case, sigma):
    before = case.scores(library, dtype, sigma=sigma)
    order = case.rng.permutation(len(case.labels))
    case.memory_logits, case.labels = case.memory_logits[order], case.labels[order]
    case.indices = np.argsort(order)[case.indices]
    np.testing.assert_array_equal(case.scores(library, dtype, sigma=sigma), before)


@in_each_kind(sigma=POSITIVE, factor=st.sampled_from([2.0**-20, 0.5, 4.0, 2.0**20]))
def test_6_scaling_distances_and_sigma_alike_changes_nothing(library, dtype, case, sigma, factor):
    before = case.scores(library, dtype, sigma=sigma)
    case.distances = factor * case.distances
    np.testing.assert_array_equal(case.scores(library, dtype, sigma=factor * sigma), before)


@in_each_kind(sigma=st.floats(0.05, 1e3), temperature=POSITIVE)
def test_7_running_sums_give_every_k(library, dtype, case, sigma, temperature):
    query_logits, memory_logits, labels, distances, indices = case.inputs(dtype=dtype)
    base = probabilities(query_logits, temperature).astype(float)
    table = residuals(memory_logits, labels, temperature).astype(float)
    w = np.exp(-(distances - distances[:, :1]).astype(float) / sigma)
    sums = np.cumsum(w[:, :, None] * table[indices], axis=1)  # (M, K, C)
    totals = np.cumsum(w, axis=1)
    for k in {1, (case.k + 1) // 2, case.k}:
        case.search(k=k)
        running = base + sums[:, k - 1] / totals[:, k - 1, None]
        found = case.scores(library, dtype, sigma=sigma, temperature=temperature)
        np.testing.assert_allclose(found, running, atol=1e-4 if dtype == "float32" else 1e-12)


# The pieces ------------------------------------------------------------------------------------------------


@in_each_kind(temperature=POSITIVE)
def test_residual_rows_sum_to_0(library, dtype, case, temperature):
    _, logits, labels, _, _ = case.inputs(library, dtype)
    table = np.asarray(residuals(logits, labels, temperature))
    np.testing.assert_allclose(table.sum(axis=1), 0, atol=TOLERANCE[dtype])
    expected = case.one_hot() - softmax(np.asarray(logits, float) / temperature, axis=1)
    np.testing.assert_allclose(table, expected, atol=1e-4 if dtype == "float32" else 1e-12)


@each_kind
@pytest.mark.parametrize("temperature", [5e-324, 1e-100, 1e-30])
def test_tiny_temperature_gives_the_largest_logit_alone(library, dtype, temperature):
    logits = np.array([[1.0, 3.0, 2.0], [-1e30, -1e30, -1e31], [0.0, -np.inf, -1.0]], dtype=dtype)
    p = probabilities(of(library, logits), temperature)
    np.testing.assert_array_equal(p, [[0, 1, 0], [0.5, 0.5, 0], [1, 0, 0]])


@each_kind
@quick
@given(
    distances=arrays(np.float64, (3, 5), elements=st.floats(0, 1e6, width=32)),
    sigma=st.floats(5e-324, 1.7e308) | st.sampled_from([5e-324, 1e-46, 1e-38, 1e38]),
)
def test_weights_are_a_distribution_that_falls_with_distance(library, dtype, distances, sigma):
    d = distances.astype(dtype)
    w = np.asarray(neighbor_weights(of(library, d), sigma))
    assert w.dtype == dtype
    np.testing.assert_allclose(w.sum(axis=1), 1, atol=TOLERANCE[dtype])
    assert (w >= 0).all()
    by_distance = np.take_along_axis(w, np.argsort(d, axis=1), axis=1)
    assert (np.diff(by_distance, axis=1) <= 0).all()


def test_weights_of_known_distances():
    w = neighbor_weights(np.array([[0.0, math.log(2), math.log(4)]]), 1.0)
    np.testing.assert_allclose(w, [[4 / 7, 2 / 7, 1 / 7]])
    np.testing.assert_allclose(neighbor_weights(np.array([[1e9, 1e9 + 1]]), 1.0), [softmax(np.array([0.0, -1]))])
    whole = weighted_rows(np.array([[1, 0], [0, 4]]), np.array([[0, 1]]), np.array([[0.5, 0.5]]))
    np.testing.assert_array_equal(whole, [[0.5, 2]])


@quick
@given(case=cases(), sigma=POSITIVE)
def test_vote_and_weighted_rows_are_sums_over_neighbours(case, sigma):
    w = neighbor_weights(case.distances, sigma)
    vote = np.einsum("mk,mkc->mc", w, case.one_hot()[case.indices])
    np.testing.assert_allclose(knn_scores(case.labels, case.indices, w, case.c), vote, atol=1e-12)
    rows = np.einsum("mk,mkc->mc", w, case.memory_logits[case.indices])
    np.testing.assert_allclose(weighted_rows(case.memory_logits, case.indices, w), rows, atol=1e-11)


@in_each_kind(sigma=st.floats(0.1, 1e3))
def test_regression_is_the_same_with_residuals_of_values(library, dtype, case, sigma):
    f, memory_f, _, distances, indices = case.inputs(library, dtype)
    y = case.rng.normal(size=memory_f.shape).astype(dtype)
    r = of(library, y) - memory_f
    found = resmem_values(f, r, distances, indices, sigma=sigma)
    assert type(found) is type(f)
    assert found.dtype == f.dtype
    w = np.exp(-(case.distances - case.distances[:, :1]) / sigma)
    w /= w.sum(axis=1, keepdims=True)
    expected = case.query_logits + np.einsum("mk,mko->mo", w, (y - case.memory_logits)[case.indices])
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * max(1, case.spread))


@each_kind
def test_regression_passes_through_memory_points(library, dtype):
    rng = np.random.default_rng(0)
    f, y = rng.normal(size=(2, 20, 1)).astype(dtype)
    ids, zero = np.arange(20)[:, None], np.zeros((20, 1), dtype)
    values = (of(library, array) for array in (f, y - f, zero, ids))
    np.testing.assert_allclose(resmem_values(*values, sigma=1.0), y, atol=TOLERANCE[dtype])


# The projection --------------------------------------------------------------------------------------------

SCORES = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 7)), elements=st.floats(-1, 2))


def brute_force_projection(s):
    """Return max(s - threshold, 0) of the support, of all there are, whose threshold parts it best from the rest."""
    found = []
    for subset in range(1, 2 ** len(s)):
        support = np.array([subset >> i & 1 for i in range(len(s))], dtype=bool)
        threshold = (s[support].sum() - 1) / support.sum()
        wrong = max(threshold - s[support].min(), s[~support].max(initial=-np.inf) - threshold)
        found.append((wrong, threshold))
    return np.maximum(s - min(found)[1], 0)


@each_kind
@quick
@given(scores=SCORES)
def test_projection_is_the_nearest_probability_vector(library, dtype, scores):
    s = scores.astype(dtype)
    found = project_to_simplex(of(library, s))
    assert isinstance(found, np.ndarray if library == "numpy" else torch.Tensor)
    p = np.asarray(found)
    assert p.dtype == dtype
    expected = [brute_force_projection(row) for row in s.astype(float)]
    np.testing.assert_allclose(p, expected, atol=TOLERANCE[dtype])


@each_kind
@quick
@given(scores=SCORES | arrays(np.float64, (2, 5), elements=st.floats(-1e30, 1e30)))
def test_projection_sums_to_1_stays_and_keeps_the_winner(library, dtype, scores):
    s = scores.astype(dtype)
    p = np.asarray(project_to_simplex(of(library, s)))
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=TOLERANCE[dtype])
    assert (p >= 0).all()
    np.testing.assert_allclose(project_to_simplex(of(library, p)), p, atol=TOLERANCE[dtype])
    winner = np.take_along_axis(p, s.argmax(axis=1)[:, None], axis=1)
    np.testing.assert_array_equal(winner[:, 0], p.max(axis=1))


def test_projection_passes_nan_on():
    p = project_to_simplex(np.array([[math.nan, 0.0], [0.2, 0.8]]))
    assert np.isnan(p[0]).all()
    np.testing.assert_allclose(p[1], [0.2, 0.8])


# The automatic bandwidth -----------------------------------------------------------------------------------


@quick
@given(arrays(np.float64, st.integers(1, 50), elements=st.floats(1e-3, 1e3)), st.sampled_from([0.5, 2.0]))
def test_auto_sigma_scales_with_distances(nearest, factor):
    assert auto_sigma(nearest) == pytest.approx(0.3 * np.median(nearest))
    assert auto_sigma(factor * nearest) == pytest.approx(factor * auto_sigma(nearest))


@pytest.mark.parametrize(
    ("nearest", "expected"), [([0, 0, 0, 2, 4], 0.9), ([0, 0, 0], 1.0), ([], 1.0), ([[1], [1], [3]], 0.3)]
)
def test_auto_sigma_of_copies(nearest, expected):
    assert auto_sigma(np.array(nearest, dtype=np.float32)) == pytest.approx(expected)


# What is given, what comes back ----------------------------------------------------------------------------


@pytest.fixture
def case():
    return Case(np.random.default_rng(0), n=12, m=4, k=5, c=3, spread=1.0)


@pytest.mark.parametrize("value", NOT_POSITIVE)
def test_sigma_and_temperature_must_be_positive(case, value):
    for name in ("sigma", "temperature"):
        with pytest.raises(InvalidParameterError, match=f"{name}={value!r} must be a finite number above 0"):
            case.scores(**{name: value})
    with pytest.raises(InvalidParameterError, match="sigma="):
        resmem_values(case.query_logits, case.memory_logits, case.distances, case.indices, sigma=value)


@pytest.mark.parametrize(
    ("position", "cut"),
    [
        (0, np.s_[:3]),  # queries
        (0, np.s_[:, :2]),  # classes
        (0, np.s_[0]),
        (1, np.s_[:7]),  # memory
        (1, np.s_[:, :2]),
        (2, np.s_[:7]),
        (2, np.s_[:, None]),
        (3, np.s_[:3]),
        (3, np.s_[:, :2]),  # neighbours
        (4, np.s_[:, :2]),
        (4, np.s_[0]),
    ],
)
def test_shapes_that_disagree_are_quoted(case, position, cut):
    inputs = list(case.inputs())
    inputs[position] = inputs[position][cut]
    with pytest.raises(InvalidParameterError, match=r"expected query_logits \(M, C\)") as raised:
        resmem_scores(*inputs, sigma=1.0, temperature=1.0)
    assert str(inputs[position].shape) in str(raised.value)


def test_shapes_of_regression_that_disagree_are_quoted(case):
    with pytest.raises(InvalidParameterError, match=r"\(4, 2\), \(12, 3\)"):
        resmem_values(case.query_logits[:, :2], case.memory_logits, case.distances, case.indices, sigma=1.0)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("indices", lambda ids: ids[:, :0], "K >= 1"),
        ("indices", lambda ids: np.where(ids == ids[2, 1], -1, ids), "indices from -1 .*must lie between 0 and 11"),
        ("indices", lambda ids: np.where(ids == ids[2, 1], 12, ids), "indices from .*12 .*must lie between 0 and 11"),
        ("labels", lambda labels: np.append(-1, labels[1:]), "labels from -1 .*must lie between 0 and 2"),
        ("labels", lambda labels: np.append(3, labels[1:]), "labels from .*3 .*must lie between 0 and 2"),
        ("labels", lambda labels: labels + 0.5, "labels of type torch.float64 must be whole numbers"),
    ],
)
def test_neighbours_and_labels_that_there_are_not(case, name, change, said):
    setattr(case, name, change(getattr(case, name)))
    case.distances = case.distances[:, : case.indices.shape[1]]
    with pytest.raises(InvalidParameterError, match=said):
        case.scores()
    if name == "labels":
        with pytest.raises(InvalidParameterError, match=said):
            residuals(case.memory_logits, case.labels)


def test_no_queries(case):
    case.query_points, case.query_logits = case.query_points[:0], case.query_logits[:0]
    case.search()
    assert case.scores().shape == (0, 3)
    assert project_to_simplex(case.scores()).shape == (0, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_any_whole_numbers_index(case, dtype):
    expected = case.scores()
    case.labels, case.indices = case.labels.astype(dtype), case.indices.astype(dtype)
    np.testing.assert_array_equal(case.scores(), expected)


def test_inputs_stay_as_they_were_and_may_be_read_only(case):
    inputs = case.inputs()
    copies = [a.copy() for a in inputs]
    for a in inputs:
        a.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = resmem_scores(*inputs, sigma=1.0, temperature=1.0)
        residuals(inputs[1], inputs[2])
    assert found.flags.writeable
    for a, copy in zip(inputs, copies, strict=True):
        np.testing.assert_array_equal(a, copy)


@pytest.mark.parametrize("view", [np.s_[::-1], np.s_[::2]])
def test_views_with_any_strides(case, view):
    inputs = case.inputs()
    query_logits, distances, indices = (inputs[i][view] for i in (0, 3, 4))
    s = resmem_scores(query_logits, inputs[1], inputs[2], distances, indices, sigma=1.0, temperature=1.0)
    np.testing.assert_allclose(s, case.scores()[view], atol=1e-15)


def test_gradients_flow_through_logits_and_distances(case):
    query_logits, memory_logits, labels, distances, indices = case.inputs("torch")
    floats = [t.clone().requires_grad_() for t in (query_logits, memory_logits, distances)]

    def scores(q, m, d):
        return resmem_scores(q, m, labels, d, indices, sigma=0.7, temperature=1.3)

    assert torch.autograd.gradcheck(scores, floats)
    assert torch.autograd.gradcheck(lambda q, m, d: project_to_simplex(scores(q, m, d)), floats)


def test_no_array_over_queries_neighbours_and_classes():
    """Tensors made on the way hold M * K, M * C or N * C numbers, never M * K * C."""
    n, m, k, c = 50, 40, 30, 20
    case = Case(np.random.default_rng(0), n=n, m=m, k=k, c=c, spread=1.0)
    inputs = case.inputs("torch")

    class Largest(torch.utils._python_dispatch.TorchDispatchMode):
        numel = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            made = func(*args, **(kwargs or {}))
            for tensor in made if isinstance(made, (tuple, list)) else [made]:
                if isinstance(tensor, torch.Tensor):
                    self.numel = max(self.numel, tensor.numel())
            return made

    with Largest() as largest:
        resmem_scores(*inputs, sigma=1.0, temperature=1.0)
    assert 0 < largest.numel <= max(m * k, m * c, n * c)
