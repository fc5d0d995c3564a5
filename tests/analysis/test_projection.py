"""Maps of embeddings: what PCA and t-SNE place where, and what is kept."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resmem_core.analysis import projection as module
from resmem_core.analysis.projection import METHODS, Projection, pca, principal_components, project, sample, tsne
from resmem_core.common.errors import Cancelled, InvalidParameterError
from resmem_core.common.runner import NeedsPreparing
from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.edits import Edits


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "EXAGGERATED", 60)
    monkeypatch.setattr(module, "PLAIN", 60)


def clusters(sizes=(120, 20, 60), dimensions=5, seed=0):
    """Return points of three far clusters, by part, and their clusters."""
    rng = np.random.default_rng(seed)
    which = {part: rng.integers(0, 3, n) for part, n in zip(("train", "validation", "test"), sizes, strict=True)}
    centers = 20 * np.eye(3, dimensions)
    points = {
        part: (centers[of] + rng.normal(size=(len(of), dimensions))).astype(np.float32) for part, of in which.items()
    }
    return points, which


def neighbours_of_the_same_cluster(projection, which):
    places, labels = np.concatenate(list(projection.points.values())), np.concatenate(list(which.values()))
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(distances, np.inf)
    return (labels[distances.argmin(axis=1)] == labels).mean()


def test_pca_is_the_eigenvectors_of_the_training_points_covariance_far_from_zero_too():
    points, _ = clusters()
    found = pca(points)
    mean = points["train"].mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(points["train"], rowvar=False))
    assert found.facts["explained"] == pytest.approx(values[::-1][:2] / values.sum(), rel=1e-4)
    for part, places in found.points.items():
        assert places.dtype == np.float32
        expected = (points[part] - mean) @ vectors[:, ::-1][:, :2]
        np.testing.assert_allclose(np.abs(places), np.abs(expected), rtol=1e-3, atol=1e-3)
    far = {part: of_part + np.float32(10_000) for part, of_part in points.items()}
    assert pca(far).facts["explained"] == pytest.approx(pca(points).facts["explained"], rel=1e-2)


@settings(max_examples=20)
@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 99))
def test_pca_of_few_points_or_dimensions_is_filled_with_zeros(n, dimensions, seed):
    rng = np.random.default_rng(seed)
    parts = {part: rng.normal(size=(n, dimensions)).astype(np.float32) for part in ("train", "test")}
    placed, explained = principal_components(parts, 2)
    assert placed["test"].shape == (n, 2)
    assert np.isfinite(placed["test"]).all()
    assert 0 <= sum(explained) <= 1 + 1e-5
    if min(n, dimensions) < 2:
        assert not placed["train"][:, 1].any()


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), st.integers(4, 500))
def test_a_sample_is_as_large_as_it_may_be_and_names_rows_once(train, validation, test, limit):
    sizes = {"train": train, "validation": validation, "test": test}
    rows = sample(sizes, limit, seed=3)
    total = sum(map(len, rows.values()))
    assert total <= limit
    assert total == min(limit, sum(sizes.values())) or len(rows["train"]) == train
    for part, of_part in rows.items():
        assert (np.diff(of_part) > 0).all()
        assert len(of_part) == 0 or (of_part[0] >= 0 and of_part[-1] < sizes[part])
    assert len(rows["test"]) >= min(test, limit // 4)


def test_tsne_keeps_clusters_apart_and_is_the_same_for_a_seed(quick):
    points, which = clusters()
    steps = []
    found = tsne(points, seed=1, progress=steps.append)
    assert neighbours_of_the_same_cluster(found, which) == 1
    assert found.facts["kl_divergence"] > 0
    assert (steps[-1].done, steps[-1].total) == (120, 120)
    again, other = tsne(points, seed=1), tsne(points, seed=2)
    for part, places in found.points.items():
        np.testing.assert_array_equal(places, again.points[part])
        assert (places != other.points[part]).any()


def test_tsne_of_many_dimensions_and_of_a_sample(quick, monkeypatch):
    monkeypatch.setattr(module, "MAX_POINTS", 100)
    points, which = clusters(dimensions=80)
    found = tsne(points, seed=0)
    placed = {part: ~np.isnan(places[:, 0]) for part, places in found.points.items()}
    assert {part: int(of_part.sum()) for part, of_part in placed.items()} == {"train": 55, "validation": 20, "test": 25}
    assert (found.facts["n"], found.facts["n_placed"], found.sampled) == (200, 100, True)
    some = Projection("tsne", {part: found.points[part][kept] for part, kept in placed.items()}, {})
    assert neighbours_of_the_same_cluster(some, {part: which[part][kept] for part, kept in placed.items()}) == 1


def test_tsne_of_equal_points_stays_finite_and_of_too_few_is_refused(quick):
    same = {part: np.ones((15, 1), np.float32) for part in ("train", "validation", "test")}
    assert all(np.isfinite(places).all() for places in tsne(same).points.values())
    with pytest.raises(InvalidParameterError, match="t-SNE of 9 points"):
        tsne({"train": np.zeros((9, 2), np.float32)})


def test_tsne_can_be_cancelled_and_leaves_nothing_behind(quick):
    experiment = prepare(ExperimentConfig(limit_train=60))

    def cancel(step):
        if step.done >= 20 and "t-SNE" in step.stage:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        project(experiment, "tsne", progress=cancel)
    with pytest.raises(NeedsPreparing):
        project(experiment.without_waiting(), "tsne")
    assert not Store().clear("projection")


def test_a_map_is_made_once_whatever_the_index_and_the_edits():
    config = ExperimentConfig()
    experiment = prepare(config)
    found = project(experiment.without_waiting(), "pca")
    for same in (prepare(replace(config, index="annoy")), experiment.edited(Edits((1, 2)))):
        assert project(same, "pca").facts == found.facts
    project(prepare(replace(config, normalize=True)), "pca")
    assert len([entry for entry in Store().entries() if entry.kind == "projection"]) == 2
    assert list(METHODS) == ["pca", "tsne"]
    with pytest.raises(InvalidParameterError, match="choose one of: pca, tsne"):
        project(experiment, "umap")
    np.testing.assert_array_equal(
        found.points["test"], pca({p: experiment.embeddings(p) for p in found.points}).points["test"]
    )


def test_the_table_has_a_row_for_every_point_placed():
    dataset = prepare(ExperimentConfig()).dataset
    sizes = {part: len(getattr(dataset, part)) for part in ("train", "validation", "test")}
    points = {part: np.arange(2 * n, dtype=np.float32).reshape(n, 2) for part, n in sizes.items()}
    points["test"][3] = np.nan
    table = Projection("pca", points, {}).table(dataset)
    assert len(table) == sum(sizes.values()) - 1
    of_test = table[table["split"] == "test"]
    assert 3 not in set(of_test["row"])
    row = of_test[of_test["row"] == 5].iloc[0]
    assert (row["label"], row["name"]) == (dataset.class_names[dataset.test.labels[5]], str(dataset.test.names[5]))
    assert (row["x"], row["y"]) == (10, 11)
