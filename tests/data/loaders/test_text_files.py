"""`text:`: what paths mean, what files hold, and what is said of every mistake."""

import os
import re
import unicodedata

import pytest

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.progress import silent
from resmem_core.data import DATASETS
from resmem_core.data.text_loading import load_corpus

LOADER = DATASETS.get("text")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a.txt", "b.txt", "c.md", "sub/a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"text of {name}")
    return tmp_path


def load(argument):
    assert LOADER.unavailable(argument) is None
    return LOADER.load(argument, silent)


def texts(documents):
    return [document.text for document in documents]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("a.txt", ["a.txt"]),
        ("b.txt, a.txt", ["b.txt", "a.txt"]),
        (".", ["a.txt", "b.txt"]),
        ("sub,c.md", ["sub/a.txt", "c.md"]),
        ("*.[tm]*", ["a.txt", "b.txt", "c.md"]),
        ("**/a.txt", ["a.txt", "sub/a.txt"]),
        ("~/sub/a.txt", ["sub/a.txt"]),
    ],
)
def test_paths_folders_and_patterns(folder, argument, expected):
    source = load(argument)
    assert texts(source.train) == [f"text of {name}" for name in expected]
    assert source.validation is source.test is None


def test_the_stamp_changes_with_the_files(folder):
    before = LOADER.stamp("a.txt,sub")
    assert LOADER.stamp("a.txt,sub") == before
    (folder / "b.txt").write_text("something else")
    assert LOADER.stamp("a.txt,sub") == before
    os.utime(folder / "a.txt", (1, 1))
    changed = LOADER.stamp("a.txt,sub")
    (folder / "sub" / "b.txt").write_text("one more")
    assert len({before, changed, LOADER.stamp("a.txt,sub")}) == 3


def test_documents_are_named_after_files_and_a_pattern_that_is_a_path_is_a_path(folder):
    assert [document.name for document in load("a.txt,sub/a.txt,b.txt").train] == ["a.txt", "sub/a.txt", "b.txt"]
    (folder / "x[1].txt").write_text("bracketed")
    assert texts(load("x[1].txt").train) == ["bracketed"]


def test_parts_are_as_given(folder):
    source = load("train=a.txt,test=c.md,train=b.txt")
    assert texts(source.train) == ["text of a.txt", "text of b.txt"]
    assert texts(source.test) == ["text of c.md"]
    assert source.validation is None
    for called in ("validation", "val", "dev"):
        assert texts(load(f"train=a.txt,{called}=sub,test=c.md").validation) == ["text of sub/a.txt"]


def test_litter_is_skipped_and_other_files_of_a_folder_are_counted(folder):
    for name in ("._a.txt", "@eaDir/a.txt", "Thumbs.db", ".hidden/a.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"\0")
    (folder / "B.TXT").write_text("loud")
    for pattern in ("*.txt", "**/a.txt", str(folder / "**" / "*.txt")):
        assert not any("\0" in text for text in texts(load(pattern).train))
    source = load(".")
    assert texts(source.train) == ["loud", "text of a.txt", "text of b.txt"]
    assert source.notes == ("only *.txt of a folder is read; passed over: 1 .md",)
    assert texts(load(".hidden/../a.txt,sub/*").train) == ["text of a.txt", "text of sub/a.txt"]
    (folder / "papers").mkdir()
    (folder / "papers" / "one.pdf").write_bytes(b"%PDF")
    with pytest.raises(DatasetError, match=r"no \*.txt in it, but 1 .pdf"):
        LOADER.load("papers", silent)
    (folder / ".kept").mkdir()
    (folder / ".kept" / "a.txt").write_text("asked for")
    assert texts(load(".kept/*").train) == ["asked for"]


def test_parts_in_any_capitals_and_names_in_one_form(folder):
    (folder / unicodedata.normalize("NFD", "café .txt")).write_text("coffee")
    source = load("Train=a.txt,TEST=caf*.txt")
    assert [document.name for document in source.test] == ["café .txt"]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("train=a.txt,b.txt", "'b.txt' says no part"),
        ("train=a.txt", "no test=PATH"),
        ("test=a.txt,validation=b.txt", "no train=PATH"),
        ("a.txt,,b.txt", "missing before or after a comma"),
        (",", "missing before or after a comma"),
        ("nothing.txt", "nothing.txt is not there"),
        ("train=a.txt,test=nothing.txt", "nothing.txt is not there"),
        ("*.pdf", r"no file matches the pattern \*.pdf"),
        ("empty", r"the folder empty has no \*.txt"),
        ("saved", r"the folder saved was saved by the package datasets \(save_to_disk\); write hf:saved"),
        ("a.txt,./a.txt", "a.txt is given twice, in train and in train"),
        ("train=.,test=b.txt", "b.txt is given twice, in train and in test"),
        ("a" * 5000, "cannot be read: File name too long"),
        ("a\0b", "not there"),
    ],
)
def test_wrong_grammar_and_wrong_paths_are_answered(folder, argument, said):
    (folder / "empty").mkdir()
    (folder / "saved").mkdir()
    (folder / "saved" / "state.json").touch()
    with pytest.raises((DatasetError, InvalidParameterError), match=said):
        LOADER.load(argument, silent)
    assert re.search(said, LOADER.unavailable(argument))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no text"),
        (b" \n\r\n\t", "has no text"),
        (b"\xef\xbb\xbf", "has no text"),
        ("caf\u00e9".encode("latin-1"), "byte 3 is 0xe9"),
        (b"\xef\xbb\xbfab\xff", "byte 5 is 0xff"),
        (b"text\0text", "byte 4 is zero"),
        ("text".encode("utf-16"), "is text in UTF-16; save it as plain text in UTF-8"),
        ("text".encode("utf-16-be"), "is text in UTF-16"),
        ("text".encode("utf-32"), "UTF-32"),
        (b"%PDF-1.7\n", "is a PDF document"),
        (rb"{\rtf1\ansi text}", "is a document in rich text"),
        (b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "is a document of Microsoft Office"),
        (b"PK\x03\x04" + bytes(26) + b"archive/data.pkl", "is a torch file"),
        (b"\x80\x04\x95text", "is a pickle"),
        (b"\x1f\x8b\x08", "is packed with gzip"),
        (b"\0\0\0\x18ftypheic", "is a HEIC image"),
    ],
)
def test_what_is_no_plain_text_is_answered(folder, content, said):
    (folder / "x.txt").write_bytes(content)
    with pytest.raises(DatasetError, match=said) as raised:
        LOADER.load("x.txt", silent)
    assert "x.txt" in str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_answered(folder):
    (folder / "a.txt").chmod(0)
    with pytest.raises(DatasetError, match=r"a\.txt cannot be read: Permission denied"):
        LOADER.load("a.txt", silent)


def test_byte_order_mark_and_line_ends_are_none_of_the_text_and_wikitext_is_cut_into_articles(folder):
    (folder / "x.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree \xe2\x82\xac\n")
    assert texts(load("x.txt").train) == ["one\ntwo\nthree €\n"]
    (folder / "w.txt").write_text(" \n = One = \n \n First . \n \n = Two = \n \n Second . \n")
    source = load("w.txt,a.txt")
    assert [document.name for document in source.train] == ["One", "Two", "a.txt"]
    assert source.notes == ("w.txt holds 2 WikiText articles, each a document",)


def test_one_long_file_makes_a_corpus(folder):
    (folder / "book.txt").write_text("\n\n".join(f"Paragraph {i} is about the number {i * i}." for i in range(1500)))
    corpus = load_corpus("text:book.txt")
    assert min(map(len, (corpus.train, corpus.validation, corpus.test))) >= 2
    with pytest.raises(DatasetError, match="1 passage of text"):
        load_corpus("text:a.txt")
