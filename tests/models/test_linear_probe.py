"""The base model that stands in where data brings embeddings and no logits."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from resmem_core.common.errors import DatasetError
from resmem_core.common.runner import NeedsPreparing, Runner
from resmem_core.common.store import Store
from resmem_core.data import load_dataset
from resmem_core.models import fitted as base_model
from resmem_core.models.fitted import given
from resmem_core.models.linear_probe import NEVER, LinearProbe
from tests.data.made import arrays_of, without_logits


def clusters(n, n_classes, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    centers = np.random.default_rng(7).normal(size=(n_classes, 4))
    return (centers[labels] + rng.normal(size=(n, 4))).astype(np.float32), labels


def write(path, **more):
    np.savez(path, **without_logits({**arrays_of("train", 90, 0), **arrays_of("test", 30, 1)}), **more)
    return f"arrays:{path}"


@pytest.mark.parametrize("n_classes", [2, 3])
def test_its_softmax_is_scikit_learns_on_standardised_embeddings(n_classes):
    x, labels = clusters(120, n_classes)
    queries, _ = clusters(40, n_classes, seed=1)
    logits = LinearProbe(x, labels, n_classes).logits(queries)
    assert (logits.shape, logits.dtype) == ((40, n_classes), np.float32)
    mean, scale = x.astype(float).mean(axis=0), x.astype(float).std(axis=0)
    reference = LogisticRegression(max_iter=1000).fit((x - mean) / scale, labels)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    assert np.allclose(p, reference.predict_proba((queries - mean) / scale), atol=1e-3)


def test_a_class_without_examples_is_never_predicted():
    x, labels = clusters(60, 2)
    logits = LinearProbe(x, 2 * labels, 4).logits(x)
    assert (logits[:, [1, 3]] == NEVER).all()
    assert set(logits.argmax(axis=1)) == {0, 2}


def test_one_class_is_said():
    with pytest.raises(DatasetError, match="all 5 training examples have the class 1"):
        LinearProbe(np.ones((5, 2), np.float32), np.ones(5, np.int64), 2)


class TestThroughTheLoader:
    def test_it_is_fitted_to_the_training_part_after_the_cut(self, tmp_path):
        spec = write(tmp_path / "mine.npz")
        dataset = load_dataset(spec)
        assert dataset.train.logits is None
        assert any("logistic regression" in note for note in dataset.notes)
        assert not any("optimistic" in note for note in dataset.notes)  # validation is cut off before it is fitted
        base = given(dataset, Runner(Store()))
        expected = LinearProbe(dataset.train.embeddings, dataset.train.labels, 3)
        for part, embedded in base.parts.items():
            examples = getattr(dataset, part)
            assert np.array_equal(embedded.logits, expected.logits(examples.embeddings))
            assert np.array_equal(embedded.embeddings, examples.embeddings)
        assert base.origin == "trained here"

    def test_it_is_kept_and_differs_by_cut(self, tmp_path, monkeypatch):
        spec, store = write(tmp_path / "mine.npz"), Store()
        one, other = (given(load_dataset(spec, seed=seed), Runner(store)) for seed in (0, 1))
        assert one.identity != other.identity
        monkeypatch.setattr(base_model, "LinearProbe", None)
        again = given(load_dataset(spec), Runner(store))
        assert np.array_equal(again.parts["test"].logits, one.parts["test"].logits)

    def test_a_large_one_is_not_waited_for(self, tmp_path, monkeypatch):
        monkeypatch.setattr(base_model, "LARGE", 10)
        dataset, store = load_dataset(write(tmp_path / "mine.npz")), Store()
        with pytest.raises(NeedsPreparing):
            given(dataset, Runner(store, may_wait=False))
        given(dataset, Runner(store))
        given(dataset, Runner(store, may_wait=False))

    def test_a_class_that_train_lacks_is_an_error_as_no_model_knows_it(self, tmp_path):
        spec = write(tmp_path / "mine.npz", validation_embeddings=np.ones((2, 4)), validation_labels=np.array([0, 3]))
        with pytest.raises(DatasetError, match="validation has examples of classes that train lacks: '3'"):
            load_dataset(spec)
