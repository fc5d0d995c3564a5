import itertools
import pickle
import warnings
from operator import itemgetter

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csc_array, csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_digits, make_blobs
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_dataframe_column_names_consistency, parametrize_with_checks

from resmem_core.common.errors import InvalidParameterError
from resmem_core.estimators import ResMemClassifier, ResMemRegressor
from resmem_core.memory.residuals import auto_sigma, project_to_simplex, resmem_scores
from resmem_core.memory.types import Params

BOTH = pytest.mark.parametrize("kind", [ResMemClassifier, ResMemRegressor])
AUTO = {"n_neighbors": "auto", "sigma": "auto", "temperature": "auto", "gamma": "auto"}
SHALLOW = DecisionTreeClassifier(max_depth=2, random_state=0)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, train_size=600, test_size=300, random_state=0, stratify=y)


@pytest.fixture
def blobs():
    X, y = make_blobs(120, centers=3, cluster_std=3.0, random_state=0)
    return X, np.array(["ant", "bee", "cat"])[y]


@parametrize_with_checks([ResMemClassifier(), ResMemRegressor()])
@pytest.mark.filterwarnings("ignore:n_neighbors=20 exceeds")
def test_scikit_learn_compatibility(estimator, check):
    check(estimator)


@pytest.mark.parametrize("index", ["exact", "annoy", "auto"])
def test_one_neighbour_memorises_every_label(digits, index):
    X, _, y, _ = digits
    noisy = np.random.default_rng(0).permutation(y)
    model = ResMemClassifier(SHALLOW, n_neighbors=1, index=index, random_state=0).fit(X, noisy)
    assert model.base_estimator_.score(X, noisy) < 0.3
    assert model.score(X, noisy) == 1
    np.testing.assert_array_equal(model.predict_proba(X), np.eye(10)[noisy])


@pytest.mark.parametrize("outputs", [(), (1,), (3,)])
def test_one_neighbour_passes_through_every_target(outputs):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 4)), rng.normal(size=(80, *outputs))
    model = ResMemRegressor(n_neighbors=1, gamma=1).fit(X, y)
    assert model.predict(X).shape == y.shape
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-12, atol=1e-12)


def test_scores_are_those_of_the_algorithm(blobs):
    X, y = blobs
    model = ResMemClassifier(n_neighbors=7, sigma=0.4, temperature=2.0).fit(X[:100], y[:100])
    base = LogisticRegression(max_iter=1000).fit(X[:100], y[:100])
    d = np.linalg.norm(X[100:, None] - X[None, :100], axis=2)
    ids = np.argsort(d, axis=1)[:, :7]
    expected = resmem_scores(
        np.log(base.predict_proba(X[100:])),
        np.log(base.predict_proba(X[:100])),
        np.unique(y[:100], return_inverse=True)[1],
        np.take_along_axis(d, ids, axis=1),
        ids,
        sigma=0.4,
        temperature=2.0,
    )
    scores = model.decision_function(X[100:])
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    np.testing.assert_array_equal(model.predict(X[100:]), model.classes_[scores.argmax(axis=1)])
    np.testing.assert_array_equal(model.predict_proba(X[100:]), project_to_simplex(scores))


def test_regression_adds_weighted_residuals():
    rng = np.random.default_rng(0)
    X, y, Q = rng.normal(size=(50, 3)), rng.normal(size=50), rng.normal(size=(10, 3))
    base = LinearRegression().fit(X, y)
    d = np.linalg.norm(Q[:, None] - X, axis=2)
    w = np.where(d <= np.sort(d, axis=1)[:, 4:5], np.exp(-d / 0.5), 0)
    expected = base.predict(Q) + w @ (y - base.predict(X)) / w.sum(axis=1)
    model = ResMemRegressor(LinearRegression(), n_neighbors=5, sigma=0.5, gamma=1).fit(X, y)
    np.testing.assert_allclose(model.predict(Q), expected, atol=1e-5)


def test_gamma_multiplies_what_memory_adds(blobs):
    X, y = blobs[0], np.unique(blobs[1], return_inverse=True)[1]
    for model, said in ((ResMemClassifier(), "decision_function"), (ResMemRegressor(), "predict")):
        none, some, much = (getattr(clone(model).set_params(gamma=g).fit(X, y), said)(X) for g in (0, 0.5, 1.5))
        np.testing.assert_allclose(much - none, 3 * (some - none), atol=1e-5)
        assert not np.allclose(some, none)
    unhelped = ResMemClassifier(gamma=0).fit(X, y)
    np.testing.assert_array_equal(unhelped.predict(X), unhelped.base_estimator_.predict(X))
    with pytest.raises(InvalidParameterError, match="gamma=-1 must be a finite number of at least 0"):
        ResMemClassifier(gamma=-1).fit(X, y)


def test_of_two_classes_the_margin_is_that_of_the_scores():
    X, y = make_blobs(60, centers=2, cluster_std=4.0, random_state=0)
    model = ResMemClassifier().fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], np.clip((1 + model.decision_function(X)) / 2, 0, 1))


@pytest.mark.parametrize("base", [SVC(), RidgeClassifier()])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_base_without_probabilities_gives_its_decision_function(base, classes):
    X, y = make_blobs(90, centers=classes, cluster_std=4.0, random_state=0)
    model = ResMemClassifier(base, n_neighbors=90, sigma=1e9, temperature=0.7).fit(X, y)
    margin = model.base_estimator_.decision_function(X)
    logits = margin if classes > 2 else np.column_stack([np.zeros(90), margin])
    p = np.exp(logits / 0.7)
    p /= p.sum(axis=1, keepdims=True)
    scores = p + (np.eye(classes)[y] - p).mean(axis=0)  # every point weighs the same
    found = model.decision_function(X)
    np.testing.assert_allclose(found, scores if classes > 2 else scores[:, 1] - scores[:, 0], atol=1e-6)


def test_a_base_that_is_certain_gives_finite_logits(blobs):
    model = ResMemClassifier(DecisionTreeClassifier(random_state=0)).fit(*blobs)
    assert set(np.unique(model.base_estimator_.predict_proba(blobs[0]))) == {0, 1}
    assert np.isfinite(model.memory_logits_).all()
    np.testing.assert_allclose(model.predict_proba(blobs[0]), model.base_estimator_.predict_proba(blobs[0]))


NO_SHAPE = r"embed returned the shape .* expected \(120, D\)"
NO_ARRAY = r"embed returned a list that is no array of numbers .*\(120, D\)"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base_estimator": LinearRegression()}, r"Regression\(\) has neither predict_proba nor decision_function"),
        ({"base_estimator": SVC(decision_function_shape="ovo")}, r"\(120, 6\) for 120 rows and 4 classes"),
        ({"embed": itemgetter(0)}, NO_SHAPE),
        ({"embed": itemgetter(np.s_[:-1])}, NO_SHAPE),
        ({"embed": itemgetter(np.s_[:, None])}, NO_SHAPE),
        ({"embed": lambda X: [[1.0], [1.0, 2.0]]}, NO_ARRAY),
        ({"embed": lambda X: [[{}]] * len(X)}, NO_ARRAY),
        ({"embed": lambda X: [["x"]] * len(X)}, NO_ARRAY),
        ({"embed": lambda X: X * np.nan}, "must be finite"),
    ],
)
def test_what_base_and_embed_give_must_be_of_use(options, said):
    X, y = make_blobs(120, centers=4, cluster_std=3.0, random_state=0)
    with pytest.raises(InvalidParameterError, match=said):
        ResMemClassifier(**options).fit(X, y)


class Ordered(ClassifierMixin, BaseEstimator):
    """A logistic regression whose scores stand in another order."""

    def __init__(self, order=(), scores="predict_proba"):
        self.order, self.scores = order, scores

    def fit(self, X, y):
        self.model_ = LogisticRegression(max_iter=500).fit(X, y)
        self.classes_ = list(self.order)
        setattr(self, self.scores, self.columns)
        return self

    def columns(self, X):
        found = getattr(self.model_, self.scores)(X)
        if found.ndim == 1:
            return found if self.order == self.model_.classes_.tolist() else -found
        return found[:, [self.model_.classes_.tolist().index(name) for name in self.order]]


@pytest.mark.parametrize("scores", ["predict_proba", "decision_function"])
@pytest.mark.parametrize("order", [["b", "a"], ["a", "b"], ["c", "a", "b"], ["c", "b", "a"]])
def test_the_classes_of_the_base_say_which_score_is_which(scores, order):
    classes = 2 if "c" not in order else 3
    X, y = make_blobs(90, centers=classes, cluster_std=4.0, random_state=0)
    y = np.array(["a", "b", "c"])[y]
    found = ResMemClassifier(Ordered(order, scores), n_neighbors=5).fit(X, y)
    base = LogisticRegression(max_iter=500)
    if scores == "decision_function":  # the same margins, without probabilities
        base = Ordered(sorted(set(y)), scores)
    expected = ResMemClassifier(base, n_neighbors=5).fit(X, y)
    np.testing.assert_allclose(found.predict_proba(X), expected.predict_proba(X), atol=1e-7)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))


@pytest.mark.parametrize("classes", [["a", "b", "c"], [1, 2, 3], [0, 1, 1], [0, 2], [2, 3, 1, 0], [[0, 1], [0, 2]], 3])
def test_other_classes_than_those_of_y_are_refused(classes):
    X, y = make_blobs(90, centers=3, random_state=0)

    class Other(DummyClassifier):
        def fit(self, X, y):
            super().fit(X, y)
            self.classes_ = classes
            return self

    with pytest.raises(InvalidParameterError, match=r"has classes_=.*; expected the classes in y, \[0, 1, 2\]"):
        ResMemClassifier(Other()).fit(X, y)


def test_a_base_that_knew_more_classes_before_keeps_them():
    X, y = make_blobs(120, centers=[[0, 0], [0, 9], [9, 0], [9, 9]], random_state=0)
    names = np.array(["a", "b", "c", "d"])[y]
    base, here = LogisticRegression().fit(X, names), names != "b"
    found = ResMemClassifier(FrozenEstimator(base), n_neighbors=3).fit(X[here], names[here])
    assert found.classes_.tolist() == ["a", "b", "c", "d"]
    assert found.classes_[found.memory_labels_].tolist() == names[here].tolist()
    assert (found.predict(X[~here]) == "b").all()  # which memory cannot vote for
    with pytest.raises(InvalidParameterError, match=r"has classes_=\['a', 'c', 'd'\]; expected the classes in y"):
        ResMemClassifier(FrozenEstimator(LogisticRegression().fit(X[here], names[here]))).fit(X, names)


def test_a_base_without_classes_has_them_sorted(blobs):
    class Bare(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.model_ = LogisticRegression().fit(X, y)
            return self

        def predict_proba(self, X):
            return self.model_.predict_proba(X)

    found, expected = (ResMemClassifier(base).fit(*blobs) for base in (Bare(), LogisticRegression()))
    np.testing.assert_array_equal(found.predict_proba(blobs[0]), expected.predict_proba(blobs[0]))


class Told(ClassifierMixin, BaseEstimator):
    """A base whose method `name` gives what `make` makes of true probabilities; `fit` returns nothing."""

    def __init__(self, name, make):
        self.name, self.make = name, make

    def fit(self, X, y):
        self.model_ = LogisticRegression().fit(X, y)
        self.classes_ = self.model_.classes_
        setattr(self, self.name, lambda X: self.make(self.model_.predict_proba(X)))


@pytest.mark.parametrize("make", [lambda p: p, lambda p: p.round(3), lambda p: torch.tensor(p, dtype=torch.float16)])
def test_a_decision_function_that_gives_probabilities_is_told_of(make, blobs):
    X, y = blobs
    with pytest.warns(UserWarning, match="decision_function of Told.* gives probabilities"):
        found = ResMemClassifier(Told("decision_function", make)).fit(X, y)
    expected = ResMemClassifier(LogisticRegression()).fit(X, y)
    np.testing.assert_allclose(found.predict_proba(X[:1]), expected.predict_proba(X[:1]), atol=2e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ResMemClassifier(Told("decision_function", np.log)).fit(X, y)


class OneColumn(Told):
    """A base of two classes that decides at `middle` of one column."""

    def __init__(self, make, middle):
        super().__init__("decision_function", make)
        self.middle = middle

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > self.middle).astype(int)]


def test_one_column_of_probabilities_is_not_taken_for_margins():
    X, y = make_blobs(60, centers=2, random_state=0)
    with pytest.raises(InvalidParameterError, match="gives probabilities of one class"):
        ResMemClassifier(OneColumn(lambda p: p[:, 1], 0.5)).fit(X, y)
    ResMemClassifier(OneColumn(lambda p: p[:, 1], 0)).fit(X, y)  # margins that happen to lie there
    ResMemClassifier(OneColumn(lambda p: p[:, 1] - 0.5, 0)).fit(X, y)


@pytest.mark.parametrize("make", [lambda X: X[:3, 0], lambda X: X[:, 0] * np.nan, lambda X: X[:, 0].astype(str)])
def test_predictions_that_are_of_no_use_are_refused(make):
    class Odd(DummyRegressor):
        def predict(self, X):
            return make(X)

    with pytest.raises(InvalidParameterError, match=r"predicted .* for 60 rows; expected finite numbers, \(60,\)"):
        ResMemRegressor(Odd()).fit(*make_blobs(60, random_state=0))


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("predict_proba", np.log, r"scores from -.*; expected numbers from 0 to 1 of predict_proba"),
        ("predict_proba", lambda p: p * np.nan, "scores from nan to nan"),
        ("decision_function", lambda p: np.where(p > 0.5, np.nan, p), "scores from nan to nan"),
    ],
)
def test_scores_that_are_of_no_use_are_refused(name, make, said, blobs):
    with pytest.raises(InvalidParameterError, match=said):
        ResMemClassifier(Told(name, make)).fit(*blobs)


def test_the_base_that_was_given_is_not_fitted(blobs):
    base, embed = LogisticRegression(), PCA(1)
    model = ResMemClassifier(base, embed=embed).fit(*blobs)
    assert [hasattr(of, "coef_") for of in (base, model.base_estimator_)] == [False, True]
    assert [hasattr(of, "components_") for of in (embed, model.embed_)] == [False, True]


# Embeddings ------------------------------------------------------------------------------------------------


@BOTH
def test_embed_by_transformer_and_by_callable_agree(kind):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 5)), rng.integers(0, 3, 100)
    pca = PCA(2).fit(X)
    by_transformer = kind(embed=PCA(2)).fit(X, y)
    by_callable = kind(embed=pca.transform).fit(X, y)
    assert by_transformer.index_.embeddings.shape == (100, 2)
    for mine, theirs in zip(by_transformer.kneighbors(), by_callable.kneighbors(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(by_transformer.predict(X), by_callable.predict(X))


def test_normalize_takes_distances_between_directions():
    rng = np.random.default_rng(0)
    X, lengths = rng.normal(size=(50, 4)), rng.uniform(0.1, 10, size=(50, 1))
    y = rng.integers(0, 2, 50)
    mine = ResMemClassifier(normalize=True).fit(X * lengths, y).kneighbors()
    theirs = ResMemClassifier(normalize=True).fit(X, y).kneighbors()
    np.testing.assert_array_equal(mine[1], theirs[1])
    np.testing.assert_allclose(mine[0], theirs[0], atol=1e-6)
    assert (ResMemClassifier().fit(X * lengths, y).kneighbors()[1] != theirs[1]).any()


def test_neighbours_far_from_the_origin_keep_their_digits():
    X = 1e9 + np.arange(50.0)[:, None]  # float32 alone would see one point
    y = np.arange(50) % 2
    model = ResMemClassifier(DummyClassifier(), n_neighbors=1).fit(X, y)
    assert model.score(X, y) == 1
    np.testing.assert_array_equal(model.kneighbors(n_neighbors=1)[0], 1)


def test_embed_that_gives_a_sparse_matrix_or_a_tensor():
    X = np.random.default_rng(0).integers(0, 4, (200, 5)).astype(float)
    y = (X[:, 0] + X[:, 1] > 3).astype(int)
    layer = torch.nn.Linear(5, 3).double()
    for embed, same in (
        (OneHotEncoder(), OneHotEncoder(sparse_output=False)),
        (lambda Z: layer(torch.tensor(Z)), lambda Z: layer(torch.tensor(Z)).detach().numpy()),
    ):
        found, expected = (ResMemClassifier(DummyClassifier(), embed=way).fit(X, y) for way in (embed, same))
        np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


@pytest.mark.parametrize("offset", [1e8, -3e9])
def test_embeddings_far_from_the_origin_keep_their_digits(offset, blobs):
    X, y = blobs
    far, near = (
        ResMemClassifier(embed=embed).fit(X, y)
        for embed in (lambda X: torch.tensor(X) + offset, lambda X: (X + offset) - offset)
    )
    np.testing.assert_array_equal(far.kneighbors(X)[1], near.kneighbors(X)[1])
    np.testing.assert_allclose(far.predict_proba(X), near.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize(
    "embed",
    [lambda X: list(torch.tensor(X)), lambda X: pd.Series(list(X)), lambda X: pd.DataFrame(X).astype("Float64")],
)
def test_embed_that_gives_lists_or_tables(embed, blobs):
    found, expected = (ResMemClassifier(embed=way).fit(*blobs).predict_proba(blobs[0]) for way in (embed, None))
    np.testing.assert_array_equal(found, expected)


def test_embed_that_gives_other_columns_for_queries_is_refused(blobs):
    model = ResMemClassifier(embed=lambda X: np.eye(len(X))).fit(*blobs)
    for n in (1, 60):
        with pytest.raises(InvalidParameterError, match=f"embed returned {n} columns, and 120 of the training points"):
            model.predict(blobs[0][:n])


# What X may be ---------------------------------------------------------------------------------------------

WORDS = ["good film", "bad film", "great fun", "awful bore"] * 10


@BOTH
@pytest.mark.parametrize("made", [list, np.array, pd.Series])
def test_texts_go_to_base_and_embed(kind, made):
    X, y = made(WORDS), np.tile([1, 0, 1, 0], 10)
    base = make_pipeline(TfidfVectorizer(), LogisticRegression() if kind is ResMemClassifier else Ridge())
    model = kind(base, embed=TfidfVectorizer(), n_neighbors=3).fit(X, y)
    assert model.score(X, y) == pytest.approx(1)
    np.testing.assert_allclose(model.kneighbors(X[:2], 1)[0], 0, atol=1e-6)
    assert not hasattr(model, "n_features_in_")
    with pytest.raises(InvalidParameterError, match=r"no distances between the rows of X as they are .* or embed"):
        kind(base).fit(X, y)


@pytest.mark.parametrize("made", [csr_matrix, csc_array, torch.tensor, pd.DataFrame, lambda X: X.tolist()])
def test_settings_are_chosen_for_other_arrays_as_for_dense_ones(made, blobs):
    found, expected = (ResMemClassifier(SHALLOW, **AUTO).fit(X, blobs[1]) for X in (made(blobs[0]), blobs[0]))
    for name in AUTO:
        assert getattr(found, f"{name}_") == pytest.approx(getattr(expected, f"{name}_"), rel=1e-4)


@BOTH
@pytest.mark.parametrize("made", [csr_matrix, csc_array, torch.tensor, lambda X: X.tolist()])
def test_other_arrays_are_as_dense_ones(kind, made, blobs):
    X, y = blobs[0], np.arange(120) % 3
    found, expected = (kind(n_neighbors=5).fit(Z, y) for Z in (made(X), X))
    np.testing.assert_allclose(found.predict(made(X[:9])), expected.predict(X[:9]), atol=1e-3)
    np.testing.assert_array_equal(found.kneighbors(made(X[:9]))[1], expected.kneighbors(X[:9])[1])


def test_tables_keep_their_columns_and_gaps():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=90), "gap": rng.normal(size=90), "kind": rng.choice(["a", "b"], 90)})
    X.loc[::7, "gap"] = np.nan
    y = np.where((X["kind"] == "a") ^ (X["x"] > 0), "yes", "no")
    onehot = ColumnTransformer(
        [("kind", OneHotEncoder(), ["kind"]), ("gap", SimpleImputer(), ["gap"])], remainder="passthrough"
    )
    seen = []
    for embed in (onehot, lambda table: seen.append(table) or table[["x"]]):
        search = GridSearchCV(
            ResMemClassifier(make_pipeline(onehot, SHALLOW), embed=embed), {"n_neighbors": [1, 5]}, error_score="raise"
        ).fit(X, y)
        assert search.best_estimator_.feature_names_in_.tolist() == ["x", "gap", "kind"]
        assert search.score(X, y) > 0.9
        with pytest.raises(ValueError, match="feature names should match"):
            search.predict(X[["kind", "x", "gap"]])
    assert all(type(table) is pd.DataFrame for table in seen)


def test_missing_values_are_for_base_and_embed_to_take(blobs):
    X, y = blobs
    gappy = np.where(X > 3, np.nan, X)
    model = ResMemClassifier(HistGradientBoostingClassifier(max_iter=3), embed=SimpleImputer()).fit(gappy, y)
    assert np.isfinite(model.predict_proba(np.where(X < 1, np.nan, X))).all()
    with pytest.raises(InvalidParameterError, match=r"X contains NaN.*or embed"):
        ResMemClassifier(HistGradientBoostingClassifier(max_iter=3)).fit(gappy, y)


def test_a_second_fit_forgets_the_columns_of_the_first(blobs):
    model = ResMemClassifier(make_pipeline(FunctionTransformer(lambda X: np.ones((len(X), 1))), DummyClassifier()))
    model.set_params(embed=lambda X: [[len(x)] for x in X]).fit(*blobs)
    assert model.n_features_in_ == 2
    model.fit(WORDS, np.arange(40) % 2).predict(WORDS)
    assert not hasattr(model, "n_features_in_")


def test_the_base_says_what_inputs_may_be():
    trees, svm = HistGradientBoostingClassifier(), SVC(kernel="precomputed")
    found = [get_tags(ResMemClassifier(trees, embed=embed)).input_tags for embed in (None, SimpleImputer())]
    assert [(tags.sparse, tags.allow_nan) for tags in found] == [(False, False), (False, True)]
    assert get_tags(ResMemClassifier(svm)).input_tags.pairwise
    assert get_tags(ResMemRegressor()).input_tags.sparse
    assert get_tags(ResMemRegressor(object())).input_tags.two_d_array


# Parameters ------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *(("n_neighbors", value) for value in (0, -3, 2.0, "5", None, True)),
        *(("sigma", value) for value in (0, -1.0, np.nan, np.inf, "median", None, True)),
        *(("temperature", value) for value in (0, -1.0, np.nan, np.inf, "median", None, True)),
        *(("gamma", value) for value in (-1, np.nan, "auto!", None, True)),
        ("index", "faiss"),
        ("embed", "pca"),
    ],
)
def test_impossible_parameters_are_quoted(kind, parameter, value):
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 2
    with pytest.raises(InvalidParameterError, match=parameter) as raised:
        kind(**{parameter: value}).fit(X, y)
    assert repr(value) in str(raised.value)


@BOTH
def test_fewer_points_than_neighbours_are_all_taken_with_a_warning(kind):
    X, y = np.arange(20.0)[:, None], np.arange(20) % 2
    with pytest.warns(UserWarning, match="n_neighbors=20 exceeds the 10 training points; using all 10"):
        model = kind(n_neighbors=20).fit(X[:10], y[:10])
    assert (model.n_neighbors_, model.n_neighbors) == (10, 20)
    assert model.kneighbors(X)[1].shape == (20, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kind().fit(X, y).predict(X)


def test_auto_sigma_comes_from_the_nearest_other_point(blobs):
    X, y = blobs
    d = np.linalg.norm(X[:, None] - X, axis=2) + np.diag(np.full(len(X), np.inf))
    assert ResMemClassifier().fit(X, y).sigma_ == pytest.approx(auto_sigma(d.min(axis=1)), rel=1e-5)
    assert ResMemClassifier(sigma=3).fit(X, y).sigma_ == 3


def test_auto_sigma_of_a_large_memory_is_near_that_of_all():
    X = np.random.default_rng(0).normal(size=(5000, 2))
    model = ResMemRegressor(n_neighbors=20, gamma=1, random_state=0).fit(X, X[:, 0])
    of_all = auto_sigma(model.kneighbors(n_neighbors=1)[0])
    assert model.sigma_ == pytest.approx(of_all, rel=0.1)
    assert model.sigma_ != of_all
    assert model.sigma_ == clone(model).fit(X, X[:, 0]).sigma_


@pytest.mark.filterwarnings("ignore:n_neighbors=20 exceeds")
def test_copies_and_a_single_point():
    same = ResMemRegressor(DummyRegressor()).fit(np.ones((6, 2)), np.arange(6))
    np.testing.assert_allclose(same.predict(np.ones((1, 2))), 2.5)
    one = ResMemRegressor().fit([[1.0, 2.0]], [3.0])
    assert one.sigma_ == 1
    np.testing.assert_allclose(one.predict([[9.0, 9.0]]), 3)


def test_same_random_state_same_forest(digits):
    X, X_test, y, _ = digits
    first, second = (
        ResMemClassifier(SHALLOW, index="annoy", random_state=3).fit(X, y).kneighbors(X_test) for _ in range(2)
    )
    np.testing.assert_array_equal(first[1], second[1])


# Neighbours ------------------------------------------------------------------------------------------------


@BOTH
def test_kneighbors_of_queries_and_of_the_training_points(kind, blobs):
    X = blobs[0]
    model = kind(n_neighbors=4).fit(X, np.arange(len(X)) % 3)
    d = np.linalg.norm(X[:, None] - X, axis=2)
    distances, indices = model.kneighbors(X)
    np.testing.assert_array_equal(indices, np.argsort(d, axis=1)[:, :4])
    np.testing.assert_allclose(distances, np.sort(d, axis=1)[:, :4], atol=1e-5)
    np.testing.assert_array_equal(model.kneighbors(n_neighbors=6)[1], np.argsort(d, axis=1)[:, 1:7])


@BOTH
def test_kneighbors_beyond_memory_or_without_any(kind):
    with pytest.raises(NotFittedError):
        kind().kneighbors(np.ones((1, 2)))
    model = kind(n_neighbors=5).fit(np.arange(5.0)[:, None], [0, 1, 0, 1, 0])
    with pytest.raises(InvalidParameterError, match="n_neighbors=6 cannot exceed 5"):
        model.kneighbors([[1.0]], n_neighbors=6)
    with pytest.raises(InvalidParameterError, match=r"n_neighbors=5 cannot exceed 4, .* other than the query"):
        model.kneighbors()
    with pytest.raises(InvalidParameterError, match="n_neighbors=0"):
        model.kneighbors(n_neighbors=0)


# scikit-learn's machinery ----------------------------------------------------------------------------------


def test_grid_search_over_a_pipeline_betters_a_weak_base(digits):
    X, X_test, y, y_test = digits
    grid = {"n_neighbors": [1, 5], "sigma": ["auto", 1000.0], "temperature": [0.5, 2.0]}
    grid = {f"resmemclassifier__{name}": values for name, values in grid.items()}
    search = GridSearchCV(make_pipeline(StandardScaler(), ResMemClassifier(SHALLOW)), grid, cv=2)
    search.fit(X, y)
    assert len(set(search.cv_results_["mean_test_score"])) > 2
    assert search.score(X_test, y_test) > 0.9
    assert clone(SHALLOW).fit(X, y).score(X_test, y_test) < 0.5


def test_one_grid_fits_the_regressor_too_on_which_temperature_has_no_effect():
    X, y = load_diabetes(return_X_y=True)
    cold, hot = (ResMemRegressor(temperature=t).fit(X, y).predict(X) for t in (0.1, 10))
    np.testing.assert_array_equal(cold, hot)
    grid = {"n_neighbors": [1, 20], "sigma": ["auto", 1.0], "temperature": [1.0]}
    search = GridSearchCV(ResMemRegressor(), grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_["n_neighbors"] == 20


@pytest.mark.parametrize("index", ["exact", "annoy"])
@BOTH
def test_clones_keep_every_parameter_and_pickled_copies_predict_the_same(kind, index, blobs):
    X = blobs[0]
    parameters = {"n_neighbors": 3, "sigma": 0.5, "temperature": 2.0, "index": index, "normalize": True}
    model = clone(kind(embed=PCA(2), random_state=0, **parameters)).fit(X, np.arange(120) % 3)
    assert parameters.items() <= model.get_params().items()
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    np.testing.assert_array_equal(copy.kneighbors()[1], model.kneighbors()[1])


@BOTH
@pytest.mark.filterwarnings("ignore:n_neighbors=20 exceeds")
def test_names_of_features(kind):
    check_dataframe_column_names_consistency(kind.__name__, kind())


# Settings that are chosen ----------------------------------------------------------------------------------


@parametrize_with_checks([ResMemClassifier(**AUTO), ResMemRegressor(n_neighbors=20, gamma=1)])
@pytest.mark.filterwarnings("ignore:n_neighbors=20 exceeds")
def test_scikit_learn_compatibility_with_the_other_settings(estimator, check):
    check(estimator)


def test_the_regressor_takes_the_setting_that_predicts_points_left_out_best():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (150, 2))
    y = np.column_stack([np.sin(5 * X[:, 0]), 100 * np.cos(4 * X[:, 1])]) + rng.normal(size=(150, 2)) * [0.1, 10]
    model = ResMemRegressor().fit(X, y)
    base = Ridge().fit(X, y)
    residuals = y - base.predict(X)
    d = np.linalg.norm(X[:, None] - X, axis=2) + np.diag(np.full(150, np.inf))

    def error(k, sigma, gamma):
        w = np.where(d <= np.sort(d, axis=1)[:, k - 1 : k], np.exp(-(d - d.min(axis=1, keepdims=True)) / sigma), 0)
        return ((residuals - gamma * (w @ residuals) / w.sum(axis=1, keepdims=True)) ** 2 / y.var(axis=0)).mean()

    best = error(model.n_neighbors_, model.sigma_, model.gamma_)
    for k, factor, gamma in itertools.product((1, 2, 5, 20, 80), (0.5, 1, 2), (0, 0.5, 0.9, 1)):
        assert best <= error(k, factor * model.sigma_, gamma) * (1 + 1e-6)
    assert model.gamma_ > 0


@pytest.mark.parametrize("seed", range(6))
def test_the_regressor_by_itself_does_not_harm(seed):
    X, X_test, y, y_test = train_test_split(*load_diabetes(return_X_y=True), random_state=seed)
    base = LinearRegression().fit(X, y).score(X_test, y_test)
    assert ResMemRegressor(LinearRegression()).fit(X, y).score(X_test, y_test) >= base - 1e-9


def test_where_residuals_are_noise_memory_is_left_out_and_where_they_are_not_it_gains():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 4))
    noise = rng.normal(size=300)
    of_line, of_wave = (ResMemRegressor().fit(X, y) for y in (X[:, 0] + noise, np.sin(3 * X[:, 0]) + 0.1 * noise))
    assert of_line.gamma_ == 0
    np.testing.assert_allclose(of_line.predict(X), of_line.base_estimator_.predict(X))
    assert of_wave.gamma_ > 0
    Q = rng.normal(size=(200, 4))
    assert of_wave.score(Q, np.sin(3 * Q[:, 0])) > of_wave.base_estimator_.score(Q, np.sin(3 * Q[:, 0])) + 0.1


def test_the_classifier_chooses_by_points_that_the_base_has_not_seen(digits):
    X, X_test, y, y_test = digits
    forest = RandomForestClassifier(20, random_state=0)  # right on all that it was fitted to
    model = ResMemClassifier(forest, **AUTO).fit(X, y)
    assert model.base_estimator_.score(X, y) == 1
    assert model.gamma_ > 0
    assert model.score(X_test, y_test) > model.base_estimator_.score(X_test, y_test)
    frozen = ResMemClassifier(FrozenEstimator(clone(forest).fit(X, y)), **AUTO).fit(X, y)
    assert frozen.gamma_ == 0  # nobody can tell what it would say of others
    np.testing.assert_allclose(frozen.predict_proba(X_test), frozen.base_estimator_.predict_proba(X_test), atol=1e-12)


def test_the_classifier_leaves_memory_out_where_labels_are_noise():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = (X[:, 0] + rng.logistic(scale=0.5, size=200) > 0).astype(int)
    model = ResMemClassifier(**AUTO).fit(X, y)
    assert (model.gamma_, model.temperature_) == (0, 1)


@pytest.mark.parametrize("parameter", AUTO)
@BOTH
def test_each_setting_is_chosen_alone_and_the_others_kept(kind, parameter, blobs):
    X, y = blobs[0], np.unique(blobs[1], return_inverse=True)[1]
    fixed = {"n_neighbors": 7, "sigma": 0.7, "temperature": 1.5, "gamma": 0.5}
    model = kind(**{**fixed, parameter: "auto"}).fit(X, y)
    assert all(getattr(model, f"{name}_") == fixed[name] for name in fixed if name != parameter)
    assert getattr(model, f"{parameter}_") > (-1 if parameter == "gamma" else 0)


@BOTH
@pytest.mark.parametrize("n", [2, 3, 4])
def test_few_points_are_enough_to_choose_from(kind, n):
    X, y = np.arange(float(n))[:, None], np.arange(n) % 2
    model = kind(DummyClassifier() if kind is ResMemClassifier else DummyRegressor(), **AUTO).fit(X, y)
    assert 1 <= model.n_neighbors_ < n


def test_a_class_of_a_single_point_is_chosen_with(blobs):
    X, y = blobs
    y = np.where(np.arange(len(y)) == 3, "dog", y)
    model = ResMemClassifier(SHALLOW, **AUTO).fit(X, y)
    assert model.classes_.tolist() == ["ant", "bee", "cat", "dog"]
    assert np.isfinite(model.predict_proba(X)).all()


def test_many_points_are_chosen_for_on_some(monkeypatch, blobs):
    monkeypatch.setattr("resmem_core.evaluation.remembering.JUDGED", 30)
    X, y = blobs[0], np.arange(120) % 3
    asked = []
    monkeypatch.setattr(
        "resmem_core.estimators.tune_values", lambda *given, **grid: asked.append(given) or Params(3, 1.0)
    )
    ResMemRegressor().fit(X, y)
    assert [array.shape for array in asked[0][:3]] == [(30, 1), (30, 1), (120, 1)]


def test_auto_goes_through_a_grid_search(digits):
    X, _, y, _ = digits
    grid = {"n_neighbors": [3, "auto"], "sigma": ["auto"], "temperature": [1.0, "auto"], "gamma": [1.0, "auto"]}
    search = GridSearchCV(ResMemClassifier(SHALLOW), grid, cv=2, error_score="raise").fit(X[:200], y[:200])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    GridSearchCV(ResMemRegressor(), grid, cv=2, error_score="raise").fit(X[:200], y[:200])


# More points -----------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("index", ["exact", "annoy"])
def test_partial_fit_adds_to_memory_and_leaves_the_base(kind, index, blobs):
    X, y = blobs[0], np.arange(120) % 3
    grown = kind(n_neighbors=60, sigma=0.5, gamma=1.0, index=index)
    with pytest.warns(UserWarning, match="using all 50"):
        grown.fit(X[:50], y[:50])
    base = grown.base_estimator_
    assert grown.partial_fit(X[50:90], y[50:90]).partial_fit(X[90:], y[90:]) is grown
    assert grown.base_estimator_ is base
    whole = kind(FrozenEstimator(base), n_neighbors=60, sigma=0.5, gamma=1.0, index=index).fit(X, y)
    Q = X + 0.1
    np.testing.assert_allclose(grown.predict(Q), whole.predict(Q), atol=1e-5)
    np.testing.assert_allclose(grown.kneighbors(Q)[0], whole.kneighbors(Q)[0], atol=1e-5)
    assert grown.n_neighbors_ == 60


@BOTH
def test_partial_fit_comes_first_or_after_settings_were_chosen(kind, blobs):
    X, y = blobs[0], np.arange(120) % 3
    first, fitted = kind(**AUTO).partial_fit(X, y), kind(**AUTO).fit(X, y)
    np.testing.assert_array_equal(first.predict(X), fitted.predict(X))
    more = clone(first).fit(X[:60], y[:60])
    chosen = [more.n_neighbors_, more.sigma_, more.gamma_, more.temperature_]
    more.partial_fit(X[60:], y[60:])
    assert [more.n_neighbors_, more.sigma_, more.gamma_, more.temperature_] == chosen


def test_partial_fit_refuses_what_the_base_does_not_know(blobs):
    X, y = blobs
    model = ResMemClassifier().fit(X, y)
    with pytest.raises(InvalidParameterError, match="y holds dog, emu, which the base does not know; it knows ant, b"):
        model.partial_fit(X[:3], ["dog", "ant", "emu"])
    with pytest.raises(InvalidParameterError, match="classes holds dog"):
        model.partial_fit(X[:1], y[:1], classes=["ant", "dog"])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.partial_fit(X[:3], y[:2])
    with pytest.raises(ValueError, match="3 features"):
        model.partial_fit(np.ones((2, 3)), y[:2])
    assert len(model.kneighbors()[0]) == len(X)
    with pytest.raises(InvalidParameterError, match=r"y of shape \(2, 2\)"):
        ResMemRegressor().fit(X, X[:, 0]).partial_fit(X[:2], X[:2])
