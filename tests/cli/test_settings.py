"""One table of settings: to a URL and back, and nonsense noted."""

from dataclasses import fields, replace
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from resmem_core.cli.settings import TABLE, Language, Settings
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.forms import table_of
from resmem_core.data import DATASETS
from resmem_core.data.base import IMAGE, TEXT
from resmem_core.data.corruption import MAX_NOISE
from resmem_core.evaluation.metrics import OUTCOMES
from resmem_core.experiment.config import PRECOMPUTED, ExperimentConfig, LanguageConfig, fields_of
from resmem_core.memory.indexes import INDEXES
from resmem_core.memory.types import Params
from resmem_core.models import BACKBONES

quick = hypothesis_settings(max_examples=100)
POSITIVE = st.floats(0, exclude_min=True, allow_infinity=False)
COUNT = st.none() | st.integers(1)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def backbones(kind):
    return [item.name + (":some/path" if item.argument else "") for item in BACKBONES if kind in item.kinds]


@st.composite
def possible(draw):
    """Settings that go together."""
    loader = draw(st.sampled_from([loader for loader in DATASETS if loader.kind != TEXT]))
    return Settings(
        dataset=loader.name + (f":{draw(WORDS.filter(str.strip))}" if loader.argument else ""),  # blank is no argument
        backbone=draw(st.sampled_from(["", *([PRECOMPUTED] if loader.has_model else []), *backbones(loader.kind)])),
        seed=draw(st.integers(0, 2**31 - 1)),
        index=draw(st.sampled_from(INDEXES.names())),
        epochs=draw(COUNT),
        limit_train=draw(COUNT),
        imbalance=draw(st.floats(1, allow_infinity=False)),
        label_noise=draw(st.floats(0, MAX_NOISE)),
        normalize=draw(st.sampled_from([None, True, False])),
        k=draw(COUNT),
        sigma=draw(st.none() | POSITIVE),
        temperature=draw(st.none() | POSITIVE),
        gamma=draw(st.none() | st.just(0.0) | POSITIVE),
        point=draw(st.none() | st.integers(0)),
        outcome=draw(st.sampled_from(OUTCOMES)),
        of_class=draw(st.none() | WORDS),
    )


@quick
@given(possible(), possible())
def test_what_is_beside_another_experiment_is_told_by_what_differs(a, b):
    found = a.changed(b.beside(a))
    assert found.experiment() == b.experiment()
    chosen = Params(3, 0.5, 2.0, 0.7)
    assert found.params(a.params(chosen)) == b.params(a.params(chosen))


def test_what_is_left_to_the_data_is_as_chosen():
    chosen = Params(3, 0.5, 2.0, 0.7)
    assert (Settings().params(chosen), Settings().is_untouched) == (chosen, True)
    for name, value in (("k", 9), ("sigma", 0.25), ("temperature", 1.5), ("gamma", 0.0)):
        asked, notes = Settings.from_query({name: str(value)})
        assert (asked.params(chosen), asked.is_untouched) == (replace(chosen, **{name: value}), False)
        assert notes == []
    for wrong in ("-1", "inf", "nan", "much"):
        assert "gamma" in Settings.from_query({"gamma": wrong})[1][0]


def test_nothing_stands_for_the_default():
    a = Settings("cifar10", "resnet8", epochs=3)
    assert a.changed("epochs=&k=5") == Settings("cifar10", "resnet8", k=5)
    with pytest.raises(InvalidParameterError, match="'banana=': banana='' is not known"):
        a.changed("banana=")


class TestUrl:
    @quick
    @given(possible())
    def test_round_trip(self, settings):
        query = settings.to_query()
        assert Settings.from_query(query) == (settings, [])
        assert Settings.from_query(dict(parse_qsl(urlencode(query)))) == (settings, [])
        assert set(query) == {name for name, f in TABLE.items() if getattr(settings, name) != f.default}

    def test_text(self):
        settings = Settings("cifar10", "resnet8", normalize=False, k=3, sigma=0.1)
        expected = {"dataset": "cifar10", "backbone": "resnet8", "normalize": "false", "k": "3", "sigma": "0.1"}
        assert settings.to_query() == expected

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            *[("k", text) for text in ("0", "-1", "1.5", "abc", "", "nan", "9" * 5000)],
            *[("sigma", text) for text in ("0", "-0.1", "nan", "inf", "1e999", "abc", "", "1,5")],
            *[("temperature", text) for text in ("0", "-inf", "None")],
            *[("seed", text) for text in ("-1", "0.5", "abc")],
            *[("point", text) for text in ("-1", "first")],
            *[("epochs", "0"), ("limit_train", "0"), ("outcome", "Fixed"), ("normalize", "yes"), ("normalize", "1")],
        ],
    )
    def test_nonsense_is_noted_and_defaulted(self, name, text):
        settings, notes = Settings.from_query({name: text, "of_class": "cat"})
        assert settings == Settings(of_class="cat")
        assert len(notes) == 1
        assert notes[0].startswith(f"{name}: {text!r} is")
        assert notes[0].endswith("the default is used")

    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ({"dataset": "unknown"}, "unknown dataset 'unknown'"),
            ({"dataset": "folder"}, "folder"),
            ({"dataset": "digits:somewhere"}, "digits"),
            ({"backbone": "resnet9000"}, "unknown backbone 'resnet9000'"),
            ({"backbone": PRECOMPUTED}, "precomputed"),
            ({"dataset": "arrays:mine.npz", "backbone": "linear"}, "goes with data of kind"),
            ({"index": "faiss"}, "unknown index 'faiss'"),
            ({"seed": str(2**31)}, f"seed={2**31}"),
            ({"imbalance": "inf"}, "imbalance=inf"),
            ({"dataset": "python-docs"}, "'python-docs' is text: see it on the page Language"),
        ],
        ids=str,
    )
    def test_what_does_not_go_together(self, query, told):
        settings, notes = Settings.from_query({**query, "k": "7", "sigma": "0.5", "temperature": "2"})
        assert settings == Settings(k=7, sigma=0.5, temperature=2.0)
        assert len(notes) == 1
        assert told in notes[0]
        assert "the default is shown" in notes[0]

    @quick
    @given(st.dictionaries(st.sampled_from([*TABLE, "other"]) | st.text(), st.text()))
    def test_any_query_gives_possible_settings(self, query):
        settings, notes = Settings.from_query(query)
        settings.experiment()
        again, notes_again = Settings.from_query(settings.to_query())
        assert again == settings
        assert notes_again == []
        assert len(notes) >= sum(name not in TABLE for name in query)


class TestTable:
    @pytest.mark.parametrize(
        ("form", "kind", "config"), [(Settings, IMAGE, ExperimentConfig), (Language, TEXT, LanguageConfig)]
    )
    def test_experiment_has_the_same_defaults(self, form, kind, config):
        experiment = config()
        assert form().experiment() == experiment
        assert {f.name for f in fields(ExperimentConfig)} & set(table_of(form)) == set(fields_of(kind))
        for name in set(fields_of(kind)) - {"backbone"}:
            assert table_of(form)[name].default == getattr(experiment, name)

    def test_experiment_takes_what_is_set(self):
        told = Settings("digits", "linear", 3, "annoy", 2, 50, k=9, imbalance=20, label_noise=0.1, normalize=True)
        assert told.experiment() == ExperimentConfig("digits", "linear", 3, "annoy", 2, 50, 20, 0.1, normalize=True)
        told = Language("text:a.txt", "gru-small", 3, epochs=2, limit_train=50, tokenizer="words", vocabulary=600, k=9)
        assert told.experiment() == LanguageConfig("text:a.txt", "gru-small", 3, "exact", 2, 50, "words", 600)
