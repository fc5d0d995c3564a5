"""ResMem in the plane, against the public interface."""

import contextlib
import io
from dataclasses import replace
from functools import cache
from urllib.parse import parse_qsl

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resmem_core import HiddenLayer, PictureClassifier, ResMemClassifier
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.forms import table_of
from resmem_core.teaching.dots import SIDE as PIXELS
from resmem_core.teaching.dots import dot_pictures
from resmem_core.teaching.lessons import LESSONS
from resmem_core.teaching.plane import EXTENT, Place, plane_sample
from resmem_core.teaching.plane_base import COARSE, SIDE, estimator_of, picture_backbones
from resmem_core.teaching.plane_edits import PlaneEdits
from resmem_core.teaching.playground import CLICKS, Playground, code, fit_base, view, votes


def places_of(seen):
    return np.stack(np.meshgrid(seen.axis, seen.axis), axis=-1).reshape(-1, 2)


fitted = cache(fit_base)


def shown(**values):
    form = Playground(**values)
    base = fitted(form.scene)
    return form, base, view(form, base)


CASES = [
    {},
    {"data": "checkerboard", "n": 2000, "k": 100, "sigma": 0.02, "temperature": 3.0},
    {"data": "blobs", "k": 1, "imbalance": 8.0, "label_noise": 0.2},
    {"data": "circles", "base": "network", "k": 30, "sigma": 50.0, "temperature": 0.2},
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("values", CASES)
def test_surfaces_and_accuracies_are_those_of_the_public_interface(values):
    form, base, seen = shown(**values)
    train, test = base.train, base.test
    public = ResMemClassifier(
        estimator_of(form.base, form.seed), n_neighbors=form.k, sigma=form.sigma, temperature=form.temperature
    ).fit(train.X, train.y)
    places = places_of(seen)[::7]
    wanted = (public.decision_function(places) + 1) / 2
    found = seen.resmem.ravel()[::7]
    # The public interface measures in float32: where the k-th and the next are even there, it may take the other.
    at_k = public.kneighbors(places, min(form.k + 1, form.n))[0][:, form.k - 1 :]
    decided = np.diff(at_k, axis=1)[:, 0] > 1e-6
    assert decided.mean() > 0.999
    np.testing.assert_allclose(found[decided], wanted[decided], atol=2e-4)
    np.testing.assert_allclose(np.clip(found, 0, 1)[decided], public.predict_proba(places)[decided, 1], atol=2e-4)
    np.testing.assert_allclose(seen.test.accuracy["base"], public.base_estimator_.score(test.X, test.y))
    assert abs(seen.test.accuracy["resmem"] - public.score(test.X, test.y)) <= 0.001
    assert seen.train.base == pytest.approx(public.base_estimator_.score(train.X, train.y))
    assert seen.train.resmem == pytest.approx(public.score(train.X, train.y), abs=0.002)
    np.testing.assert_allclose(seen.base + seen.memory, seen.resmem)
    assert seen.resmem.shape == (SIDE, SIDE)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_hidden_layers_are_those_of_the_public_interface():
    form, base, seen = shown(base="network", space="hidden", sigma=0.3, n=300)
    estimator = estimator_of("network", 0)
    public = ResMemClassifier(estimator, n_neighbors=10, sigma=0.3, embed=HiddenLayer(estimator))
    public.fit(base.train.X, base.train.y)
    assert seen.resmem.shape == (COARSE, COARSE)
    np.testing.assert_allclose(seen.resmem.ravel(), (public.decision_function(places_of(seen)) + 1) / 2, atol=2e-3)
    flat = view(replace(form, space="plane"), fit_base(replace(form, space="plane").scene))
    assert flat.resmem.shape == (SIDE, SIDE)
    assert Playground(space="hidden").scene == Playground().scene  # the linear base has none
    with pytest.raises(InvalidParameterError, match="no hidden layer"):
        HiddenLayer(estimator_of("linear", 0)).fit([[0.0], [1.0]], [0, 1]).transform([[0.0]])


@settings(max_examples=15)
@given(st.floats(-EXTENT, EXTENT), st.floats(-EXTENT, EXTENT), st.integers(1, 100), st.sampled_from([0.01, 0.1, 10.0]))
def test_votes_add_up_to_what_the_surface_shows(x, y, k, sigma):
    form = Playground(data="spirals", k=k, sigma=sigma)
    base = fitted(form.scene)
    asked = votes(form, base, Place(x, y))
    assert len(asked.ids) == k
    assert (np.diff(asked.distances) >= 0).all()
    np.testing.assert_allclose(asked.weights.sum(), 1)
    np.testing.assert_allclose(asked.scores, asked.base + asked.contributions.sum(axis=0))
    np.testing.assert_allclose(asked.distances, np.hypot(*(base.train.X[asked.ids] - [Place(x, y).x, Place(x, y).y]).T))


def test_votes_are_those_of_the_place_on_the_surface():
    form, base, seen = shown(k=7, temperature=2.0)
    for row, column in ((0, 0), (50, 120), (199, 3)):
        # A place of the surface lies between thousandths; the field is continuous enough.
        asked = votes(form, base, Place(seen.axis[column], seen.axis[row]))
        assert asked.scores[1] == pytest.approx(seen.resmem[row, column], abs=0.05)
        np.testing.assert_allclose(asked.contributions[:, 1], asked.weights * seen.residual[asked.ids], atol=1e-6)


def test_memory_changes_at_once_and_the_base_only_when_asked():
    form, base, before = shown(k=1)
    where = Place(-0.9, -0.9)
    added = replace(form, click="add-0").clicked(where)
    assert added.scene == form.scene
    after = view(added, base)
    assert (after.base == before.base).all()
    row, column = (int(np.abs(after.axis - at).argmin()) for at in (where.y, where.x))
    assert after.resmem[row, column] < 0.5 < before.resmem[row, column]
    near = np.hypot(*(places_of(after) - [where.x, where.y]).T).reshape(SIDE, SIDE) < 0.01
    assert (after.resmem != before.resmem)[near].all()
    assert len(after.points.y) == len(before.points.y) + 1
    removed = replace(added, click="remove").clicked(Place(-0.89, -0.9))
    np.testing.assert_array_equal(view(removed, base).resmem, before.resmem)
    anew = replace(added, refit=True)
    assert anew.scene != form.scene
    assert (view(anew, fit_base(anew.scene)).base != before.base).any()


def test_edits_one_by_one_are_all_edits_at_once():
    form, base, seen = shown(n=200, k=5)
    for click, x, y in (("remove", 0, 0), ("add-0", 0.5, 0.5), ("remove", 0.1, 0), ("add-1", 0, 0)):
        form = replace(form, click=click).clicked(Place(x, y))
    gone = [int(np.hypot(*seen.points.X.T).argmin())]
    gone.append(int(np.hypot(*(np.delete(seen.points.X, gone, axis=0) - [0.1, 0]).T).argmin()))
    gone[1] += gone[1] >= gone[0]
    X = np.vstack([np.delete(base.train.X, gone, axis=0), [[0.5, 0.5], [0, 0]]])
    y = np.append(np.delete(base.train.y, gone), [0, 1])
    after = view(form, base)
    np.testing.assert_array_equal(after.points.X, X)
    np.testing.assert_array_equal(after.points.y, y)
    assert after.points.added.sum() == 2


def test_k_is_at_most_what_is_in_memory_and_a_base_needs_both_classes():
    edits = PlaneEdits(tuple(f"x{row}" for row in range(10)))
    _, _, seen = shown(n=50, k=100, edits=edits)
    assert seen.params.k == len(seen.points.y) == 40
    form = Playground(n=50, imbalance=20.0)
    rows = np.flatnonzero(plane_sample(form.data, 50, imbalance=20.0)[0].y == 1)
    form = replace(form, edits=PlaneEdits(tuple(f"x{row}" for row in rows)), refit=True)
    with pytest.raises(InvalidParameterError, match="needs both"):
        fit_base(form.scene)
    form = replace(form, refit=False)
    assert np.isfinite(view(form, fit_base(form.scene)).resmem).all()


def test_networks_of_the_project_see_pictures():
    names = picture_backbones()
    assert "picture-small-cnn" in names
    assert not any("resnet50" in name or "mobilenet" in name for name in names)
    pictures = dot_pictures(np.array([[-EXTENT, EXTENT], [0.0, 0.0]]))
    assert pictures.shape == (2, 1, PIXELS, PIXELS)
    assert np.unravel_index(pictures[0, 0].argmax(), (PIXELS, PIXELS)) == (PIXELS - 1, 0)
    told = []
    form = Playground(base="picture-linear", data="blobs", n=60, space="hidden")
    base = fit_base(form.scene, told.append)
    assert told[-1].done == told[-1].total
    seen = view(form, base)
    assert seen.resmem.shape == (COARSE, COARSE)
    assert seen.test.accuracy["base"] > 0.8
    again = PictureClassifier("linear", seed=0).fit(base.train.X, base.train.y)
    np.testing.assert_allclose(again.predict_proba(base.test.X), base.estimator.predict_proba(base.test.X), atol=1e-5)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"data": "blobs", "label_noise": 0.1, "imbalance": 3.0, "seed": 5, "k": 3, "sigma": 0.3, "temperature": 0.5},
        {"base": "network", "space": "hidden", "n": 150},
        {"edits": PlaneEdits.parse("x3,1_0.3_-0.2,x17,0_-1_1,z0"), "base": "network"},
        {"edits": PlaneEdits.parse("1_0.3_-0.2,0_-1_1"), "refit": True},
        {"edits": PlaneEdits.parse("x3"), "base": "network", "space": "hidden", "n": 100},
        {"base": "picture-linear", "n": 50},
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_code_gives_the_numbers_of_the_page(values):
    form, _, seen = shown(**values)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code(form), {})
    base, resmem = map(float, printed.getvalue().split())
    assert base == pytest.approx(seen.test.accuracy["base"])
    assert resmem == pytest.approx(seen.test.accuracy["resmem"], abs=0.0011)


FIELDS = {
    "lesson": st.sampled_from(["none", *LESSONS]),
    "data": st.sampled_from(["moons", "blobs"]),
    "n": st.integers(50, 2000),
    "noise": st.floats(0, 0.5),
    "base": st.sampled_from(["linear", "network", "picture-small-cnn"]),
    "k": st.integers(1, 100),
    "sigma": st.floats(1e-3, 1e3),
    "temperature": st.sampled_from([1.0, 100.0]),
    "at": st.sampled_from([None, Place(0.3, -0.2)]),
    "click": st.sampled_from(list(CLICKS)),
    "edits": st.sampled_from([PlaneEdits(), PlaneEdits.parse("x3,1_0_0")]),
    "refit": st.booleans(),
    "hide": st.sampled_from(["none", "all", "data,k"]),
}


@given(st.fixed_dictionaries(FIELDS))
def test_an_address_brings_back_the_form_lesson_or_not(values):
    form = Playground(**values)
    assert Playground.from_query(form.to_query()) == (form, [])


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_its_name_and_more_overrides_it(name):
    form, notes = Playground.from_query({"lesson": name})
    assert notes == []
    assert form == Playground.of_lesson(name)
    assert form.to_query() == {"lesson": name}
    form, notes = Playground.from_query({"lesson": name, "k": "10", "hide": "none", "n": "400"})
    assert (form.k, form.hide, form.n, notes) == (10, "none", 400, [])
    form, notes = Playground.from_query({"lesson": name, "k": "0"})
    assert form.k == Playground.of_lesson(name).k
    assert len(notes) == 1
    assert set(dict(parse_qsl(LESSONS[name].query))) <= set(table_of(Playground))
    assert Playground().to_query() == {}


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"lesson": "algebra"}, "algebra"),
        ({"base": "forest"}, "forest"),
        ({"base": "picture-resnet50"}, "picture-resnet50"),
        ({"n": "49"}, "from 50 to 2000"),
        ({"k": "101"}, "from 1 to 100"),
        ({"at": "9_9"}, "outside"),
        ({"edits": "boo"}, "not an edit"),
        ({"edits": "x7,x999999"}, "x999999"),
        ({"hide": "nose"}, "nose"),
        ({"seed": "-1"}, "'-1'"),
    ],
)
def test_nonsense_is_told(query, says):
    form, notes = Playground.from_query(query)
    assert form == Playground()
    assert len(notes) == 1
    assert says in notes[0]
