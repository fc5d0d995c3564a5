"""`texts:PATH`: labelled texts, from a file to an experiment on their words, and to the pages."""

import csv
import json

import numpy as np
import pytest

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.store import Store
from resmem_core.data import load_dataset
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare_examples
from resmem_core.memory.types import Params
from resmem_core.models.text_encoding import encoded_texts

WORDS = {"sport": ["goal", "match", "team"], "food": ["bread", "soup", "oven"], "music": ["song", "drum", "tune"]}


def rows_of(n):
    """Return n texts in turn of each class, two of its words among others'."""
    rng, names = np.random.default_rng(0), list(WORDS)
    for i in range(n):
        own, other = WORDS[names[i % 3]], WORDS[names[int(rng.integers(3))]]
        yield {"text": f"the {rng.choice(own)}, a {rng.choice(own)} and {rng.choice(other)}", "label": names[i % 3]}


@pytest.fixture
def write(tmp_path):
    """Return a function that writes rows as a CSV file and returns its path."""

    def write(rows, name="mine.csv"):
        rows = list(rows)
        with (tmp_path / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return tmp_path / name

    return write


def texts_of(dataset):
    return {text for part in (dataset.train, dataset.validation, dataset.test) for text in part.texts}


def test_every_text_keeps_its_label(write):
    rows = [{"sentence": f"{row['text']} {i}", "y": row["label"]} for i, row in enumerate(rows_of(60))]
    dataset = load_dataset(f"texts:{write(rows)}")
    assert dataset.class_names == ("food", "music", "sport")
    label_of = {row["sentence"]: row["y"] for row in rows}
    for part in (dataset.train, dataset.validation, dataset.test):
        assert [dataset.class_names[label] for label in part.labels] == [label_of[text] for text in part.texts]
        assert part.about(3) == {"sentence": part.texts[3]}
    assert texts_of(dataset) == set(label_of)


def test_parts_names_and_other_columns_are_as_the_file_says(write):
    parts = ["train", "train", "val", "test"]
    rows = [{**row, "split": parts[i // 3 % 4], "name": f"n{i}", "by": "Ann"} for i, row in enumerate(rows_of(48))]
    dataset = load_dataset(f"texts:{write(rows)}")
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [24, 12, 12]
    assert dataset.test.names[0] == "n9"
    assert dataset.test.about(0) == {"text": rows[9]["text"], "by": "Ann"}


def test_columns_may_be_named_and_lines_may_be_json(tmp_path):
    rows = [{"said": row["text"], "topic": row["label"], "text": "no"} for row in rows_of(60)]
    rows[7]["said"] = None
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    dataset = load_dataset(f"texts:{tmp_path / 'a.jsonl'}?text=said&target=topic")
    assert texts_of(dataset) == {row["said"] for row in rows if row["said"]}
    assert "1 row was left out for lack of 'said' or 'topic'" in dataset.notes


def test_other_words_are_other_data(write):
    rows = list(rows_of(60))
    before = load_dataset(f"texts:{write(rows)}").fingerprint
    assert load_dataset(f"texts:{write(rows, 'same.csv')}").fingerprint == before
    rows[0]["text"] += "!"
    assert load_dataset(f"texts:{write(rows)}").fingerprint != before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda row: {"words": row["text"], "label": row["label"]}, r"the columns 'words', 'label'.*\?text=COLUMN"),
        (lambda row: {"content": "x", **row}, r"the columns 'text', 'content'.*\?text=text"),
        (lambda row: {"text": row["text"]}, r"the columns 'text'; .*\?target=COLUMN"),
        (lambda row: {**row, "text": 3}, r"column 'text' .*numbers.*texts"),
    ],
)
def test_what_cannot_be_meant_is_refused(write, change, says):
    with pytest.raises(DatasetError, match=says):
        load_dataset(f"texts:{write(map(change, rows_of(30)))}")


def test_what_it_does_not_take_is_refused(write):
    path = write(rows_of(30))
    with pytest.raises(InvalidParameterError, match=r"'drop' is not possible .*: text, target, task"):
        load_dataset(f"texts:{path}?drop=text")
    with pytest.raises(DatasetError, match="no column 'review' but 'text', 'label'"):
        load_dataset(f"texts:{path}?text=review")


def test_words_are_encoded_as_train_alone_has_them():
    train, test = ["red ball", "blue ball", "red sky"], ["green grass", "red ball"]
    found = encoded_texts({"train": train, "test": test}, seed=0)
    other = encoded_texts({"train": train, "test": ["red ball"]}, seed=0)
    np.testing.assert_allclose(found["test"][1], other["test"][0], atol=1e-6)
    np.testing.assert_allclose(found["test"][1], found["train"][0], atol=1e-6)
    assert not found["test"][0].any()  # none of its words is known
    with pytest.raises(DatasetError, match="no words of two letters"):
        encoded_texts({"train": ["? !", "1"]}, seed=0)


@pytest.mark.parametrize("backbone", ["tfidf", "estimator:sklearn.naive_bayes.GaussianNB"])
def test_an_experiment_on_words(write, tmp_path, backbone):
    config = ExperimentConfig(f"texts:{write(rows_of(150))}", backbone if backbone != "tfidf" else "")
    assert config.backbone == backbone
    experiment = prepare_examples(config, store=Store(tmp_path / "store"))
    base = experiment.base.parts["test"]
    assert (base.logits[:].argmax(1) == experiment.dataset.test.labels).mean() > 0.7  # 0.33 by chance
    assert len(experiment.explain(0, Params(k=5, sigma=0.5, temperature=1.0)).ids) == 5
