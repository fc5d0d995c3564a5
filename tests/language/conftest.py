"""A corpus so small that everything about it takes seconds."""

import numpy as np
import pytest

from resmem_core.language.corpus import Corpus
from resmem_core.language.leakage import find_leakage
from resmem_core.language.types import Document

SUBJECTS = ("the red fox", "a small boat", "the old clock", "my neighbour", "the night train", "a grey heron")
VERBS = ("follows", "carries", "waits for", "forgets", "returns to", "looks at")
OBJECTS = (
    "the harbour",
    "a paper lantern",
    "the last letter",
    "the stone bridge",
    "an empty house",
    "the winter market",
)
ENDINGS = (
    "before the rain",
    "after a long day",
    "without a word",
    "at the end of the year",
    "once more",
    "by the river",
)


def document(number):
    """Return a few lines about one of six subjects, which has habits of its own."""
    rng = np.random.default_rng([7, number])
    subject = number % 6
    sentences = []
    for _ in range(12):
        habit = rng.random() < 0.7
        verb, thing = (
            (VERBS[subject], OBJECTS[subject]) if habit else (VERBS[rng.integers(6)], OBJECTS[rng.integers(6)])
        )
        sentences.append(f"{SUBJECTS[subject]} {verb} {thing} {ENDINGS[rng.integers(6)]}.")
    return Document(f"tale {number}", "\n".join([f"Tale {number}", "", *sentences, ""]))


@pytest.fixture(scope="session")
def tiny_corpus():
    """Return 60 documents of some 650 characters of made-up English: 40 to train on, 10 and 10 more."""
    documents = [document(number) for number in range(60)]
    train, validation, test = (tuple(documents[start:end]) for start, end in ((0, 40), (40, 50), (50, 60)))
    leakage = find_leakage(train, {"validation": validation, "test": test})
    return Corpus("tiny", train, validation, test, "tiny-corpus", leakage)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory, tiny_corpus):
    """Return a folder with a file for each document of the tiny corpus: the dataset `text:FOLDER`."""
    folder = tmp_path_factory.mktemp("tales")
    for document in (*tiny_corpus.train, *tiny_corpus.validation, *tiny_corpus.test):
        (folder / f"{document.name}.txt").write_text(document.text, encoding="utf-8")
    return folder
