"""Estimators as base models: what they say of every part is what they say alone, and only train is seen."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVC

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import silent
from resmem_core.common.runner import NeedsPreparing, Runner
from resmem_core.common.store import Store
from resmem_core.data.base import EMBEDDINGS, FEATURES, IMAGE, PARTS
from resmem_core.data.loading import load_dataset
from resmem_core.data.types import Dataset, Examples
from resmem_core.models import fitted_estimator as module
from resmem_core.models.fitted_estimator import fitted_estimator, inputs_of


@pytest.fixture
def fitted(tmp_path):
    """Return a function that fits an estimator to a dataset."""

    def fitted(dataset, spec, kind=FEATURES, seed=0, may_wait=True):
        return fitted_estimator(dataset, spec, kind, seed, Runner(Store(tmp_path / "store"), may_wait, silent))

    return fitted


def table(rng, n, labels, **given):
    features = pa.table({"a": rng.normal(size=n) + labels, "t": rng.choice(["x", "y"], n)})
    return Examples(labels, features=features, **given)


def dataset(seed=0, values=False, n_classes=3, n_test=20, held_out=1):
    rng, names = np.random.default_rng(seed), tuple("abcdef"[:n_classes])
    held = np.random.default_rng(held_out)

    def labels(of, n):
        return of.normal(size=n) if values else of.integers(0, n_classes, n)

    train = table(rng, 40, labels(rng, 40))
    others = [table(held, n_test, labels(held, n_test)) for _ in range(2)]
    return Dataset("made", () if values else names, train, *others, fingerprint=f"{seed} {held_out} {values}")


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("spec", "alone"),
    [
        ("linear", lambda: LogisticRegression(max_iter=1000)),
        ("random-forest", lambda: RandomForestClassifier(random_state=5)),
    ],
)
def test_the_logits_are_logarithms_of_its_own_probabilities(fitted, spec, alone):
    data = dataset()
    base, inputs = fitted(data, spec, seed=5), inputs_of(data)
    model = alone().fit(inputs["train"], data.train.labels)
    for part in PARTS:
        np.testing.assert_allclose(softmax(base.parts[part].logits), model.predict_proba(inputs[part]), atol=1e-6)
        assert np.array_equal(base.parts[part].embeddings, inputs[part])


def test_margins_of_two_classes_are_logits(fitted):
    data = dataset(n_classes=2)
    inputs = inputs_of(data)
    margins = SVC().fit(inputs["train"], data.train.labels).decision_function(inputs["test"])
    logits = fitted(data, "estimator:SVC").parts["test"].logits
    np.testing.assert_allclose(logits, np.column_stack([0 * margins, margins]), atol=1e-6)


@pytest.mark.parametrize(
    ("spec", "alone"),
    [("linear", Ridge()), ("estimator:KNeighborsRegressor?n_neighbors=2", KNeighborsRegressor(n_neighbors=2))],
)
def test_values_are_its_own_predictions(fitted, spec, alone):
    data = dataset(values=True)
    inputs = inputs_of(data)
    expected = alone.fit(inputs["train"], data.train.labels).predict(inputs["test"])
    found = fitted(data, spec).parts["test"].logits
    assert found.dtype == np.float64
    np.testing.assert_allclose(found[:, 0], expected)


def test_a_class_that_train_lacks_is_never_chosen(fitted):
    data = dataset(n_classes=2)
    known = Dataset("made", ("a", "b", "c"), data.train, data.validation, data.test, fingerprint="3")
    logits = fitted(known, "linear").parts["test"].logits
    assert logits.shape == (20, 3)
    assert (softmax(logits)[:, 2] == 0).all()


@pytest.mark.parametrize("values", [False, True])
def test_other_validation_and_test_rows_leave_memory_as_it_was(fitted, values):
    one, other = (fitted(dataset(values=values, held_out=seed), "linear").parts for seed in (1, 2))
    assert np.array_equal(one["train"].logits, other["train"].logits)
    assert np.array_equal(one["train"].embeddings, other["train"].embeddings)
    assert not np.array_equal(one["test"].logits, other["test"].logits)


def test_it_is_kept_by_data_name_and_seed(fitted, monkeypatch):
    first = fitted(dataset(), "random-forest")
    monkeypatch.setattr(module, "inputs_of", None)  # to fit again would fail
    again = fitted(dataset(), "random-forest")
    assert again.identity == first.identity
    assert np.array_equal(again.parts["test"].logits, first.parts["test"].logits)
    for changed in (lambda: fitted(dataset(), "random-forest", seed=1), lambda: fitted(dataset(1), "random-forest")):
        with pytest.raises(TypeError):
            changed()


def test_a_large_fit_waits_to_be_asked_for(fitted, monkeypatch):
    monkeypatch.setattr(module, "LARGE", 80)
    with pytest.raises(NeedsPreparing, match="linear is not fitted to 'made' yet"):
        fitted(dataset(), "linear", may_wait=False)
    assert fitted(dataset(), "linear").origin == "trained here"
    assert fitted(dataset(), "linear", may_wait=False)


def test_what_it_says_when_it_fails_is_told(fitted):
    with pytest.raises(InvalidParameterError, match=r"backbone 'estimator:SVC\?C=-1' cannot be fitted to 'made': .*C"):
        fitted(dataset(), "estimator:SVC?C=-1")


def test_images_are_pixels_from_0_to_1_and_embeddings_themselves(fitted):
    rng = np.random.default_rng(0)

    def examples(n):
        labels = rng.integers(0, 2, n)
        return Examples(
            labels,
            images=rng.integers(0, 256, (n, 1, 2, 2), np.uint8) // 2
            + 100 * labels[:, None, None, None].astype(np.uint8),
        )

    data = Dataset("pictures", ("a", "b"), examples(30), examples(5), examples(5), fingerprint="p")
    base = fitted(data, "estimator:KNeighborsClassifier?n_neighbors=1", IMAGE)
    np.testing.assert_allclose(base.parts["train"].embeddings, data.train.images.reshape(30, 4) / 255, rtol=1e-6)
    assert np.array_equal(base.parts["train"].logits.argmax(1), data.train.labels)
    points = rng.normal(size=(10, 3))
    seen = Examples(np.arange(10) % 2, embeddings=points)
    of_points = Dataset("points", ("a", "b"), seen, seen, seen, fingerprint="e")
    kept = fitted(of_points, "estimator:GaussianNB", EMBEDDINGS).parts["test"].embeddings
    assert np.array_equal(kept, points)


def test_what_is_fitted_to_a_table_of_scikit_learn_is_as_good_as_alone(fitted):
    data = load_dataset("wine")
    inputs = inputs_of(data)
    model = LogisticRegression(max_iter=1000).fit(inputs["train"], data.train.labels)
    found = fitted(data, "linear").parts["test"].logits.argmax(axis=1)
    assert (found == data.test.labels).mean() == model.score(inputs["test"], data.test.labels)
