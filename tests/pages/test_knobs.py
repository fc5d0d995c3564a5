"""The knobs of every page of results, and the headline beside the title: what they say is what the core finds."""

import pytest

from pages._shared.knobs import BY_HAND
from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params

LABELS = {"base": "Base", "knn": "Soft kNN", "interpolation": "Interpolation"}


def read_as_typed(params):
    return {"k": str(params.k), "sigma": str(params.sigma), "temperature": str(params.temperature)}


@pytest.mark.parametrize("params", [Params(5, 0.25, 2.0), Params(1, 0.1, 1.0), Params(200, 11.9, 0.1)])
def test_the_headline_of_classes_is_the_evaluations(opened, digits, params):
    found, told = digits.evaluate(params), opened("reliability", **read_as_typed(params)).headline
    low, high = (100 * end for end in found.delta_ci95)
    assert (told["base"], told["resmem"]) == (f"{found.accuracy['base']:.1%}", f"{found.accuracy['resmem']:.1%}")
    assert told["gain"] == f"{100 * found.delta:+z.1f} points ({low:+z.1f} to {high:+z.1f})"
    assert told["sign"] == ("up" if low > 0 else "down" if high < 0 else "same")
    assert (told["fixed"], told["broken"]) == (str(found.fixed), str(found.broken))
    rival = found.accuracy[found.best_rival]
    from_to = " to ".join(f"{100 * end:+z.1f}" for end in found.against_rival.gain_ci95)
    gain = f"{100 * (found.accuracy['resmem'] - rival):+z.1f}"
    assert told["rival"] == f"{LABELS[found.best_rival]} {rival:.1%}: {gain} ({from_to})"


@pytest.mark.usefixtures("_in_shared_store")
@pytest.mark.parametrize("k", [1, 5])
def test_the_headline_of_values_is_the_evaluations(opened, diabetes, k):
    params = Params(k, 2.0, 1.0, 0.5)
    at = opened("gain", dataset="diabetes", k=str(k), sigma="2.0", gamma="0.5")
    found, told = diabetes.evaluate(params), at.headline
    rmse, form, gain = found.measures["rmse"], found.form("rmse"), found.against("base")
    assert (told["base"], told["resmem"]) == (f"{rmse['base']:{form}}", f"{rmse['resmem']:{form}}")
    low, high = gain.rmse_ci95
    assert told["gain"] == f"{-gain.rmse:+z{form}} ({-high:+z{form}} to {-low:+z{form}})"  # an error: less is better
    assert told["sign"] == ("up" if low > 0 else "down" if high < 0 else "same")
    assert (told["fixed"], told["fixedName"]) == (str(gain.closer), "closer")
    assert (told["broken"], told["brokenName"]) == (str(gain.farther), "farther")
    against = found.against("knn")
    low, high = against.rmse_ci95
    change = f"{-against.rmse:+z{form}} ({-high:+z{form}} to {-low:+z{form}})"
    assert told["rival"] == f"Soft kNN {rmse['knn']:{form}}: {change}"


def test_it_says_by_hand_exactly_where_validation_chose_another(opened, digits):
    chosen = digits.tune().params
    at = opened("classes")
    assert at.headline["hand"] == ""
    at.turn(k=chosen.k + 1)
    assert at.headline["hand"] == BY_HAND
    at.turn(k=chosen.k)
    assert at.headline["hand"] == ""
    at.turn(temperature=2.0)
    at.press("Choose on validation")
    assert (at.headline["hand"], at.knobs["temperature"]["at"]) == ("", chosen.temperature)


@pytest.mark.usefixtures("_in_shared_store")
def test_of_values_it_says_by_hand_likewise(opened, diabetes):
    at = opened("classes", dataset="diabetes")
    assert at.headline["hand"] == ""
    assert at.turn(gamma=0.3).headline["hand"] == BY_HAND


def test_a_turn_is_answered_on_every_page_that_follows(opened, digits):
    at = opened("overview").turn(k=7, sigma=0.484)
    assert (at.address("k"), at.address("sigma")) == ("7", "0.484")
    params = Params(7, 0.484, digits.tune().params.temperature)
    assert at.headline["resmem"] == f"{digits.evaluate(params).accuracy['resmem']:.1%}"
    assert {told["heard"] for told in at.mounted.values() if isinstance(told, dict)} == {1}


def test_strength_is_a_knob_only_where_it_is_not_1_and_temperature_none_of_values(opened, shared_store, monkeypatch):
    assert list(opened("classes").knobs) == ["k", "sigma", "temperature"]
    assert list(opened("classes", gamma="0.5").knobs) == ["k", "sigma", "temperature", "gamma"]
    monkeypatch.setenv("RESMEM_CACHE", str(shared_store))
    prepare(ExperimentConfig("diabetes"), store=Store())
    at = opened("gain", dataset="diabetes", gamma="1.0", temperature="3")
    assert list(at.knobs) == ["k", "sigma", "gamma"]
    assert "values have none" in at.text
    at.turn(gamma=0.0)
    assert at.address("gamma") == "0.0"
    assert at.headline["gain"].startswith("+0.00 (")


def test_every_knob_can_stand_where_it_stands_and_where_validation_would_put_it(opened, digits):
    knobs, chosen = opened("tune", k="9").knobs, digits.tune().params
    for name, knob in knobs.items():
        assert getattr(chosen, name) in knob["values"]
        assert knob["values"] == sorted(set(knob["values"]))
        assert knob["help"]
    assert knobs["k"]["at"] == 9
    assert max(knobs["k"]["values"]) == digits.k_max
    assert (
        opened("tune", k="9").mounted["knobs-narrow-knobs"]["knobs"] == opened("tune", k="9").mounted["knobs"]["knobs"]
    )
