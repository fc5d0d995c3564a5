"""`table:`: what is read from CSV and Parquet, and what is said of every mistake."""

import gzip
from contextlib import suppress
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from resmem_core.common.errors import DatasetError
from resmem_core.common.progress import silent
from resmem_core.data import DATASETS, load_dataset
from resmem_core.data.loaders import table

TABLE = DATASETS.get("table")


def frame(n=12, *, split=True, logits=True):
    rng = np.random.default_rng(0)
    columns = {"label": np.array(["cat", "dog", "bird"])[np.arange(n) % 3]}
    if split:
        columns["split"] = np.array(["train", "test", "validation"])[np.arange(n) // 3 % 3]
    columns |= {f"embedding_{number}": rng.normal(size=n).astype(np.float32) for number in range(11)}
    if logits:
        columns |= {f"logit_{name}": rng.normal(size=n).astype(np.float32) for name in ("dog", "bird", "cat")}
    return pd.DataFrame(columns)


@pytest.fixture(params=[".csv", ".parquet"])
def kind(request):
    return request.param


def load(tmp_path, data, kind=".csv"):
    path = tmp_path / f"mine{kind}"
    if isinstance(data, pa.Table):
        parquet.write_table(data, path)
    elif isinstance(data, pd.DataFrame):
        data.to_csv(path, index=False) if kind == ".csv" else data.to_parquet(path, index=False)
    else:
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return TABLE.load(str(path), silent)


def rows_of(examples):
    return np.array([int(name.removeprefix("row ")) for name in examples.names])


@pytest.mark.parametrize(
    ("written", "classes"),
    [([2.0, 1.0, 10.0], ("1", "2", "10")), ([True, False, True], ("False", "True")), ([3, 1, 2], ("1", "2", "3"))],
)
def test_labels_as_other_tools_write_them(tmp_path, kind, written, classes):
    data = frame(logits=False)
    data["label"] = np.array(written)[np.arange(12) % 3]
    source = load(tmp_path, data, kind)
    assert source.class_names == classes
    found = [source.class_names[label] for label in source.train.labels]
    assert found == [str(written[row % 3]).removesuffix(".0") for row in rows_of(source.train)]


def test_a_whole_number_is_one_class_however_it_is_written(tmp_path):
    source = load(tmp_path, "label,e0\n" + "1,1\n1.0,2\n2.,1\n" * 5)
    assert source.class_names == ("1", "2")


def test_reads_what_was_written(tmp_path, kind):
    data = frame(18)
    source = load(tmp_path, data, kind)
    assert source.class_names == ("bird", "cat", "dog")
    assert source.notes == ()
    for part in ("train", "validation", "test"):
        examples, rows = getattr(source, part), rows_of(getattr(source, part))
        assert (data["split"][rows] == part).all()
        assert len(rows) == 6
        assert [source.class_names[label] for label in examples.labels] == data["label"][rows].tolist()
        embeddings = data[[f"embedding_{number}" for number in range(11)]].to_numpy()  # 10 comes after 9
        assert np.allclose(examples.embeddings, embeddings[rows], rtol=1e-6)
        logits = data[[f"logit_{name}" for name in source.class_names]].to_numpy()
        assert np.allclose(examples.logits, logits[rows], rtol=1e-6)
        assert (np.diff(rows) > 0).all()
        assert examples.logits.dtype == np.float32
        assert examples.embeddings.dtype == (np.float32 if kind == ".parquet" else np.float64)  # as 0.1 is written


def test_without_a_split_column_it_is_cut_by_the_seed(tmp_path, kind):
    load(tmp_path, frame(30, split=False), kind)
    one, other = (load_dataset(f"table:{tmp_path / f'mine{kind}'}", seed=seed) for seed in (0, 1))
    assert [len(x) for x in (one.train, one.validation, one.test)] == [18, 6, 6]
    assert sorted(one.test.names) != sorted(other.test.names)
    assert any("nothing splits the rows" in note for note in one.notes)


def test_without_logits_the_base_model_is_a_probe_and_validation_needs_no_warning(tmp_path, kind):
    source = load(tmp_path, frame(18, logits=False)[lambda rows: rows["split"] != "validation"], kind)
    assert source.train.logits is None
    assert len(source.notes) == 1
    assert "logistic regression" in source.notes[0]
    kept = load(tmp_path, frame(18)[lambda rows: rows["split"] != "validation"], kind)
    assert "too optimistic about memory" in kept.notes[0]


@pytest.mark.parametrize("width", [None, 3])
def test_lists_of_parquet(tmp_path, width):
    embeddings = np.arange(12, dtype=np.float64).reshape(4, 3)
    logits = np.eye(4, 2, dtype=np.float32)
    lists = pa.list_(pa.float64(), width) if width else pa.list_(pa.float64())
    data = pa.table(
        {
            "label": [0, 1, 1, 0],
            "embedding": pa.array(embeddings.tolist(), lists),
            "logits": pa.array(logits.tolist(), pa.large_list(pa.float32())),
        }
    )
    train = load(tmp_path, data, ".parquet").train
    assert np.array_equal(train.embeddings, embeddings[rows_of(train)])
    assert np.array_equal(train.logits, logits[rows_of(train)])


@pytest.mark.parametrize("prefix", ["e", "embedding_", "pca", "z_"])
@pytest.mark.parametrize("first", [0, 1])
def test_embedding_columns_by_prefix_and_number(tmp_path, prefix, first):
    text = f"label,{prefix}{first + 1},{prefix}{first}\na,2,1\nb,4,3\n"
    assert load(tmp_path, text).train.embeddings.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "index", ["Unnamed: 0", "Unnamed: 0.1,Unnamed: 0", "index", "level_0,level_1", "__index_level_0__", ""]
)
@pytest.mark.parametrize(
    ("columns", "cells"), [("pca0,pca1", "3,4"), ("e0,e1", "3,4"), ("embedding", '"[3, 4]"'), ("vector", '"[3,4.0]"')]
)
def test_a_row_number_is_no_embedding(tmp_path, index, columns, cells):
    number = ",".join("7" for _ in index.split(","))
    source = load(tmp_path, f"{index},label,{columns}\n{number},a,{cells}\n{number},b,{cells}\n")
    assert source.train.embeddings.tolist() == [[3, 4], [3, 4]]
    assert "kept as metadata" in source.notes[-1]
    assert set(source.train.about(0).values()) == {"7"}


def test_lists_written_as_text(tmp_path, kind):
    data = frame(18, logits=False)
    embeddings = data.filter(like="embedding").to_numpy()
    logits = np.random.default_rng(1).normal(size=(18, 3))
    written = data[["label", "split"]].assign(
        embedding=[str(row) for row in embeddings.tolist()], logits=[f" {row} " for row in logits.tolist()]
    )
    test = load(tmp_path, written, kind).test
    assert np.allclose(test.embeddings, embeddings[rows_of(test)], rtol=1e-6)
    assert np.allclose(test.logits, logits[rows_of(test)], rtol=1e-6)


@pytest.mark.parametrize("called", ["val", "valid", "dev", " Validation", "VAL"])
def test_parts_as_others_call_them(tmp_path, kind, called):
    data = frame(18)
    expected = load(tmp_path, data, kind)
    data["split"] = data["split"].replace({"validation": called, "train": "Train", "test": "testing"})
    found = load(tmp_path, data, kind)
    for part in ("train", "validation", "test"):
        assert np.array_equal(rows_of(getattr(found, part)), rows_of(getattr(expected, part)))


def test_the_named_prefixes_win_over_other_numbered_columns(tmp_path):
    source = load(tmp_path, "id3,label,e0,e1,embedding_0\n7,a,1,2,3\n8,b,1,2,4\n")
    assert source.train.embeddings.tolist() == [[3], [4]]
    assert "'id3', 'e0', 'e1'" in source.notes[-1]
    assert load(tmp_path, "id3,label,e0\n7,a,1\n8,b,2\n").train.embeddings.tolist() == [[1], [2]]


@pytest.mark.parametrize("called", ["Label", "TARGET", "class", "y", "labels", " label "])
def test_columns_as_others_call_them(tmp_path, kind, called):
    data = frame(18).rename(columns={f"embedding_{number}": f"Embedding_{number}" for number in range(11)})
    found = load(tmp_path, data.rename(columns={"label": called, "split": "Split"}), kind)
    expected = load(tmp_path, frame(18), kind)
    assert np.array_equal(found.train.labels, expected.train.labels)
    assert np.array_equal(found.train.embeddings, expected.train.embeddings)
    assert found.notes == expected.notes


def test_the_usual_name_wins_and_two_others_are_refused(tmp_path):
    source = load(tmp_path, "label,class,e0\na,x,1\nb,x,2\n")
    assert source.class_names == ("a", "b")
    assert source.train.about(0) == {"class": "x"}
    with pytest.raises(DatasetError, match=r"the columns 'target', 'y'; expected one of them, called 'label'"):
        load(tmp_path, "y,target,e0\na,x,1\nb,x,2\n")
    with pytest.raises(DatasetError, match=r"column 'Target' has an empty cell in row 1"):
        load(tmp_path, "Target,e0\na,1\n,2\n")


@pytest.mark.parametrize(
    ("name", "others"), [("text_embedding", "e0"), ("my_logits", "e0"), ("prob_cat", "e0"), ("embedding", "e0")]
)
def test_what_looks_like_data_is_not_left_out(tmp_path, kind, name, others):
    data = pd.DataFrame({"label": ["a", "b"], others: [1.0, 2.0], name: [[0.5, 1.0], [1.0, 2.0]]})
    if (kind, name) == (".parquet", "embedding"):  # Parquet's own lists come first
        return
    with pytest.raises(DatasetError, match=f"a column '{name}', which looks like data but would not be used"):
        load(tmp_path, data, kind)


def test_other_columns_are_kept_beside_the_rows(tmp_path, kind):
    data = frame(18).assign(id=np.arange(18) + 100, Url=[f"http://{row}" for row in range(18)])
    if kind == ".parquet":
        data["when"], data["boxes"] = pd.Timestamp("2020-01-01"), [[1, 2]] * 18
    source = load(tmp_path, data, kind)
    for part in ("train", "validation", "test"):
        examples = getattr(source, part)
        for at, row in enumerate(rows_of(examples)):
            assert examples.about(at)["id"] == str(row + 100)
            assert examples.about(at)["Url"] == f"http://{row}"
    if kind == ".parquet":
        assert source.test.about(0)["when"].startswith("2020-01-01")
        assert source.notes[-1] == "columns that mean nothing here were ignored: 'boxes'"


def test_whole_groups_are_cut_off(tmp_path, kind):
    data = frame(60, split=False).assign(
        Group=np.array(["ann ", "bob", "cy", "di", "ed", "flo"])[np.arange(60) // 3 % 6]
    )
    load(tmp_path, data, kind)
    dataset = load_dataset(f"table:{tmp_path / f'mine{kind}'}")
    people = [set(data["Group"][rows_of(getattr(dataset, part))]) for part in ("train", "validation", "test")]
    assert sum(map(len, people)) == 6
    assert all(people)
    with pytest.raises(DatasetError, match=r"column 'group' has an empty cell in row 1"):
        load(tmp_path, "label,e0,group\na,1,x\nb,1,\n")


def test_probabilities_are_told_from_logits(tmp_path, kind):
    data = frame(18)
    logits = [f"logit_{name}" for name in ("bird", "cat", "dog")]
    powers = np.exp(data[logits].to_numpy(np.float64))
    data[logits] = powers / powers.sum(axis=1, keepdims=True)
    source = load(tmp_path, data, kind)
    assert any("as probabilities do" in note for note in source.notes)
    np.testing.assert_allclose(source.test.logits, np.log(data[logits].to_numpy())[rows_of(source.test)], rtol=1e-5)
    raw = TABLE.load(f"{tmp_path / f'mine{kind}'}?logits=raw", silent)
    np.testing.assert_allclose(raw.test.logits, data[logits].to_numpy()[rows_of(raw.test)], rtol=1e-5)
    assert raw.notes == ()


def test_labels_in_other_forms_are_the_same(tmp_path, kind):
    labels = np.array(["cafe\u0301", "café", "dog", "dog ", "Dog"])[np.arange(20) % 5]
    data = pd.DataFrame(
        {"label": labels, "e0": np.arange(20.0), "logit_cafe\u0301": 1.5, "logit_dog": 2.5, "logit_Dog": 3.5}
    )
    source = load(tmp_path, data, kind)
    assert source.class_names == ("Dog", "café", "dog")
    assert source.train.logits[0].tolist() == [3.5, 1.5, 2.5]
    assert np.bincount(source.train.labels).tolist() == [4, 8, 8]
    assert any("look alike" in note for note in source.notes)
    notes = load_dataset(f"table:{tmp_path / f'mine{kind}'}").notes
    assert notes[-1] == "some classes look alike, as their names differ only in capitals: 'Dog', 'dog'"


def test_extension_types_are_read_as_they_are_stored(tmp_path):
    vectors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    source = load(tmp_path, pa.table({"label": ["a", "b"], "embedding": vectors}), ".parquet")
    assert source.train.embeddings.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("labels", "columns", "names", "noted"),
    [
        (["cat", "ant"], ["cat", "ant"], ("ant", "cat"), False),
        (["cat", "ant"], ["ant", "bee", "cat"], ("ant", "bee", "cat"), False),
        (["cat", "ant"], ["1", "0"], ("ant", "cat"), True),
        (["10", "9"], ["10", "9"], ("9", "10"), False),
        (["10", "9"], ["0", "1"], ("9", "10"), True),
        (["1", "0"], ["0", "1", "2"], ("0", "1", "2"), False),
        (["007", "8"], ["8", "007"], ("007", "8"), False),
    ],
)
def test_logits_go_to_their_classes(tmp_path, labels, columns, names, noted):
    header = ",".join(["label", "e0", *(f"logit_{column}" for column in columns)])
    values = {column: str(number + 2) for number, column in enumerate(columns)}
    lines = [",".join([label, "0", *values.values()]) for label in labels]
    source = load(tmp_path, "\n".join([header, *lines]))
    assert source.class_names == names
    by_name = [values[name] if name in values else values[str(place)] for place, name in enumerate(names)]
    assert source.train.logits[0].tolist() == list(map(float, by_name))
    assert [source.class_names[label] for label in source.train.labels] == labels
    assert any("sorted classes" in note for note in source.notes) is noted


def test_names_and_text_as_people_write_it(tmp_path):
    source = load(tmp_path, '\ufefflabel,e0,name\r\n"a, b", 1 ,"two\nlines"\r\nNA,2e0,\r\n')
    assert source.class_names == ("NA", "a, b")
    assert source.train.embeddings.tolist() == [[1], [2]]
    assert source.train.names.tolist() == ["two\nlines", ""]


def test_other_number_types_are_converted_and_categories_that_no_row_has_are_no_classes(tmp_path):
    data = pd.DataFrame({"label": pd.Categorical(["a", "b"], ["a", "b", "zebra"]), "e0": [1.0, 2.0]})
    assert load(tmp_path, data, ".parquet").class_names == ("a", "b")
    data = pa.table({"label": pa.array([3, 5], pa.uint8()), "e0": pa.array([1, 2], pa.int16()), "e1": [0.5, 1.5]})
    source = load(tmp_path, data, ".parquet")
    assert source.class_names == ("3", "5")
    assert source.train.embeddings.tolist() == [[1, 0.5], [2, 1.5]]


def lists(**columns):
    return pa.table({"label": ["a", "b"], **columns})


WRONG = {
    "empty file": (b"", ["first line", "nothing"]),
    "no rows": ("label,e0\n", ["no rows"]),
    "no label": ("kind,e0\na,1\n", ["no column 'label'", "'kind', 'e0'"]),
    "no embeddings": ("label,size\na,1\n", ["no embeddings", "'size'", "embedding_0"]),
    "a gap": ("label,e0,e2\na,1,2\n", ["'e2'", "none 'e1'"]),
    "the same number twice": ("label,e0,e00\na,1,2\n", ["'e00'", "none 'e1'"]),
    "a late start": ("label,e5,e6\na,1,2\n", ["'e5'", "none 'e0'"]),
    "two kinds": ("label,x1,y1\na,1,2\n", ["several kinds", "'x1', 'y1'"]),
    "the same column twice": ("label,e0,e0\na,1,2\n", ["more than one column 'e0'"]),
    "the same logit twice": ("label,e0,logit_a,logits_a\na,1,2,3\n", ["'logit_a', 'logits_a'"]),
    "text": ("label,e0\na,1\nb,x1\n", ["column 'e0'", "'x1' in row 1", "finite number"]),
    "thousands": ('label,e0\na,"1,000"\nb,1\n', ["column 'e0'", "'1,000' in row 0"]),
    "yes": ("label,e0\na,1\nb,true\n", ["column 'e0'", "'true' in row 1"]),
    "empty cell": ("label,e0,e1\na,1,2\nb,1,\n", ["column 'e1'", "empty cell or NaN in row 1"]),
    "NaN": ("label,e0,e1\na,1,nan\nb,1,2\n", ["column 'e1'", "NaN in row 0"]),
    "infinity": ("label,e0,e1\na,1,-inf\nb,1,2\n", ["column 'e1'", "infinity", "row 0"]),
    "too large": ("label,e0\na,1\nb,1e300\n", ["column 'e0'", "float32 cannot hold", "row 1"]),
    "empty label": ("label,e0\na,1\n ,1\n", ["column 'label'", "empty cell in row 1"]),
    "parts called otherwise": (
        "label,e0,set\na,1,Train\nb,2,test\n",
        ["the names of parts in a column 'set'; expected them in a column 'split'"],
    ),
    "two columns of one name": (
        "label,Label,e0\na,a,1\nb,b,2\n",
        ["the columns 'label', 'Label'; expected one of them"],
    ),
    "embeddings of two models": ("label,e0,clip_embedding_0\na,1,1\nb,2,2\n", ["'clip_embedding_0', which looks like"]),
    "embeddings twice": ("label,embedding_0,Embedding_0\na,1,1\nb,2,2\n", ["'Embedding_0', which looks like data"]),
    "fractions and classes": ("label,e0,logit_0,logit_1\n1.5,1,1,1\n2,1,1,1\n", ["'1.5' in row 0", "whole number"]),
    "many labels": ("label,e0\n" + "".join(f"{n},1\n" for n in range(10_001)), ["'label' has 10001 different values"]),
    "long label": ("label,e0\n" + "x" * 300 + ",1\n", ["300 characters", "row 0"]),
    "label without logits": ("label,e0,logit_a,logit_b\na,1,2,3\nc,1,2,3\n", ["'c' in row 1", "'a', 'b'"]),
    "one logit": ("label,e0,logit_a\na,1,2\na,1,2\n", ["logits of 1 class"]),
    "unknown split": (
        "label,e0,split\na,1,train\nb,1,eval\n",
        ["column 'split'", "'eval' in row 1", "validation, val"],
    ),
    "a part with two names": (
        "label,e0,split\na,1,train\nb,1,test\na,1,val\nb,1,valid\n",
        ["column 'split'", "'val' and 'valid', which mean the same", "one name for validation"],
    ),
    "a part in two cases": ("label,e0,split\na,1,train\nb,1,Test\nb,1,test\n", ["'Test' and 'test', which mean"]),
    "a row number alone": ("Unnamed: 0,label\n0,a\n1,b\n", ["no embeddings", "'Unnamed: 0', 'label'", "embedding_0"]),
    "one number of no known name": ("id0,label\n0,a\n1,b\n", ["no numbered column but 'id0'", "call it embedding_0"]),
    "R's row number": ("X1,label\n1,a\n2,b\n", ["no numbered column but 'X1'", "embedding_0"]),
    "a number for a list": ("label,embedding\na,0.5\n", ["column 'embedding'", "'0.5' in row 0", "'[0.1, 0.2]'"]),
    "what NumPy left out": ('label,embedding\na,"[0.1 0.2 ... 0.3]"\n', ["in row 0", "'...'", "array.tolist()"]),
    "blanks and commas": ('label,embedding\na,"[0.1, 0.2 0.3]"\n', ["'[0.1, 0.2 0.3]' in row 0"]),
    "a dash in a number": ('label,embedding\na,"[0.1 0_2]"\n', ["'[0.1 0_2]' in row 0"]),
    "two columns of lists": ('label,a,b\na,"[1, 2]","[1, 2]"\n', ["several columns of lists, 'a', 'b'"]),
    "a long text for a list": (f"label,embedding\na,{'x' * 100}\n", [f"'{'x' * 60}'... in row 0"]),
    "true in a list": ('label,embedding\na,"[1, 2]"\nb,"[1, true]"\n', ["'[1, true]' in row 1"]),
    "lists in a list": ('label,embedding\na,"[[1, 2]]"\n', ["'[[1, 2]]' in row 0"]),
    "deep lists": (f"label,embedding\na,{'[' * 100_000}\n", ["... in row 0", "a list of finite numbers"]),
    "an empty list": ("label,embedding\na,[]\n", ["a list of 0 numbers in row 0", "one number at least"]),
    "no list": ('label,embedding\na,"[1, 2]"\nb,\n', ["an empty cell in row 1"]),
    "lists of other lengths": ('label,embedding\na,"[1, 2]"\nb,[1]\n', ["a list of 1 numbers in row 1", "2, as row 0"]),
    "NaN in a list": ('label,embedding\na,"[1, NaN]"\n', ["an empty cell or NaN in row 0"]),
    "a huge number in a list": (f"label,embedding\na,[1{'0' * 5000}]\n", ["infinity", "row 0"]),
    "empty split": ("label,e0,split\na,1,train\nb,1,\n", ["column 'split'", "empty cell in row 1"]),
    "no test": ("label,e0,split\na,1,train\nb,1,validation\n", ["column 'split'", "no test"]),
    "short row": ("label,e0,e1\na,1,2\nb,1\n", ["2 cells in row 1", "expected 3"]),
    "long row": ("label,e0,e1\na,1,2\nb,1,2,3\n", ["4 cells in row 1", "expected 3"]),
    "marks that nobody knows": ("label;e0,label\na;1,b\n", ["may be separated by ',' or ';'; expected one of them"]),
    "thousands or decimals": ("label;e0\na;1,000\n", ["'1,000' in row 0"]),
    "two kinds of decimals": ("label;e0;e1\na;0,5;1\nb;0,5;1\n" + "a;0,5;1.5\n", ["'0,5' in row 0"]),
    "a point after commas": ("label;e0\n" + "a;0,5\n" * 200 + "b;0.5\n", ["'0.5' in row 200"]),
    "another encoding": ("label,e0\né,1\n".encode("latin1"), ["UTF-8"]),
    "UTF-16": ("label,e0\na,1\n".encode("utf-16"), ["is not a .csv file, but text in UTF-16; save it as UTF-8"]),
    "UTF-16 without a mark": ("label,e0\na,1\n".encode("utf-16-be"), ["text in UTF-16"]),
    "packed": (gzip.compress(b"label,e0\na,1\n"), ["packed with gzip; unpack it"]),
    "no text": (b"PK\x03\x04\xff\x00\n", ["first line", "no readable text"]),
    "NUL": (b"la\x00bel,e0\n", ["first line", "NUL"]),
    "long header": (b"label," + b"e" * 2**21, ["first line", "1048576 bytes"]),
    "many columns": ("label," + ",".join(f"e{n}" for n in range(20_001)) + "\n", ["20002 columns", "20000"]),
}
WRONG_PARQUET = {
    "unequal lists": (lists(embedding=[[1.0, 2.0], [1.0]]), ["column 'embedding'", "list of 1 numbers in row 1"]),
    "empty lists": (lists(embedding=pa.array([[], []], pa.list_(pa.float32()))), ["list of 0 numbers in row 0"]),
    "a null list": (lists(embedding=[[1.0], None]), ["column 'embedding'", "row 1"]),
    "null in a list": (lists(embedding=[[1.0, 2.0], [1.0, None]]), ["column 'embedding'", "NaN in row 1"]),
    "lists of text": (lists(embedding=[["x"], ["y"]]), ["column 'embedding'", "string"]),
    "text": (lists(e0=["1", "2"]), ["column 'e0'", "string", "numbers"]),
    "null": (lists(e0=pa.array([1, None], pa.int64())), ["column 'e0'", "empty cell or NaN in row 1"]),
    "booleans": (lists(e0=[True, False]), ["column 'e0'", "bool"]),
    "NaN as a label": (pa.table({"label": [0.0, np.nan], "e0": [1, 2]}), ["column 'label'", "'nan' in row 1"]),
    "lists of labels": (
        pa.table({"label": [["a"], ["b"]], "e0": [1, 2]}),
        ["column 'label'", "list<", "text or whole"],
    ),
    "structs of labels": (pa.table({"label": [{"a": 1}, {"a": 2}], "e0": [1, 2]}), ["column 'label'", "struct<"]),
    "no labels": (pa.table({"label": [None, None], "e0": [1, 2]}), ["column 'label'", "the type null"]),
    "dates for names": (lists(e0=[1, 2], name=[date(2020, 1, 1)] * 2), ["column 'name'", "date32", "text or whole"]),
    "lists of splits": (lists(e0=[1, 2], split=[["train"], ["test"]]), ["column 'split'", "list<"]),
    "lists of lists": (lists(embedding=[[[1.0]], [[2.0]]]), ["column 'embedding'", "list<", "numbers"]),
    "text for lists": (lists(embedding=["[1]", "x"]), ["column 'embedding'", "'x' in row 1"]),
    "a row number": (lists(__index_level_0__=[1, 2]), ["no embeddings", "'__index_level_0__'"]),
    "logits twice": (
        pa.table({"label": ["a", "b"], "e0": [1, 2], "logits": [[1.0, 2.0]] * 2, "logit_a": [1, 2]}),
        ["a column 'logit_a', which looks like data"],
    ),
    "null label": (pa.table({"label": ["a", None], "e0": [1, 2]}), ["column 'label'", "row 1"]),
    "nothing": (b"", ["mine.parquet cannot be read"]),
    "its beginning": (b"PAR1", ["mine.parquet cannot be read"]),
    "CSV": (b"label,e0\na,1\n", ["mine.parquet cannot be read"]),
    "its ends": (b"PAR1" + bytes(64) + b"PAR1", ["mine.parquet cannot be read"]),
}


@pytest.mark.parametrize(
    ("kind", "case"), [*((".csv", case) for case in WRONG), *((".parquet", case) for case in WRONG_PARQUET)]
)
def test_what_is_wrong_is_said(tmp_path, kind, case):
    content, said = (WRONG if kind == ".csv" else WRONG_PARQUET)[case]
    with pytest.raises(DatasetError) as caught:
        load(tmp_path, content, kind)
    for words in [f"mine{kind}", *said]:
        assert words in str(caught.value)


def test_whole_labels_are_places_among_lists_of_logits(tmp_path):
    data = {"label": [1, 0, 1], "e0": [1, 2, 3], "logits": [[0.0, 1.0, 2.0]] * 3}
    assert load(tmp_path, pa.table(data), ".parquet").class_names == ("0", "1", "2")
    with pytest.raises(DatasetError, match=r"'3' in row 2 .*one of the 3 classes that have logits, '0', '1', '2'"):
        load(tmp_path, pa.table({**data, "label": [0, 0, 3]}), ".parquet")
    from_one = load(tmp_path, pa.table({**data, "label": [3, 1, 2]}), ".parquet")
    assert from_one.class_names == ("1", "2", "3")
    assert any("sorted classes, '1', '2', '3'" in note for note in from_one.notes)


def test_names_that_would_fill_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "MAX_NAMES", 1000)
    with pytest.raises(DatasetError, match="column 'name'"):
        load(tmp_path, "label,e0,name\na,1,x\nb,1," + "y" * 200 + "\n")


def test_other_endings_are_refused(tmp_path):
    for name in ("mine.xlsx", "mine", "mine.csv.zip"):
        (tmp_path / name).write_bytes(b"label,e0\na,1\n")
        with pytest.raises(DatasetError, match=r"expected that of a \.csv, \.tsv, \.parquet"):
            TABLE.load(str(tmp_path / name), silent)
    (tmp_path / "mine.csv").write_bytes(gzip.compress(b"label,e0"))
    with pytest.raises(DatasetError, match=r"but packed with gzip; unpack it first, or call it \.csv\.gz"):
        TABLE.load(str(tmp_path / "mine.csv"), silent)


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_bytes_never_raise_anything_else(tmp_path, kind, damaged, data):
    load(tmp_path, frame(9), kind)
    content = damaged(data, (tmp_path / f"mine{kind}").read_bytes())
    with suppress(DatasetError):  # anything else fails the test
        assert len(load(tmp_path, content, kind).train) >= 1


def of_values(labels):
    data = frame(logits=False).assign(label=labels)
    return data.assign(Prediction=np.arange(12) / 2)


def test_fractions_are_values_with_what_is_predicted_of_them(tmp_path, kind):
    labels = np.arange(12) / 4
    source = load(tmp_path, of_values(labels), kind)
    assert source.class_names == ()
    for examples in (source.train, source.validation, source.test):
        np.testing.assert_array_equal(examples.labels, labels[rows_of(examples)])
        np.testing.assert_array_equal(examples.logits[:, 0], rows_of(examples) / 2)
        assert examples.metadata is None
    alone = load(tmp_path, of_values(labels).drop(columns="Prediction"), kind)
    assert alone.train.logits is None
    assert alone.notes[0].startswith("there are no predictions, so the base model is a ridge regression")


def test_whole_numbers_are_values_where_that_is_said(tmp_path, kind):
    load(tmp_path, of_values(np.arange(12)), kind)  # classes, and the prediction is kept as metadata
    source = TABLE.load(f"{tmp_path / f'mine{kind}'}?task=values", silent)
    assert sorted(source.train.labels.tolist() + source.test.labels.tolist()) == [0.0, 1, 2, 3, 4, 5, 9, 10, 11]


def test_values_with_a_decimal_comma(tmp_path):
    source = load(tmp_path, "label;e0\n0,5;1\n1,25;2\n3;3\n")
    assert source.train.labels.tolist() == [0.5, 1.25, 3]


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("", "an empty cell or NaN in row 1"),
        ("many", "'many' in row 1 .* expected a finite number"),
        ("inf", "infinity"),
    ],
)
def test_what_is_no_value_is_told(tmp_path, label, said):
    load(tmp_path, "label,e0\n1,1\n2,1\n")
    (tmp_path / "mine.csv").write_text(f"label,e0\n1,1\n{label},2\n")
    with pytest.raises(DatasetError, match=said):
        TABLE.load(f"{tmp_path / 'mine.csv'}?task=values", silent)


def test_logits_are_of_classes(tmp_path):
    load(tmp_path, frame())
    with pytest.raises(DatasetError, match=r"logits, 'logit_.* expected a column 'prediction'"):
        TABLE.load(f"{tmp_path / 'mine.csv'}?task=values", silent)
