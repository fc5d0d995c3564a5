"""Every kind of tokeniser: what is kept and what is lost, the same every time, on disk as in memory."""

import json
import os
import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.common.errors import Cancelled, DatasetError, InvalidParameterError, StoreError
from resmem_core.common.store import digest_key
from resmem_core.data import tokenizers as module
from resmem_core.data.text import Document
from resmem_core.data.tokenizers import TOKENIZERS, TrainedTokenizer, excerpts, limited, load_tokenizer, tokenized
from tests.data.made import stream_of

TEXT = (
    "the cat sat on the mat; the dog (cat) did not. It's 42 €, isn't it?\n\n    def föö(x_1):\n        return '😀'\n\n"
    * 3
)
KINDS = ("bpe", "characters", "words")
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokenizer.json"


@pytest.fixture(scope="module")
def trained():
    return {kind: TOKENIZERS.get(kind).train([TEXT, TEXT[:100]], 512) for kind in KINDS}


@pytest.fixture(params=KINDS)
def tokenizer(request, trained):
    return trained[request.param]


# --- any kind


def test_the_kinds_that_there_are():
    assert set(TOKENIZERS.names()) == set(KINDS)
    for kind in TOKENIZERS:
        assert issubclass(kind, TrainedTokenizer)
        assert kind.summary
        assert TOKENIZERS.get(kind.kind) is kind


def test_ids_are_of_the_vocabulary_and_never_bos_and_text_comes_back(tokenizer):
    ids = tokenizer.encode(TEXT + "unseen ☃")
    assert ids.dtype == np.int32
    assert ids.ndim == 1
    assert 0 <= ids.min() <= ids.max() < tokenizer.size
    assert 0 <= tokenizer.bos < tokenizer.size
    assert tokenizer.bos not in ids
    ids = tokenizer.encode(TEXT)
    assert tokenizer.decode(ids) == TEXT
    assert tokenizer.decode(ids.tolist()) == TEXT


@pytest.mark.parametrize("text", ["the cat", ""])
def test_bos_has_a_piece_and_no_text(tokenizer, text):
    ids = tokenizer.encode(text)
    assert ids.dtype == np.int32
    assert len(ids) > 0 or not text
    assert tokenizer.decode([tokenizer.bos, *ids]) == tokenizer.decode(ids) == text
    assert tokenizer.pieces([tokenizer.bos, *ids]) == ["<bos>", *tokenizer.pieces(ids)]
    assert "".join(tokenizer.pieces(ids)) == text


@given(text=st.text())
@kinds
def test_pieces_end_to_end_are_the_decoded_text(trained, kind, text):
    ids = trained[kind].encode(text)
    pieces = trained[kind].pieces(ids)
    assert len(pieces) == len(ids)
    if kind != "bpe" or text.isascii():  # else a token may hold a part of a character
        assert "".join(pieces) == trained[kind].decode(ids)


@pytest.mark.parametrize("i", [-1, 10**6])
def test_ids_that_there_are_not_are_answered(tokenizer, i):
    for method in (tokenizer.decode, tokenizer.pieces):
        with pytest.raises(InvalidParameterError, match=f"token id {i} must lie between 0 and {tokenizer.size - 1}"):
            method([tokenizer.bos, i])


def test_half_a_character_is_answered(tokenizer):
    with pytest.raises(InvalidParameterError, match=r"'\\udcff' as its character 2"):
        tokenizer.encode("ab\udcff")


@kinds
def test_the_size_of_the_vocabulary_has_bounds(kind):
    assert [module.check_vocabulary(size) for size in (512, np.int64(2048), 32_000)] == [512, 2048, 32_000]
    for size in (511, 32_001, 0, -1, 1024.0, True, "1024", None):
        with pytest.raises(InvalidParameterError, match=r"vocabulary=.* from 512 to 32,000"):
            TOKENIZERS.get(kind).train([TEXT], size)


@kinds
def test_the_vocabulary_is_never_larger_than_asked(kind, tiny_corpus):
    texts = [document.text + " ".join(map(chr, range(0x4E00, 0x5200))) for document in tiny_corpus.train]
    assert TOKENIZERS.get(kind).train(texts, 600).size == 600
    assert TOKENIZERS.get(kind).train(["abc"], 600).size < 600


@kinds
def test_training_can_be_stopped(kind):
    with pytest.raises(Cancelled):
        TOKENIZERS.get(kind).train([TEXT], 512, Mock(side_effect=Cancelled("stopped")))


def test_the_same_texts_give_the_same_vocabulary_in_every_process(tiny_corpus):
    texts = [document.text for document in tiny_corpus.train] + [TEXT]
    code = (
        "import json, sys; from resmem_core.data.tokenizers import TOKENIZERS; texts = json.load(sys.stdin); "
        f"print(*(TOKENIZERS.get(kind).train(texts, 700).fingerprint for kind in {KINDS}))"
    )
    here = [TOKENIZERS.get(kind).train(texts, 700).fingerprint for kind in KINDS]
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(texts),
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == here
    assert len(set(here)) == len(KINDS)


# --- on disk


def test_it_comes_back_from_disk_and_a_damaged_file_is_answered(tokenizer, path):
    tokenizer.save(path)
    again = load_tokenizer(path)
    assert type(again) is type(tokenizer)
    assert (again.size, again.bos, again.fingerprint) == (tokenizer.size, tokenizer.bos, tokenizer.fingerprint)
    assert type(tokenizer).train([TEXT.replace("cat", "cow")], 512).fingerprint != tokenizer.fingerprint
    text = TEXT + "never seen ☃  \t\n"
    assert again.encode(text).tolist() == tokenizer.encode(text).tolist()
    assert again.pieces(again.encode(text)) == tokenizer.pieces(tokenizer.encode(text))
    whole = path.read_bytes()
    others = (b"", b"[]", b"{}", b"null", b'{"digest": "x"}', b"[" * 10**5, b"\xff\xfe")
    for damaged in (whole[:-20], whole.replace(b"t", b"T", 1), *others):
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"tokenizer\.json is damaged"):
            load_tokenizer(path)


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "bpe"},
        {"kind": "bpe", "tokens": ["a"], "merges": []},
        {"kind": "bpe", "tokens": 3, "merges": []},
        {"kind": "bpe", "tokens": ["a", "b"], "merges": [["nothing", "such"]]},
        {"kind": "words", "tokens": ["a", "a"]},
        {"kind": "words", "tokens": ["a", 3]},
        {"kind": "words", "tokens": ["<unk>"]},
        {"kind": "characters", "characters": "aa"},
        {"kind": "characters", "characters": 3},
        {"kind": "huggingface", "definition": "{}", "bos": "x"},
        {"kind": "runes"},
        {"kind": ["bpe"]},
        {},
    ],
)
def test_what_no_tokeniser_wrote_is_answered(trained, path, content):
    if len(content.get("merges", [])):  # else a whole one
        content = {**content, "tokens": trained["bpe"]._tokens}
    path.write_text(json.dumps({**content, "digest": digest_key(content)}))
    with pytest.raises(StoreError, match="damaged or something else"):
        load_tokenizer(path)


def test_a_missing_file_and_a_folder_are_answered(trained, tmp_path):
    with pytest.raises(StoreError, match="there is no tokeniser"):
        load_tokenizer(tmp_path / "nothing.json")
    with pytest.raises(StoreError):
        load_tokenizer(tmp_path)
    with pytest.raises(StoreError, match="could not write"):
        trained["words"].save(tmp_path / "no folder" / "tokenizer.json")


# --- byte pairs


@given(st.text() | st.text(alphabet="the ca\n<>unkbos\u00a0\u3000\x00€😀"))
def test_byte_pairs_lose_nothing(trained, text):
    assert trained["bpe"].decode(trained["bpe"].encode(text)) == text


def test_byte_pairs_join_what_is_frequent_and_show_parts_of_a_character_as_bytes(trained):
    pieces = trained["bpe"].pieces(trained["bpe"].encode("on the ☃"))
    assert " the" in pieces
    assert pieces[-3:] == ["\\xe2", "\\x98", "\\x83"]


# --- characters


def test_unknown_characters_become_one(trained):
    characters = trained["characters"]
    assert characters.decode(characters.encode("the ☃ cat")) == "the \ufffd cat"
    assert characters.size == len(set(TEXT)) + 2


def test_the_most_frequent_characters_are_kept():
    text = "".join(chr(0x4E00 + i) * (1000 - i) for i in range(600))
    characters = TOKENIZERS.get("characters").train([text], 512)
    kept = "".join(chr(0x4E00 + i) for i in range(510))
    assert characters.decode(characters.encode(text)) == "".join(c if c in kept else "\ufffd" for c in text)


# --- words


def test_words_numbers_signs_and_white_space(trained):
    words = trained["words"]
    expected = " It's| 42| €|,| isn't| it|?|\n\n   | def| föö|(|x|_|1|)|:|\n"
    assert "|".join(words.pieces(words.encode(expected.replace("|", "")))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the snow sat", "the <unk> sat"),
        ("snow: the cat", "<unk>: the cat"),
        ("the <unk> sat", "the <unk> sat"),  # as WikiText writes it
        ("the   cat", "the  cat"),
        ("the\t\tcat", "the cat"),
        ("the\r\n \tcat", "the\ncat"),
        ("the\n \n\n\tcat", "the\n\ncat"),
    ],
)
def test_what_words_lose(trained, text, expected):
    words = trained["words"]
    assert words.decode(words.encode(text)) == expected
    assert words.decode(words.encode(expected)) == expected


@given(st.text() | st.text(alphabet="ab1_.' \n\t<unk>", max_size=60))
def test_words_lose_nothing_of_what_they_were_trained_on(text):
    words = TOKENIZERS.get("words").train([text], 512)
    if words.size < 512:
        assert words.decode(words.encode(text)) == text


# --- streams


def test_documents_become_a_stream_and_none_of_nothing(trained):
    documents = [Document("one", "the cat"), Document("none", ""), Document("two", "the dog")]
    found = tokenized(trained["words"], documents)
    assert found.names == ("one", "two")
    assert found.starts.tolist() == [0, 2, 4]
    assert found.ids.dtype == np.int32
    assert trained["words"].decode(found.ids) == "the catthe dog"
    for documents in ([], [Document("none", "")]):
        with pytest.raises(DatasetError, match=f"{len(documents)} documents of 0 characters hold no tokens"):
            tokenized(trained["bpe"], documents)


def test_long_work_is_reported_and_can_be_stopped(trained):
    steps = []
    tokenized(trained["characters"], [Document("x", "a" * 2**20)] * 3, steps.append)
    assert [(step.done, step.total) for step in steps] == [(2**20, 3 * 2**20), (2 * 2**20, 3 * 2**20)]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.data())
def test_limited_keeps_whole_documents_and_cuts_one(lengths, data):
    whole = stream_of(*lengths)
    n, seed = data.draw(st.integers(1, len(whole))), data.draw(st.integers(0, 3))
    kept = limited(whole, n, seed)
    assert len(kept) == n
    assert list(kept.names) == [name for name in whole.names if name in kept.names]
    cut = 0
    for i, name in enumerate(kept.names):
        first = whole.starts[whole.names.index(name)]
        tokens = kept.ids[kept.starts[i] : kept.starts[i + 1]]
        assert tokens.tolist() == list(range(first, first + len(tokens)))
        cut += len(tokens) < lengths[whole.names.index(name)]
    assert cut <= 1
    assert limited(whole, n, seed).ids.tolist() == kept.ids.tolist()
    more = limited(whole, data.draw(st.integers(n, len(whole))), seed)
    assert set(kept.ids.tolist()) <= set(more.ids.tolist())


def test_the_seed_decides_which_documents_stay():
    assert len({limited(stream_of(*[5] * 20), 25, seed).names for seed in range(5)}) > 1
    assert limited(stream_of(3, 4), 7, 0).names == ("d0", "d1")


@pytest.mark.parametrize("n", [0, 8, -1, 2.0, True, "3"])
def test_limits_that_cannot_be_are_answered(n):
    for cut in (limited, excerpts):
        with pytest.raises(InvalidParameterError, match="must be a whole number from 1 to 7"):
            cut(stream_of(3, 4), n, 0)


@given(st.lists(st.integers(1, 900), min_size=1, max_size=12), st.data())
def test_excerpts_are_stretches_of_all_documents_of_equal_length(lengths, data):
    whole = stream_of(*lengths)
    n, seed = data.draw(st.integers(1, len(whole))), data.draw(st.integers(0, 3))
    some = excerpts(whole, n, seed)
    assert n - len(lengths) < len(some) <= n or len(some) == len(whole)
    found = {}
    for i, name in enumerate(some.names):
        tokens = some.ids[some.starts[i] : some.starts[i + 1]]
        document = whole.names.index(name)
        assert tokens.tolist() == list(range(tokens[0], tokens[0] + len(tokens)))
        assert whole.starts[document] <= tokens[0] <= tokens[-1] < whole.starts[document + 1]
        found[document] = len(tokens)
    assert list(found) == sorted(found)
    assert excerpts(whole, n, seed).ids.tolist() == some.ids.tolist()
    cut = [length for document, length in found.items() if length < lengths[document]]
    if len(found) == len(lengths) and min(cut, default=200) >= 200:
        assert len(set(cut)) <= 1
        assert all(length <= max(cut, default=900) for length in found.values())
    else:  # no room for 200 tokens of each
        assert sum(min(length, 200) for length in lengths) > n
        assert max(found.values()) <= 200
        assert sum(length < min(lengths[document], 200) for document, length in found.items()) <= 1


def test_the_seed_decides_where_a_stretch_begins():
    whole = stream_of(5000, 5000, 300)
    begins = {tuple(excerpts(whole, 2000, seed).ids[[0, 850]].tolist()) for seed in range(5)}
    assert len(begins) == 5
    assert len({first for first, _ in begins}) == 5
    assert np.diff(excerpts(whole, 2000, 0).starts).tolist() == [850, 850, 300]
    assert excerpts(whole, 10_300, 0).ids.tolist() == whole.ids.tolist()
