"""Text in three parts: whole passages, shares, seeds, and what is said where it cannot be."""

import re
from pathlib import Path
from unittest.mock import Mock

import pytest

from resmem_core.common.errors import Cancelled, DatasetError
from resmem_core.data import DATASETS
from resmem_core.data.base import PARTS, TEXT, TextSource
from resmem_core.data.text import Document
from resmem_core.data.text_loading import load_corpus


@pytest.fixture
def give(give_source):
    return lambda *documents, **parts: give_source(TextSource(documents, **parts), kind=TEXT)


def texts(n, prefix="text", length=400):
    return [Document(f"{prefix} {i}", f"{prefix} {i} " + "some words here " * (length // 16)) for i in range(n)]


def names(documents):
    return [document.name for document in documents]


def all_names(corpus):
    return [name for part in PARTS for name in names(getattr(corpus, part))]


def test_the_example_for_contributors_is_one_file_and_makes_a_corpus():
    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
    example = next(block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "NumpyDocs" in block)
    DATASETS.names()
    try:
        exec(example, {"__name__": "resmem_core.data.loaders.numpy_docs"})
        corpus = load_corpus("numpy-docs")
    finally:
        DATASETS._items.pop("numpy-docs", None)
    assert sum(len(document.text) for part in PARTS for document in getattr(corpus, part)) > 500_000


# --- the cut


def long_documents(n, length=6500):
    return [Document(f"essay {i}", f"Essay {i}.\n\n" + "a line of words\n\n" * (length // 17)) for i in range(n)]


def sources(documents):
    return {document.source for document in documents}


def test_passages_of_a_document_stay_together_where_there_are_documents_enough(give):
    give(*long_documents(12))
    corpus = load_corpus("given", seed=1)
    parts = [getattr(corpus, part) for part in PARTS]
    assert sum(map(len, parts)) == 48
    assert sum(len(sources(part)) for part in parts) == 12
    assert corpus.common_documents() == (2, 0)
    assert not any("within documents" in note for note in corpus.notes)


@pytest.mark.parametrize(("n", "most"), [(1, 60_000), (9, 6500), (12, 9500)])
def test_few_or_very_long_documents_are_shared_and_it_is_told(give, n, most):
    give(*long_documents(n - 1), *long_documents(1, most))
    corpus = load_corpus("given", seed=1)
    n_test, common = corpus.common_documents()
    assert 0 < common <= n_test == len(sources(corpus.test))
    assert any(f"passages of {n_test} document" in note and f"of {common} of which" in note for note in corpus.notes)


def test_whole_documents_go_to_the_parts_each_once(give):
    documents = texts(100)
    give(*documents)
    corpus = load_corpus("given")
    assert sorted(all_names(corpus)) == sorted(names(documents))
    for part in PARTS:
        inside = names(getattr(corpus, part))
        assert inside == [name for name in names(documents) if name in inside]  # in the source's order
    assert len(corpus.validation) == len(corpus.test) == 15


def test_shares_are_of_characters(give):
    documents = [*texts(150, "short", 100), *texts(50, "long", 1900)]
    give(*documents)
    corpus = load_corpus("given")
    total = sum(len(document.text) for document in documents)
    for part in ("validation", "test"):
        share = sum(len(document.text) for document in getattr(corpus, part)) / total
        assert 0.14 < share < 0.16


def test_the_seed_decides(give):
    give(*texts(60))
    assert load_corpus("given", seed=3).fingerprint == load_corpus("given", seed=3).fingerprint
    one, other = load_corpus("given", seed=0), load_corpus("given", seed=1)
    assert one.fingerprint != other.fingerprint
    assert names(one.test) != names(other.test)
    assert names(one.validation) != names(one.test)


def test_long_documents_are_cut_first_and_blank_ones_left_out(give):
    give(Document("book", "a line of some words\n\n" * 2000), Document("blank", " \n\t\n"), *texts(3))
    corpus = load_corpus("given")
    found = all_names(corpus)
    assert "blank" not in found
    assert {"book (part 1 of 22)", "book (part 22 of 22)", "text 0", "text 1", "text 2"} <= set(found)
    assert len(found) == 25


def test_parts_that_come_stay(give):
    give(*texts(20), test=tuple(texts(5, "test")))
    corpus = load_corpus("given", seed=2)
    assert names(corpus.test) == [f"test {i}" for i in range(5)]
    assert len(corpus.validation) == 3
    assert len(corpus.train) == 17
    give(*long_documents(20), test=tuple(long_documents(12)))
    assert load_corpus("given").common_documents() == (12, 0)
    give(*texts(20), test=tuple(texts(5, "test")), validation=tuple(texts(4, "val")))
    assert [len(getattr(load_corpus("given"), part)) for part in PARTS] == [20, 4, 5]
    give(*texts(20), validation=tuple(texts(4, "val")))
    assert [len(getattr(load_corpus("given"), part)) for part in PARTS] == [17, 4, 3]


def test_the_fingerprint_is_of_texts_and_cuts(give):
    def fingerprint(documents, **parts):
        give(*documents, **parts)
        return load_corpus("given").fingerprint

    documents, test = texts(20), tuple(texts(3, "test"))
    first = fingerprint(documents, test=test)
    assert fingerprint([Document("else", document.text) for document in documents], test=test) == first
    assert fingerprint([*documents[:-1], Document("x", documents[-1].text + ".")], test=test) != first
    assert fingerprint(documents[::-1], test=test) != first
    assert fingerprint(documents, test=(*test, *texts(1, "more"))) != first


def test_leakage_is_found_and_told(give):
    passage = " ".join(f"word{i}" for i in range(40))
    shared = Document("b", f"something else {passage}")
    give(*texts(9), Document("a", passage), test=(shared, Document("c", "nothing of it")), validation=tuple(texts(2)))
    corpus = load_corpus("given")
    assert corpus.leakage.parts["test"].n_leaked == 40
    assert corpus.leakage.parts["validation"].share == 1
    assert sum("that train holds, too" in note for note in corpus.notes) == 2


@pytest.mark.parametrize(
    ("n", "parts", "said"),
    [
        (9, {}, "9 passages of text to cut test and validation off"),
        (0, {}, "0 passages"),
        (9, {"test": 3}, "9 passages of text to cut validation off"),
        (12, {"test": 1}, "1 passage of text in test"),
        (12, {"test": 0}, "0 passages of text in test"),
        (1, {"test": 3, "validation": 3}, "1 passage of text in train"),
        (2, {"test": 3, "validation": 3}, "characters in train"),
    ],
)
def test_too_little_text_is_answered(give, n, parts, said):
    give(*texts(n), **{part: tuple(texts(count, part)) for part, count in parts.items()})
    with pytest.raises(DatasetError, match=said) as raised:
        load_corpus("given")
    assert "'given'" in str(raised.value)
    assert "add text" in str(raised.value)


def test_it_can_be_stopped():
    with pytest.raises(Cancelled):
        load_corpus("python-docs", progress=Mock(side_effect=Cancelled("stopped")))
