"""What stands on both sides of a cut: compared with the plainest way of finding it."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.data import leakage
from resmem_core.data.leakage import find_leakage
from resmem_core.data.text import Document

N = 3
words = st.lists(st.sampled_from("ab"), max_size=14) | st.lists(st.sampled_from("abcdef"), max_size=14)
texts = st.lists(words, max_size=4)


@pytest.fixture(scope="module", autouse=True)
def _three_words_are_long():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leakage, "MIN_WORDS", N)
        patch.setattr(leakage, "_PLACES", 100)  # all of them, so that the longest passage is never missed
        yield


def documents(texts, name="d"):
    return [Document(f"{name}{i}", " ".join(text)) for i, text in enumerate(texts)]


def stands_in(run, text):
    return any(text[i : i + len(run)] == run for i in range(len(text) - len(run) + 1))


def runs(texts):
    """Return every stretch of N words or more: the text it is in, where it begins and ends."""
    return [
        (number, start, end)
        for number, text in enumerate(texts)
        for start in range(len(text))
        for end in range(start + N, len(text) + 1)
    ]


@given(texts, texts)
def test_finds_what_comparing_everything_with_everything_finds(train, test):
    found = find_leakage(documents(train, "t"), {"test": documents(test)}).parts["test"]
    shared = [
        (number, start, end)
        for number, start, end in runs(test)
        if any(stands_in(test[number][start:end], text) for text in train)
    ]
    assert found.n_words == sum(map(len, test))
    assert found.n_leaked == len({(number, i) for number, start, end in shared for i in range(start, end)})
    longest = max((end - start for _, start, end in shared), default=None)
    assert [example.n_words for example in found.examples[:1]] == [longest] * bool(shared)
    by_name = {document.name: document.text.split() for document in [*documents(train, "t"), *documents(test)]}
    for example in found.examples:
        run = example.text.split()
        assert len(run) == example.n_words
        assert stands_in(run, by_name[example.document])
        assert stands_in(run, by_name[example.train_document])


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 13])
@given(ids=st.lists(st.integers(0, 2), max_size=30))
def test_windows_have_one_number_where_they_are_equal(length, ids):
    windows = leakage._windows(np.array(ids, dtype=np.int64), length).tolist()
    assert len(windows) == len(ids)
    runs = [tuple(ids[i : i + length]) for i in range(len(ids) - length + 1)]
    windows = windows[: len(runs)]  # without those past the end
    assert len(set(zip(windows, runs, strict=True))) == len(set(windows)) == len(set(runs))


def test_no_passage_runs_on_into_the_next_document_and_only_white_space_does_not_matter():
    train = documents([["a", "b"], ["c", "d"]])
    assert find_leakage(train, {"test": documents([["a", "b", "c", "d"]])}).parts["test"].n_leaked == 0
    train = [Document("t", "One  two\n\tthree four")]
    found = find_leakage(train, {"same": [Document("a", "One two three")], "other": [Document("b", "one two three")]})
    assert found.parts["same"].share == 1
    assert found.parts["other"].share == 0


def test_examples_are_the_longest_first_and_twenty_at_most():
    train = [[f"{i}.{j}" for j in range(N + i)] for i in range(30)]
    test = [["x", *text, "y"] for text in train]
    found = find_leakage(documents(train, "t"), {"test": documents(test)}).parts["test"]
    assert [example.n_words for example in found.examples] == list(range(N + 29, N + 9, -1))
    assert found.examples[0].document == "d29"
    assert found.examples[0].train_document == "t29"
    assert found.n_leaked == sum(map(len, train))


def test_a_long_example_is_told_by_its_beginning():
    text = [f"word{i}" for i in range(2000)]
    (example,) = find_leakage(documents([text], "t"), {"test": documents([text])}).parts["test"].examples
    assert example.n_words == 2000
    assert example.text.startswith("word0 word1 ")
    assert len(example.text) <= leakage.SHOWN
    assert example.text.endswith("...")


def test_is_told_in_sentences_and_plain_values():
    found = find_leakage(documents(["abcd"], "t"), {"validation": [], "test": documents(["xabcd", "yz"])})
    assert found.parts["validation"].share == 0
    assert found.notes() == (
        "4 of the 7 test words (57 %) stand in passages of 3 words or more that train holds, too: the longest, 4 "
        "words, is in 'd0' and in 't0' of train and begins 'a b c d'",
    )
    plain = found.as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["test"]["examples"] == [{"document": "d0", "train_document": "t0", "n_words": 4, "text": "a b c d"}]
    nothing = find_leakage([], {"validation": [], "test": documents(["abc"])})
    assert nothing.notes() == ("no passage of 3 words or more of validation or test stands in train",)


def test_a_text_that_repeats_itself_thousands_of_times_is_no_burden():
    again = ["the", "same", "line", "again"] * 5000
    found = find_leakage(documents([again] * 3), {"test": documents([again] * 3)}).parts["test"]
    assert found.n_leaked == found.n_words == 60_000
    assert [example.n_words for example in found.examples] == [20_000] * 3


@pytest.mark.parametrize(
    ("one", "other", "n"), [([3, 2, 1], [3, 2, 9], 2), ([3, 2, 1], [3], 1), ([2, 1], [3, 1], 0), ([], [1], 0)]
)
def test_what_two_begin_with_is_counted(one, other, n):
    assert leakage.n_common(np.array(one, np.int32), np.array(other, np.int32)) == n
