import sys

import pytest

from resmem_core.common.errors import UnavailableError
from resmem_core.common.progress import silent
from resmem_core.data import DATASETS
from resmem_core.data.loaders import python_docs
from resmem_core.data.loaders.python_docs import without_repeats
from resmem_core.data.text_loading import load_corpus

LOADER = DATASETS.get("python-docs")


def sentence(number):
    return f"This is the paragraph with the number {number}, and it is as long as it has to be."


def test_the_longer_topic_keeps_what_two_share_and_short_paragraphs_and_own_repeats_stay():
    topics = {
        "a": "\n\n".join(["Title", sentence(1), sentence(2)]),
        "b": "\n\n".join(["Title", sentence(1).replace(" ", "\n"), sentence(2), sentence(3)]),
        "c": "\n\n".join(["Title", sentence(4), sentence(2)]),
    }
    documents, n_left_out = without_repeats(topics)
    assert {document.name: document.text for document in documents} == {
        "b": topics["b"],
        "c": f"Title\n\n{sentence(4)}",
    }
    assert n_left_out == len(topics["a"]) + len(f"\n\n{sentence(2)}")
    topics = {"a": f"x = 1\n\n{sentence(1)}\n\nx = 1\n\n{sentence(1)}", "b": f"x = 1\n\n{sentence(2)}"}
    documents, n_left_out = without_repeats(topics)
    assert [document.text for document in documents] == list(topics.values())
    assert n_left_out == 0


def test_the_reference_is_there_without_its_repeats():
    source = LOADER.load(None, silent)
    total = sum(len(document.text) for document in source.train)
    assert 200_000 < total < 800_000
    assert "assert" in [document.name for document in source.train]
    paragraphs = [
        (document.name, plain)
        for document in source.train
        for paragraph in document.text.split("\n\n")
        if len(plain := " ".join(paragraph.split())) >= 60
    ]
    owners = {}
    for name, plain in paragraphs:
        assert owners.setdefault(plain, name) == name
    assert f"Python {sys.version.split()[0]}" in source.notes[0]
    assert "left out" in source.notes[1]


def test_it_makes_a_corpus_with_little_leakage():
    corpus = load_corpus("python-docs")
    total = sum(len(document.text) for part in (corpus.train, corpus.validation, corpus.test) for document in part)
    for part in (corpus.validation, corpus.test):
        assert len(part) >= 10
        assert 0.13 < sum(len(document.text) for document in part) / total < 0.17
    assert all(part.share < 0.05 for part in corpus.leakage.parts.values())


def test_a_python_without_it_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr(python_docs.importlib.util, "find_spec", lambda name: None)
    assert "pydoc_data" in LOADER.unavailable(None)
    with pytest.raises(UnavailableError, match="full standard library"):
        LOADER.load(None, silent)
