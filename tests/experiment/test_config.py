"""What names an experiment, letter by letter: links, jobs, run ids and store keys that are out there depend on it."""

import pytest

from resmem_core import ExperimentConfig, LanguageConfig, Params, prepare, prepare_language
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.store import Store
from resmem_core.data.base import EMBEDDINGS, IMAGE
from resmem_core.data.base import TEXT as OF_TEXT
from resmem_core.experiment.config import fields_of
from resmem_core.experiment.runs import id_of

IMAGES = ExperimentConfig(
    "folder:my pictures", "small-cnn", 3, "annoy", 2, 60, imbalance=5, label_noise=0.1, normalize=False, edits="0" * 24
)
TEXT = LanguageConfig("text:my notes", "gru-small", 2, "auto", 1, 500, tokenizer="words", vocabulary=700)


@pytest.mark.parametrize(
    ("config", "options", "construction"),
    [
        (ExperimentConfig(), ["--backbone=linear"], "ExperimentConfig(backbone='linear')"),
        (ExperimentConfig("arrays:x.npz"), ["--dataset=arrays:x.npz"], "ExperimentConfig(dataset='arrays:x.npz')"),
        (
            IMAGES,
            [
                *("--dataset=folder:my pictures", "--backbone=small-cnn", "--seed=3", "--index=annoy", "--epochs=2"),
                *("--limit-train=60", "--imbalance=5.0", "--label-noise=0.1", "--no-normalize", f"--edits={'0' * 24}"),
            ],
            "ExperimentConfig(dataset='folder:my pictures', backbone='small-cnn', seed=3, index='annoy', epochs=2, "
            f"limit_train=60, imbalance=5.0, label_noise=0.1, normalize=False, edits='{'0' * 24}')",
        ),
        (LanguageConfig(), ["--dataset=python-docs"], "LanguageConfig(dataset='python-docs')"),
        (LanguageConfig(backbone=""), ["--dataset=python-docs"], "LanguageConfig(dataset='python-docs')"),
        (
            LanguageConfig(backbone="hf:x", tokenizer="words", vocabulary=700),  # which brings a tokenizer of its own
            ["--dataset=python-docs", "--backbone=hf:x"],
            "LanguageConfig(dataset='python-docs', backbone='hf:x')",
        ),
        (
            TEXT,
            [
                *("--dataset=text:my notes", "--backbone=gru-small", "--seed=2", "--index=auto", "--epochs=1"),
                *("--limit-train=500", "--tokenizer=words", "--vocabulary=700"),
            ],
            "LanguageConfig(dataset='text:my notes', backbone='gru-small', seed=2, index='auto', epochs=1, "
            "limit_train=500, tokenizer='words', vocabulary=700)",
        ),
    ],
)
def test_options_and_construction(config, options, construction):
    assert config.options() == options
    assert list(config.told()) == [option.removeprefix("--no").strip("-").partition("=")[0].replace("-", "_")
                                   for option in options]  # fmt: skip
    assert config.construction() == construction


def test_the_command_line_quotes_what_a_shell_would_split():
    told = "python -m resmem_core tune '--dataset=text:my notes' --backbone=gru-small --seed=2 --index=auto --epochs=1"
    assert TEXT.command("tune", "--json") == f"{told} --limit-train=500 --tokenizer=words --vocabulary=700 --json"


@pytest.mark.parametrize(
    ("config", "fields", "digest"),
    [
        (
            IMAGES,
            {
                "dataset": "folder:my pictures", "backbone": "small-cnn", "seed": 3, "index": "annoy", "epochs": 2,
                "limit_train": 60, "imbalance": 5.0, "label_noise": 0.1, "normalize": False, "edits": "0" * 24,
            },
            "5f1f948c85fba561b679eed0",
        ),
        (
            TEXT,
            {
                "dataset": "text:my notes", "backbone": "gru-small", "seed": 2, "index": "auto", "epochs": 1,
                "limit_train": 500, "normalize": None, "tokenizer": "words", "vocabulary": 700,
            },
            "48d8180313414124426d2d85",
        ),
    ],
)  # fmt: skip
def test_the_fields_that_ids_of_runs_are_made_of(config, fields, digest):
    assert list(config.as_dict().items()) == list(fields.items())
    assert id_of({**config.as_dict(), "k": 7, "sigma": 0.5, "temperature": 2.0}) == digest


def test_the_code_of_images():
    assert (
        ExperimentConfig().code(Params(7, 0.5, 2.0))
        == """\
from resmem_core import ExperimentConfig, Params, prepare

config = ExperimentConfig(backbone='linear')
experiment = prepare(config)  # trains where that is not done yet
params = Params(k=7, sigma=0.5, temperature=2.0)
result = experiment.evaluate(params)  # on the test split
print(result.n, "test points, gain", result.delta, "within", result.delta_ci95)
for method, accuracy in result.accuracy.items():
    print(method, accuracy)
"""
    )


def test_the_code_of_text():
    assert (
        LanguageConfig().code()
        == """\
from resmem_core import LanguageConfig, prepare_language

config = LanguageConfig(dataset='python-docs')
experiment = prepare_language(config)  # trains where that is not done yet
params = experiment.tune().params  # chosen on validation
result = experiment.evaluate(params)  # on the test split
print(result.n, "test tokens, gain", result.delta, "within", result.delta_ci95)
for method, accuracy in result.accuracy.items():
    print(method, accuracy, result.perplexity.get(method))
"""
    )
    assert LanguageConfig().code(Params(7, 0.5), "pass\n").splitlines()[0] == (
        "from resmem_core import LanguageConfig, Params, prepare_language"
    )


def names(store):
    return {(entry.kind, entry.path.name) for entry in store.entries()}


def test_the_store_knows_images_again(tmp_path):
    store = Store(tmp_path)
    prepare(ExperimentConfig(), store=store).tune()  # its weights ship: all names are the same everywhere
    prepare(ExperimentConfig(seed=5, limit_train=60, epochs=1, imbalance=2), store=store)
    assert names(store) >= {
        ("embeddings", "87d5a31440f410df1c4eaf53"),
        ("index", "bb9995cbe2a7cc7e1d70c88e"),
        ("neighbors", "bb9995cbe2a7cc7e1d70c88e"),
        ("weights", "1a062dd635ae9ffb91b2d0d2"),
    }


def test_the_store_knows_text_again(tmp_path, tiny_folder):
    store, text = Store(tmp_path), f"text:{tiny_folder}"
    config = LanguageConfig(text, "gru-small", tokenizer="words", vocabulary=512, epochs=1, limit_train=3000)
    prepare_language(config, store=store)
    assert names(store) >= {("language-weights", "d23fa7928ff08f75973d232c"), ("tokenizer", "e05653d66a845acd4a5ed179")}


def test_the_kind_of_the_dataset_tells_which_fields_apply():
    shared = ("dataset", "backbone", "seed", "index", "epochs", "limit_train")
    assert fields_of(IMAGE) == fields_of(EMBEDDINGS) == (*shared, "imbalance", "label_noise", "normalize", "edits")
    assert fields_of(OF_TEXT) == (*shared, "normalize", "tokenizer", "vocabulary")
    for config in (IMAGES, TEXT, ExperimentConfig("arrays:x.npz")):
        assert tuple(config.as_dict()) == fields_of(config.kind)


def test_text_needs_no_configuration_of_its_own():
    assert ExperimentConfig("python-docs") == LanguageConfig()
    assert LanguageConfig("text:a", "gru-small", 1, "annoy", 2, 3, "words", 600, True) == ExperimentConfig(
        "text:a", "gru-small", 1, "annoy", 2, 3, normalize=True, tokenizer="words", vocabulary=600
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dataset": "nowhere"}, "nowhere.*digits"),
        ({"dataset": "folder"}, "folder:PATH"),
        ({"backbone": "resnet9"}, "resnet9.*resnet8"),
        ({"backbone": "gru-small"}, "'gru-small' goes with data of kind text, but the dataset is of kind image"),
        ({"index": "flat"}, "flat.*exact"),
        ({"seed": -1}, "seed=-1"),
        ({"epochs": 0}, "epochs=0"),
        ({"limit_train": 0}, "limit_train=0"),
        ({"backbone": "precomputed"}, "arrays:PATH"),
        ({"dataset": "arrays:x.npz", "backbone": "linear"}, "'linear' goes with data of kind image or features"),
        ({"tokenizer": "words"}, "tokenizer='words' does not go with 'digits', which is of kind image.* kind text"),
        ({"vocabulary": 600}, "vocabulary=600 does not go with 'digits'"),
    ],
)
def test_impossible_experiments_are_refused(fields, message):
    with pytest.raises(InvalidParameterError, match=message):
        ExperimentConfig(**fields)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("dataset", "digits", "'digits' is no text"),
        ("backbone", "linear", "linear"),
        ("tokenizer", "syllables", "syllables"),
        ("tokenizer", "own", "brings one"),
        ("vocabulary", 100, "100"),
    ],
)
def test_impossible_experiments_on_text_are_refused(name, value, message):
    with pytest.raises(InvalidParameterError, match=message):
        LanguageConfig(**{name: value})


@pytest.mark.parametrize(("name", "value"), [("imbalance", 5), ("label_noise", 0.1), ("edits", "0")])
def test_what_does_not_apply_to_text_is_refused(name, value):
    said = f"{name}={value!r} does not go with 'python-docs', which is of kind text; leave it out, or choose a dataset"
    with pytest.raises(InvalidParameterError, match=f"{said} of kind image or embeddings"):
        ExperimentConfig("python-docs", **{name: value})
