"""Estimators saved and loaded without pickle."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, make_blobs
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from resmem_core.common.errors import InvalidParameterError, StoreError
from resmem_core.estimators import ResMemClassifier, ResMemRegressor


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:400], np.array([f"digit {label}" for label in y[:400]]), X[400:600]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "model.safetensors"


def assert_same(found, model, Q):
    said = "predict" if isinstance(model, ResMemRegressor) else "decision_function"
    np.testing.assert_allclose(getattr(found, said)(Q), getattr(model, said)(Q), rtol=1e-12, atol=1e-12)
    for mine, theirs in zip(found.kneighbors(Q), model.kneighbors(Q), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for name in ("n_neighbors_", "sigma_", "temperature_", "gamma_"):
        assert getattr(found, name) == getattr(model, name)


@pytest.mark.parametrize(
    "base",
    [
        None,
        LogisticRegression(C=0.01, max_iter=1000),
        make_pipeline(StandardScaler(), LogisticRegression(fit_intercept=False)),
    ],
)
@pytest.mark.parametrize("index", ["exact", "annoy"])
def test_a_classifier_around_a_linear_base_needs_nothing_else(base, index, digits, file):
    X, y, Q = digits
    model = ResMemClassifier(base, gamma="auto", normalize=True, index=index).fit(X, y)
    model.save(file)
    found = ResMemClassifier.load(file)
    assert_same(found, model, Q)
    np.testing.assert_array_equal(found.predict(Q), model.predict(Q))
    assert {name: value for name, value in found.get_params(False).items() if name != "base_estimator"} == {
        name: value for name, value in model.get_params(False).items() if name != "base_estimator"
    }
    refitted = clone(found).fit(X, y)
    np.testing.assert_allclose(refitted.predict_proba(Q), model.predict_proba(Q))


@pytest.mark.parametrize(
    "base", [None, LinearRegression(), make_pipeline(StandardScaler(with_std=False), Ridge(fit_intercept=False))]
)
@pytest.mark.parametrize("outputs", [(), (2,)])
def test_a_regressor_around_a_linear_base_needs_nothing_else(base, outputs, file):
    X, y = load_diabetes(return_X_y=True)
    y = np.column_stack([y, X[:, 0] * y]) if outputs else y
    model = ResMemRegressor(base, random_state=np.random.RandomState(3)).fit(X[:300], y[:300])
    model.save(str(file))
    found = ResMemRegressor.load(str(file))
    assert_same(found, model, X[300:])
    assert_same(found.partial_fit(X[300:], y[300:]), model.partial_fit(X[300:], y[300:]), X)


def test_columns_of_a_table_are_kept(file):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    model = ResMemRegressor(make_pipeline(StandardScaler(), Ridge())).fit(X[:300], y[:300])
    model.save(file)
    found = ResMemRegressor.load(file)
    assert found.feature_names_in_.tolist() == list(X)
    assert_same(found, model, X[300:])
    with pytest.raises(ValueError, match="feature names should match"):
        found.predict(X[list(X)[::-1]])


def test_another_base_and_what_embeds_are_given_at_loading(digits, file):
    X, y, Q = digits
    model = ResMemClassifier(DecisionTreeClassifier(max_depth=4, random_state=0), embed=PCA(5)).fit(X, y)
    model.save(file)
    base, pca = model.base_estimator_, model.embed_
    assert_same(ResMemClassifier.load(file, base, pca), model, Q)
    for given, said in (
        ({"embed": pca}, r"was saved with base_estimator=DecisionTree.*: give it as base_estimator=, fitted"),
        ({"base_estimator": base}, r"was saved with embed=PCA\(.*: give it as embed="),
        ({"base_estimator": clone(base), "embed": pca}, "base_estimator=.* does not go with"),
        ({"base_estimator": clone(base).fit(X[:300], y[:300]), "embed": pca}, "base_estimator=.* says something else"),
        ({"base_estimator": SVC().fit(X, y == "digit 1"), "embed": pca}, "base_estimator=.* does not go with"),
        ({"base_estimator": base, "embed": PCA(5).fit(X[:200])}, "embed=.* says something else"),
        ({"base_estimator": base, "embed": PCA(4).fit(X)}, "embed=.* says something else"),
    ):
        with pytest.raises(InvalidParameterError, match=said):
            ResMemClassifier.load(file, **given)


def test_a_base_that_is_in_the_file_may_be_given_and_is_looked_at(digits, file):
    X, y, Q = digits
    model = ResMemClassifier(LogisticRegression(C=0.01, max_iter=1000)).fit(X, y)
    model.save(file)
    assert_same(ResMemClassifier.load(file, model.base_estimator_), model, Q)
    with pytest.raises(InvalidParameterError, match="says something else"):
        ResMemClassifier.load(file, LogisticRegression(C=1e-5, max_iter=1000).fit(X, y))
    with pytest.raises(InvalidParameterError, match="saved with embed=None: leave out embed="):
        ResMemClassifier.load(file, embed=PCA(2).fit(X))


def test_texts_are_probes_too(file):
    X, y = ["good film", "bad film", "great fun", "awful bore"] * 10, np.tile([1, 0, 1, 0], 10)
    base = make_pipeline(TfidfVectorizer(), DecisionTreeClassifier())
    model = ResMemClassifier(base, embed=TfidfVectorizer()).fit(X, y)
    model.save(file)
    assert_same(ResMemClassifier.load(file, model.base_estimator_, model.embed_), model, X)
    with pytest.raises(InvalidParameterError, match="says something else"):
        ResMemClassifier.load(file, clone(base).fit(X, 1 - y), model.embed_)


def test_of_other_examples_nobody_knows_whether_the_base_is_the_same(file):
    X = pd.DataFrame({"x": np.arange(40.0), "kind": list("ab") * 20})
    base = make_pipeline(*[_Numbers(), DecisionTreeRegressor()])
    model = ResMemRegressor(base, embed=_numbers).fit(X, np.arange(40) % 7)
    model.save(file)
    with pytest.warns(UserWarning, match="nothing in .* tells whether this is the base"):
        assert_same(ResMemRegressor.load(file, model.base_estimator_, _numbers), model, X)


def _numbers(X):
    return X[["x"]].to_numpy()


class _Numbers(StandardScaler):
    def fit(self, X, y=None):
        return super().fit(_numbers(X))

    def transform(self, X):
        return super().transform(_numbers(X))


@pytest.mark.parametrize("labels", [[0, 1, 2], [True, False], [1.0, 2.0], np.array(["a", "bc"], object)])
def test_labels_keep_their_kind(labels, file):
    X, which = make_blobs(60, centers=len(labels), random_state=0)
    model = ResMemClassifier().fit(X, np.asarray(labels)[which])
    model.save(file)
    found = ResMemClassifier.load(file)
    assert found.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(found.predict(X), model.predict(X))


def test_what_is_damaged_or_of_another_kind_is_told(digits, file, tmp_path):
    X, y, _ = digits
    ResMemClassifier().fit(X, y).save(file)
    whole = file.read_bytes()
    with pytest.raises(InvalidParameterError, match=r"holds a ResMemClassifier: use ResMemClassifier\.load"):
        ResMemRegressor.load(file)
    middle = len(whole) // 2
    for broken in (whole[:middle], whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], b"", b"pickle"):
        file.write_bytes(broken)
        with pytest.raises(StoreError, match="damaged"):
            ResMemClassifier.load(file)
    with pytest.raises(StoreError, match="there is no file"):
        ResMemClassifier.load(tmp_path / "none")
    with pytest.raises(StoreError, match="there is no file"):
        ResMemClassifier.load(tmp_path)


def test_a_file_of_another_make_or_version_is_told(file, monkeypatch):
    from safetensors.numpy import save_file

    save_file({"x": np.ones(3)}, file, {"notes": json.dumps({})})
    with pytest.raises(StoreError, match="nothing that `save` wrote"):
        ResMemRegressor.load(file)
    model = ResMemRegressor().fit(np.arange(30.0)[:, None], np.arange(30))
    with monkeypatch.context() as patch:
        patch.setattr("resmem_core.models.saved_estimator.FORMAT", 99)
        model.save(file)
    with pytest.raises(StoreError, match="has the format 99, and 1 is read"):
        ResMemRegressor.load(file)


def test_a_file_is_replaced_as_a_whole_or_stays(digits, file, tmp_path, monkeypatch):
    X, y, Q = digits
    model = ResMemClassifier().fit(X, y)
    model.save(file)

    def full(self, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        with pytest.raises(StoreError, match="No space left"):
            ResMemClassifier(n_neighbors=2).fit(X, y).save(file)
    assert_same(ResMemClassifier.load(file), model, Q)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    with pytest.raises(InvalidParameterError, match="a folder that is not there"):
        model.save(tmp_path / "no" / "model.safetensors")


def test_what_is_saved_is_fitted_and_loaded_again_it_can_be_saved(digits, file):
    X, y, Q = digits
    with pytest.raises(ValueError, match="not fitted"):
        ResMemClassifier().save(file)
    model = ResMemClassifier(RandomForestClassifier(5, random_state=0)).fit(X, y)
    model.save(file)
    again = file.with_name("again.safetensors")
    ResMemClassifier.load(file, model.base_estimator_).save(again)
    assert_same(ResMemClassifier.load(again, model.base_estimator_), model, Q)
