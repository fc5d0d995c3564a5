"""`table:` on what other libraries write: every kind of file, of lists and of folder."""

import gzip
import json
from contextlib import suppress

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import feather, parquet
from sklearn.datasets import load_iris

from resmem_core.common.errors import DatasetError
from resmem_core.common.progress import silent
from resmem_core.data import DATASETS, load_dataset
from resmem_core.data.given_parts import CUT_BY_SEED

TABLE = DATASETS.get("table")
X, Y = load_iris(return_X_y=True)
NAMES = load_iris().target_names
FRAME = pd.DataFrame(X, columns=[f"x{n}" for n in range(4)]).assign(label=NAMES[Y])
LISTS = pd.DataFrame({"label": NAMES[Y], "vec": list(X)})


def load(path):
    return TABLE.load(str(path), silent)


def same(examples, class_names=tuple(NAMES), rows=slice(None)):
    np.testing.assert_allclose(examples.embeddings, X[rows], rtol=1e-6)
    assert [class_names[label] for label in examples.labels] == NAMES[Y][rows].tolist()
    return True


def arrow_stream(table, path):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=40)


FILES = {
    "feather by pandas": ("mine.feather", lambda path: FRAME.to_feather(path)),
    "feather by pandas, unpacked": ("mine.feather", lambda path: FRAME.to_feather(path, compression="uncompressed")),
    "feather by pyarrow": (
        "mine.feather",
        lambda path: feather.write_feather(pa.table(FRAME), path, compression="zstd"),
    ),
    "an Arrow file": ("mine.arrow", lambda path: feather.write_feather(pa.table(FRAME), path, chunksize=40)),
    "a stream of Arrow": ("mine.arrow", lambda path: arrow_stream(pa.table(FRAME), path)),
    "tabs": ("mine.tsv", lambda path: FRAME.to_csv(path, sep="\t", index=False)),
    "semicolons": ("mine.csv", lambda path: FRAME.to_csv(path, sep=";", index=False)),
    "bars": ("mine.csv", lambda path: FRAME.to_csv(path, sep="|", index=False)),
    "decimal commas": ("mine.csv", lambda path: FRAME.to_csv(path, sep=";", decimal=",", index=False)),
    "quoted": ("mine.csv", lambda path: FRAME.to_csv(path, sep=";", quoting=1, index=False)),
    "packed": ("mine.csv.gz", lambda path: FRAME.to_csv(path, index=False)),
    "packed tabs": ("mine.TSV.gz", lambda path: FRAME.to_csv(path, sep="\t", index=False)),
}
NOTES = {
    "semicolons": ["columns are separated by ';'"],
    "bars": ["columns are separated by '|'"],
    "decimal commas": ["columns are separated by ';'", "numbers were read with a decimal comma: '0,5' is 0.5"],
    "quoted": ["columns are separated by ';'"],
}


@pytest.mark.parametrize("case", FILES)
def test_files_of_every_kind(tmp_path, case):
    name, write = FILES[case]
    write(tmp_path / name)
    source = load(tmp_path / name)
    assert same(source.train, source.class_names)
    assert [note for note in source.notes if "logistic" not in note] == NOTES.get(case, [])


def tensor_column(path):
    vectors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(X))
    parquet.write_table(pa.table({"label": NAMES[Y], "vec": vectors}), path)


LIST_FILES = {
    "Parquet by pandas": ("mine.parquet", LISTS.to_parquet),
    "Feather by pandas": ("mine.feather", LISTS.to_feather),
    "tensors of Arrow": ("mine.parquet", tensor_column),
    "lists in CSV": ("mine.csv", lambda path: LISTS.assign(vec=[str(x.tolist()) for x in X]).to_csv(path)),
    "arrays in CSV": ("mine.csv", lambda path: LISTS.to_csv(path)),
    "arrays in CSV, in lines": (
        "mine.csv",
        lambda path: LISTS.assign(vec=[np.array2string(x, max_line_width=12) for x in X]).to_csv(path, index=False),
    ),
    "lists as text in Parquet": ("mine.parquet", lambda path: LISTS.assign(vec=LISTS["vec"].map(str)).to_parquet(path)),
}


@pytest.mark.parametrize("column", ["vec", "clip_embedding", "embedding", "768"])
@pytest.mark.parametrize("case", LIST_FILES)
def test_the_one_column_of_lists_whatever_it_is_called(tmp_path, case, column, monkeypatch):
    name, write = LIST_FILES[case]
    monkeypatch.setattr(f"{__name__}.LISTS", LISTS)
    write(tmp_path / name)
    if column != "vec":
        changed = (tmp_path / name).read_bytes()
        if name.endswith("csv"):
            (tmp_path / name).write_bytes(changed.replace(b"vec", column.encode(), 1))
        else:
            table = (
                parquet.read_table(tmp_path / name) if name.endswith("parquet") else feather.read_table(tmp_path / name)
            )
            table = table.rename_columns({"vec": column})
            (parquet.write_table if name.endswith("parquet") else feather.write_feather)(table, tmp_path / name)
    source = load(tmp_path / name)
    assert same(source.train, source.class_names)
    note = f"the lists in column '{column}', the only ones, were taken as the embeddings"
    assert (note in source.notes) == (column != "embedding")


def test_numbered_columns_and_what_is_called_embedding_come_first(tmp_path):
    LISTS.assign(embedding=list(X), vec=list(X * 2)).to_parquet(tmp_path / "mine.parquet")
    assert same(load(tmp_path / "mine.parquet").train)
    FRAME.assign(boxes=[[1, 2]] * 150).to_parquet(tmp_path / "mine.parquet")
    assert same(load(tmp_path / "mine.parquet").train)
    LISTS.assign(other=list(X)).to_parquet(tmp_path / "mine.parquet")
    with pytest.raises(DatasetError, match="several columns of lists, 'vec', 'other'; expected one called 'embedding'"):
        load(tmp_path / "mine.parquet")


def parts():
    where = np.array(["train", "test", "validation", "train", "train"])[np.arange(150) % 5]
    return {part: np.flatnonzero(where == part) for part in ("train", "validation", "test")}


@pytest.mark.parametrize("kind", [".csv", ".csv.gz", ".parquet", ".feather"])
@pytest.mark.parametrize("validation", ["validation", "val", None])
def test_a_file_for_each_part(tmp_path, kind, validation):
    rows = parts()
    called = {"train": "train", "test": "Test"} | ({"validation": validation} if validation else {})
    for part, name in called.items():
        frame = FRAME.iloc[rows[part]].assign(page=part).reset_index(drop=True)
        path = tmp_path / f"{name}{kind}"
        frame.to_csv(path, index=False) if "csv" in kind else getattr(frame, f"to_{kind[1:]}")(path)
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / f"more{kind}").write_text("")
    source = load(tmp_path)
    for part in called:
        assert same(getattr(source, part), source.class_names, rows[part])
        assert getattr(source, part).names[1] == f"{part} 1"
        assert getattr(source, part).about(0) == {"page": part}
    assert (source.validation is None) == (validation is None)
    assert f"passed over in the folder: 'more{kind}'" in source.notes


def test_parts_in_several_files(tmp_path):
    for shard, rows in enumerate(np.array_split(np.arange(100), 3)):
        LISTS.iloc[rows].to_parquet(tmp_path / f"train-0000{shard}-of-00003.parquet")
    LISTS.iloc[100:].to_parquet(tmp_path / "test-00000-of-00001.parquet")
    source = load(tmp_path)
    assert same(source.train, source.class_names, slice(100))
    (tmp_path / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(DatasetError, match=r"for train the files 'train-00000-of-00003.parquet', .*expected 3 of one"):
        load(tmp_path)


def test_a_folder_says_when_it_was_changed_and_where_it_is_wrong(tmp_path):
    rows = parts()
    for part in ("train", "test"):
        FRAME.iloc[rows[part]].to_csv(tmp_path / f"{part}.csv", index=False)
    before = TABLE.stamp(str(tmp_path))
    FRAME.iloc[rows["test"]].assign(x1=[1.0] * 7 + [np.nan] + [1.0] * 22).to_csv(tmp_path / "test.csv", index=False)
    assert TABLE.stamp(str(tmp_path)) != before
    with pytest.raises(
        DatasetError, match=r"column 'x1' has an empty cell or NaN in row 7 of test \(the first is row 0"
    ):
        load(tmp_path)
    FRAME.iloc[rows["test"]].assign(split="test").to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(DatasetError, match=r"test\.csv: the table has a column 'split', while its folder has parts"):
        load(tmp_path)
    FRAME.iloc[rows["test"]].drop(columns="x3").to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(DatasetError, match=r"test\.csv: the table has 'x3' there or in the first part alone"):
        load(tmp_path)
    (tmp_path / "testing.csv").write_bytes((tmp_path / "test.csv").read_bytes())
    with pytest.raises(DatasetError, match="'test' and 'testing', which mean the same; expected one name for test"):
        load(tmp_path)
    for name in ("test.csv", "testing.csv", "train.csv"):
        (tmp_path / name).rename(tmp_path / f"my {name}")
    with pytest.raises(DatasetError, match=r"is a folder; give a \.csv, .*, or a folder of such files"):
        load(tmp_path)


class TestHuggingFace:
    """What `save_to_disk` of the package datasets writes."""

    @pytest.fixture(autouse=True)
    def _package(self):
        self.datasets = pytest.importorskip("datasets")

    def saved(self, folder, x=X, *, y=Y, vector=None, **columns):
        d = self.datasets
        features = {
            "vec": vector or d.List(d.Value("float32")),
            "label": d.ClassLabel(names=["setosa", "virginica", "none"]),
        }
        features["label"] = d.ClassLabel(names=["setosa", "versicolor", "virginica", "unseen"])
        features |= {name: d.Value("string") for name in columns}
        made = d.Dataset.from_dict({"vec": x, "label": y, **columns}, features=d.Features(features))
        made.save_to_disk(folder)
        return made

    @pytest.mark.parametrize("kind", ["List", "Sequence of a length", "Array2D", "sharded"])
    def test_a_dataset(self, tmp_path, kind):
        d = self.datasets
        vectors = {
            "Sequence of a length": d.Sequence(d.Value("float64"), length=4),
            "Array2D": d.Array2D((2, 2), "float32"),
        }
        x = X.reshape(-1, 2, 2) if kind == "Array2D" else X
        made = self.saved(tmp_path / "mine", x, vector=vectors.get(kind))
        if kind == "sharded":
            made.save_to_disk(tmp_path / "mine", num_shards=3)
        source = load(tmp_path / "mine")
        assert source.class_names == ("setosa", "versicolor", "virginica")
        assert same(source.train, source.class_names)
        assert any("shape (2, 2)" in note for note in source.notes) == (kind == "Array2D")
        dataset = load_dataset(f"table:{tmp_path / 'mine'}")
        assert [np.bincount(getattr(dataset, part).labels).tolist() for part in ("train", "test")] == [
            [30] * 3,
            [10] * 3,
        ]

    def test_its_splits_and_its_names_for_logits(self, tmp_path):
        d = self.datasets
        logits = np.eye(4, dtype=np.float32)[Y] * 3
        table = d.Dataset.from_dict({"embedding": X, "logits": logits, "label": Y})
        table = table.cast_column("label", d.ClassLabel(names=["zebra", "ant", "bee", "unseen"]))
        rows = parts()
        split = d.DatasetDict({part: table.select(rows[part]) for part in rows} | {"unsupervised": table.select([0])})
        split.save_to_disk(tmp_path / "mine")
        source = load(tmp_path / "mine")
        assert source.class_names == ("zebra", "ant", "bee", "unseen")
        for part, some in rows.items():
            examples = getattr(source, part)
            np.testing.assert_array_equal(examples.labels, Y[some])
            np.testing.assert_array_equal(examples.logits, logits[some])
            assert examples.names[3] == f"{part} 3"
        assert source.notes == ("passed over in the folder: 'unsupervised'",)

    def test_what_its_files_say_without_the_folder(self, tmp_path):
        made = self.saved(tmp_path / "mine")
        made.to_parquet(tmp_path / "mine.parquet")
        made.rename_column("vec", "embedding").to_parquet(tmp_path / "other.parquet")
        for path in (tmp_path / "mine.parquet", tmp_path / "other.parquet", *(tmp_path / "mine").glob("*.arrow")):
            source = load(path)
            assert same(source.train, source.class_names)

    def test_groups_go_whole_and_logits_that_nothing_splits_are_told(self, tmp_path):
        d = self.datasets
        people = [f"p{row % 10}" for row in range(150)]
        made = d.Dataset.from_dict({"vec": X, "label": Y, "logits": np.eye(3)[Y] * 2.0, "group": people})
        made.save_to_disk(tmp_path / "mine")
        dataset = load_dataset(f"table:{tmp_path / 'mine'}")
        assert CUT_BY_SEED in dataset.notes
        rows = [[int(name.split()[1]) % 10 for name in getattr(dataset, part).names] for part in ("train", "test")]
        assert not {*rows[0]} & {*rows[1]}

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("state.json", b"{", r"state\.json cannot be read"),
            ("state.json", b"[]", "it is no object"),
            ("state.json", b"{}", r"state\.json has no list of files"),
            ("state.json", b'{"_data_files": []}', "the dataset has no rows"),
            ("state.json", b'{"_data_files": [{"filename": "../x.arrow"}]}', r"has no file 'x\.arrow'"),
            ("state.json", b'{"_data_files": [], "_indices_data_files": [{}]}', r"file of indices.*flatten_indices"),
            ("dataset_dict.json", b'{"splits": ["../mine"]}', r"dataset_dict\.json has the splits \['\.\./mine'\]"),
            ("dataset_dict.json", b'{"splits": ["test"]}', r"state\.json cannot be read"),
            ("data-00000-of-00001.arrow", b"", "cannot be read as Arrow"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path, name, content, said):
        self.saved(tmp_path / "mine")
        (tmp_path / "mine" / name).write_bytes(content)
        with pytest.raises(DatasetError, match=said):
            load(tmp_path / "mine")

    def test_labels_that_are_none(self, tmp_path):
        self.saved(tmp_path / "mine", y=[-1, *Y[1:]])
        with pytest.raises(
            DatasetError, match=r"'-1' in row 0 .*expected 0 to 3, the classes 'setosa', .*without a label"
        ):
            load(tmp_path / "mine")


@pytest.mark.parametrize("name", ["mine.feather", "mine.arrow", "mine.csv.gz"])
@pytest.mark.parametrize("content", [b"", b"ARROW1", b"ARROW1\0\0" + bytes(64), b"FEA1" + bytes(32), b"\x1f\x8b\x08"])
def test_other_bytes(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=r"mine\.\S+ (cannot be read|is not)|the first line has nothing"):
        load(tmp_path / name)


@given(data=st.data())
@pytest.mark.parametrize("name", ["mine.feather", "mine.arrow", "mine.csv.gz"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_bytes_never_raise_anything_else(tmp_path, name, damaged, data):
    frame = FRAME[::5]
    if name.endswith("gz"):
        content = gzip.compress(frame.to_csv(index=False).encode())
    else:
        frame.reset_index(drop=True).to_feather(tmp_path / name)
        content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(damaged(data, content))
    with suppress(DatasetError):  # anything else fails the test
        load(tmp_path / name)


def test_features_that_are_something_else_are_no_names(tmp_path):
    for told in (b"{", b"[]", b'{"info": {"features": []}}', json.dumps({"info": {"features": {"label": 3}}}).encode()):
        table = pa.table({"label": Y, "vec": list(X)}).replace_schema_metadata({b"huggingface": told})
        parquet.write_table(table, tmp_path / "mine.parquet")
        assert load(tmp_path / "mine.parquet").class_names == ("0", "1", "2")
