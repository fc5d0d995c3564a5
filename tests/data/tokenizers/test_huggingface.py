"""A Hugging Face tokeniser as the language part uses it; small ones are built here, of each of the usual styles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.data.tokenizers import load_tokenizer
from resmem_core.data.tokenizers.huggingface import HuggingFaceTokenizer

transformers = pytest.importorskip("transformers")
TEXT = ["the cat sat on the mat", "the dog did not, föö 42\n"]


def fast(style="bytes", **special):
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    options = {"vocab_size": 400, "show_progress": False, "special_tokens": ["<unk>", *special.values()]}
    if style == "bytes":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        trainer = trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **options)
    elif style == "wordpiece":
        made = Tokenizer(models.WordPiece(unk_token="<unk>"))
        made.pre_tokenizer, made.decoder = pre_tokenizers.Whitespace(), decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(**options)
    else:
        made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
        made.normalizer = normalizers.Replace(" ", "▁")
        made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
        options["special_tokens"] += [f"<0x{byte:02X}>" for byte in range(256)]
        trainer = trainers.BpeTrainer(**options)
    made.train_from_iterator(TEXT, trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **special)


@pytest.fixture(scope="module")
def by_bytes():
    return HuggingFaceTokenizer.of(fast(bos_token="<s>", eos_token="</s>"))


def test_it_is_the_models_own(by_bytes):
    own = fast(bos_token="<s>", eos_token="</s>")
    text = "the cat did not sit, föö"
    ids = by_bytes.encode(text)
    assert ids.dtype == np.int32
    assert ids.tolist() == own(text, add_special_tokens=False)["input_ids"]
    assert by_bytes.decode(ids) == text
    assert (by_bytes.bos, by_bytes.size) == (own.bos_token_id, len(own))


def test_the_end_begins_a_document_where_nothing_else_does():
    own = fast(eos_token="<|endoftext|>")
    assert HuggingFaceTokenizer.of(own).bos == own.eos_token_id
    with pytest.raises(InvalidParameterError, match=r"no token that begins a text \(bos\) or ends it \(eos\)"):
        HuggingFaceTokenizer.of(fast())
    with pytest.raises(InvalidParameterError, match="object is none of the fast tokenisers"):
        HuggingFaceTokenizer.of(object())


@given(st.text() | st.text(alphabet="the <s>/unk\n"))
def test_bytes_lose_nothing_even_if_it_reads_like_a_special_token(by_bytes, text):
    ids = by_bytes.encode(text)
    assert by_bytes.bos not in ids
    assert by_bytes.decode(ids) == text
    if text.isascii():
        assert "".join(by_bytes.pieces(ids)) == text


@pytest.mark.parametrize(
    ("style", "text", "expected"),
    [
        ("bytes", "the cat ☃", ["the", " cat", " ", "\\xe2", "\\x98", "\\x83"]),
        ("wordpiece", "the dogat", [" the", " dog", "at"]),
        ("plain", " cat ☃", [" cat", " ", "\\xe2", "\\x98", "\\x83"]),
    ],
)
def test_pieces_are_each_tokens_own_text(style, text, expected):
    tokenizer = HuggingFaceTokenizer.of(fast(style, bos_token="<s>"))
    ids = tokenizer.encode(text)
    assert "".join(tokenizer.pieces(ids)) == "".join(expected)
    assert tokenizer.pieces(ids)[-3:] == expected[-3:]
    assert tokenizer.pieces([tokenizer.bos]) == ["<bos>"]


def test_it_comes_back_from_disk_without_transformers(by_bytes, tmp_path):
    by_bytes.save(tmp_path / "tokenizer.json")
    again = load_tokenizer(tmp_path / "tokenizer.json")
    assert isinstance(again, HuggingFaceTokenizer)
    assert (again.size, again.bos, again.fingerprint) == (by_bytes.size, by_bytes.bos, by_bytes.fingerprint)
    assert again.encode("the cat").tolist() == by_bytes.encode("the cat").tolist()


def test_from_a_folder_and_one_without_is_answered(tmp_path):
    own = fast(bos_token="<s>")
    own.save_pretrained(tmp_path / "own")
    found = HuggingFaceTokenizer.from_pretrained(str(tmp_path / "own"))
    assert found.fingerprint == HuggingFaceTokenizer.of(own).fingerprint
    for damaged in (None, "{", '{"version": "1.0"}'):
        if damaged:
            (tmp_path / "tokenizer.json").write_text(damaged)
        with pytest.raises(UnavailableError, match="cannot be read"):
            HuggingFaceTokenizer.from_pretrained(str(tmp_path))
