"""`hf:`: folders of files read by the real package, and the hub by a stand-in; never the network."""

import json
from importlib.metadata import PackageNotFoundError
from unittest.mock import Mock

import pandas as pd
import pytest

from resmem_core.common.errors import DatasetError, InvalidParameterError, UnavailableError
from resmem_core.common.progress import silent
from resmem_core.data import DATASETS, hub_datasets
from resmem_core.data.text_loading import load_corpus

LOADER = DATASETS.get("hf")


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return datasets


@pytest.fixture
def hub(datasets, monkeypatch):
    """Return a list of what is asked of the hub, which has what `hub.splits` says or fails with it."""

    class Hub(list):
        splits = None

        def load(self, *asked, **options):
            self.append((asked, options))
            if isinstance(self.splits, Exception):
                raise self.splits
            return datasets.DatasetDict(
                {name: datasets.Dataset.from_dict(columns) for name, columns in self.splits.items()}
            )

    hub = Hub()
    monkeypatch.setattr(datasets, "load_dataset", hub.load)
    return hub


def texts(documents):
    return [document.text for document in documents]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("imdb", ("imdb", None, None)),
        ("org/name", ("org/name", None, None)),
        ("org/name:config-1.0", ("org/name", "config-1.0", None)),
        ("org/name:config@body", ("org/name", "config", "body")),
        ("org/name@body", ("org/name", None, "body")),
        ("/data/a:b/c@d/e", ("/data/a:b/c@d/e", None, None)),
        ("/data/a:b/c@d/e:f@g", ("/data/a:b/c@d/e", "f", "g")),
        (r"C:\data\x", (r"C:\data\x", None, None)),
    ],
)
def test_the_grammar(argument, expected):
    assert hub_datasets.wanted("hf", argument) == expected


@pytest.mark.parametrize("argument", ["@text", "name@", "pandas", "pandas@text"])
def test_wrong_grammar_is_answered(argument):
    with pytest.raises(InvalidParameterError, match="no dataset of that name"):
        LOADER.load(argument, silent)


def test_a_folder_of_json_lines_or_of_parquet_makes_a_corpus(datasets, tmp_path):
    rows = {"train": ["one", "two", None, " "], "validation": ["three"], "test": ["four\n", "five"]}
    for kind in ("lines", "parquet"):
        folder = tmp_path / kind
        folder.mkdir()
        for split, values in rows.items():
            frame = pd.DataFrame({"text": values, "label": 1})
            if kind == "parquet":
                frame.to_parquet(folder / f"{split}.parquet")
            else:
                frame.to_json(folder / f"{split}.jsonl", orient="records", lines=True)
        source = LOADER.load(str(folder), silent)
        assert texts(source.train) == ["one", "two"]
        assert [document.name for document in source.train] == ["train 0", "train 1"]
        assert texts(source.validation) == ["three"]
        assert texts(source.test) == ["four\n", "five"]
    (tmp_path / "json").mkdir()  # a name that the package would take for its own reader of JSON
    rows = [{"body": f"Document {i} is about the number {i}. " * 10} for i in range(30)]
    (tmp_path / "json" / "all.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        corpus = load_corpus("hf:json@body")
    assert len(corpus.train) + len(corpus.validation) + len(corpus.test) == 30


def test_a_folder_that_was_saved_to_disk_is_read(datasets, tmp_path):
    rows = {"Train": ["one", "two"], "VAL": ["three"], "extra": ["four"]}
    splits = {split: datasets.Dataset.from_dict({"text": texts}) for split, texts in rows.items()}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "all")
    source = LOADER.load(str(tmp_path / "all"), silent)
    assert texts(source.train) == ["one", "two"]
    assert texts(source.validation) == ["three"]
    assert source.notes == ("other splits were passed over: 'extra'",)
    splits["Train"].save_to_disk(tmp_path / "one")
    source = LOADER.load(str(tmp_path / "one"), silent)
    assert texts(source.train) == ["one", "two"]
    (tmp_path / "one" / "state.json").write_text("{")
    with pytest.raises(DatasetError, match="cannot be used"):
        LOADER.load(str(tmp_path / "one"), silent)


def test_a_folder_without_data_or_with_damaged_files_is_answered(datasets, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(UnavailableError, match="mine"):
        LOADER.load(str(tmp_path / "mine"), silent)
    (tmp_path / "mine" / "train.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DatasetError, match="mine"):
        LOADER.load(str(tmp_path / "mine"), silent)


def test_no_code_of_a_dataset_is_run(datasets, tmp_path):
    (tmp_path / "mine").mkdir()
    script = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    (tmp_path / "mine" / "mine.py").write_text(script)
    (tmp_path / "mine" / "train.jsonl").write_text('{"text": "x"}')
    with pytest.raises(UnavailableError, match="scripts"):
        LOADER.load(str(tmp_path / "mine"), silent)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("train", "validation"), [("train", "dev"), ("Train", "VALID")])
def test_the_hub_is_asked_for_name_and_configuration_only(hub, train, validation):
    hub.splits = {train: {"text": ["a"]}, validation: {"text": ["b"]}, "unsupervised": {"other": ["c"]}}
    source = LOADER.load("org/name:config", silent)
    assert hub == [(("org/name", "config"), {})]
    assert texts(source.train) == ["a"]
    assert texts(source.validation) == ["b"]
    assert source.test is None
    assert source.notes == ("other splits were passed over: 'unsupervised'",)
    hub.splits = {"Test": {"text": ["a"]}, "TRAIN": {"text": ["b"]}, "dev": {"text": ["c"]}, "val": {"text": ["d"]}}
    source = LOADER.load("org/name", silent)
    assert (texts(source.train), texts(source.validation), texts(source.test)) == (["b"], ["d"], ["a"])


@pytest.mark.parametrize("end", ["\n", ""])
def test_rows_that_are_lines_of_wikitext_become_articles(hub, end):
    lines = ["", " = One = ", "", " First . ", " = = Part = = ", "", " = Two = ", "", " Second . "]
    hub.splits = {"train": {"text": [line and line + end for line in lines]}}
    if end:
        hub.splits["train"]["text"] = [line or "\n" for line in hub.splits["train"]["text"]]
    source = LOADER.load("wikitext", silent)
    assert [document.name for document in source.train] == ["One", "Two"]
    assert source.train[0].text.endswith(" = = Part = = \n\n")


@pytest.mark.parametrize(
    ("splits", "error", "said"),
    [
        ({"test": {"text": ["a"]}}, DatasetError, "no split train but 'test'"),
        ({"train": {"body": ["a"], "label": [1]}}, DatasetError, "no column 'text' of text in train, but 'body'"),
        ({"train": {"text": [1]}}, DatasetError, "no column 'text' of text in train, but none"),
        (ValueError("Config name is missing. Pick one of a, b"), DatasetError, "Pick one of a, b"),
        (ConnectionError("no route"), UnavailableError, "could not be fetched .no route.; check the name"),
        (FileNotFoundError("no such dataset"), UnavailableError, "no such dataset"),
    ],
)
def test_what_the_hub_has_not_is_answered(hub, splits, error, said):
    hub.splits = splits
    with pytest.raises(error, match=said):
        LOADER.load("org/name", silent)


@pytest.mark.parametrize(("installed", "said"), [(None, "not installed"), ("3.6.0", "datasets 3.6.0 can run code")])
def test_what_is_missing_is_told_with_how_to_install_it(monkeypatch, installed, said):
    missing = PackageNotFoundError("datasets") if installed is None else None
    monkeypatch.setattr(hub_datasets, "version", Mock(return_value=installed, side_effect=missing))
    assert said in LOADER.unavailable("imdb")
    with pytest.raises(UnavailableError, match="pip install 'datasets>=4'"):
        LOADER.load("imdb", silent)
