"""`images:PATH`: the same images as in folders, listed in tables of every kind; and what is wrong with a table."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.progress import silent
from resmem_core.common.store import Store
from resmem_core.data import DATASETS, load_dataset

LOADER = DATASETS.get("images")


@pytest.fixture
def root(tmp_path):
    """Two classes, six training and three test images each, 12 x 10, in folders and in a table."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 6), ("test", 3)):
        for name in ("cat", "dog"):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return tmp_path


@pytest.fixture
def rows(root):
    files = sorted(root.rglob("*.png"), reverse=True)
    return pd.DataFrame(
        {
            "path": [str(file.relative_to(root)) for file in files],
            "label": [file.parent.name for file in files],
            "split": [file.parent.parent.name for file in files],
        }
    )


def load(root, rows, name="table.csv", query="", **options):
    kind = name.rpartition(".")[2]
    write = {"csv": rows.to_csv, "tsv": rows.to_csv, "parquet": rows.to_parquet, "feather": rows.to_feather}[kind]
    options = {"index": False, **options} if kind in ("csv", "tsv") else options
    write(root / name, **({"sep": "\t", **options} if kind == "tsv" else options))
    return LOADER.load(f"{root / name}{query}", silent)


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.csv", {}), ("a.csv", {"sep": ";"}), ("a.tsv", {}), ("a.parquet", {}), ("a.feather", {}), ("A.CSV", {})],
)
def test_a_table_gives_what_a_folder_gives(root, rows, name, options):
    kind, table = name.rpartition(".")[2], rows.sort_values("path")
    source = load(root, table, name.lower(), **options) if kind == "CSV" else load(root, table, name, **options)
    expected = DATASETS.get("folder").load(str(root), silent)
    assert source.class_names == expected.class_names == ("cat", "dog")
    for part in ("train", "test"):
        found, wanted = getattr(source, part), getattr(expected, part)
        assert found.names.tolist() == wanted.names.tolist()
        np.testing.assert_array_equal(found.labels, wanted.labels)
        np.testing.assert_array_equal(found.images, wanted.images)
    assert source.validation is None
    assert source.notes == (("the columns are separated by ';'",) if options else ())


def test_rows_keep_their_order_and_absolute_paths_serve(root, rows):
    rows["path"] = [str(root / path) for path in rows["path"]]
    source = load(root, rows)
    assert source.train.names.tolist() == rows["path"][rows["split"] == "train"].tolist()
    for name, image in zip(source.train.names, source.train.images, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(name)).transpose(2, 0, 1), image)


@pytest.mark.parametrize("column", ["file", "FileName", "image", "image_path", "where it lies"])
def test_the_column_of_paths_may_have_another_name_or_be_the_only_one_of_images(root, rows, column):
    source = load(root, rows.rename(columns={"path": column}).assign(note="none"))
    assert len(source.train) == 12
    assert source.notes == ("columns that mean nothing here are kept as metadata: 'note'",)


def test_names_groups_and_metadata_are_kept_in_the_store_too(root, rows, tmp_path):
    rows = rows.drop(columns="split").assign(name=[f"photo {i}" for i in range(18)], group=list("abcdef") * 3)
    rows = rows.assign(camera=["Leica", "", "Nikon"] * 6, year=2024)
    load(root, rows)
    store = Store(tmp_path / "store")
    for _ in range(2):  # decoded, and from the store
        data = load_dataset(f"images:{root / 'table.csv'}", store=store)
        for examples in (data.train, data.validation, data.test):
            for place, name in enumerate(examples.names):
                row = rows.iloc[int(name.split()[1])]
                told = {"camera": row["camera"] or None, "year": "2024"}
                assert examples.about(place) == told
                assert "abcdef"[examples.groups[place]] == row["group"]
                pixels = np.asarray(Image.open(root / row["path"])).transpose(2, 0, 1)
                np.testing.assert_array_equal(examples.images[place], pixels)
        groups = [set(examples.groups) for examples in (data.train, data.validation, data.test)]
        assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]


def test_size_is_set_and_checked(root, rows):
    assert load(root, rows, query="?size=8").train.images.shape == (12, 3, 8, 8)
    with pytest.raises(InvalidParameterError, match=r"images:.*size='2' must be a whole number"):
        load(root, rows, query="?size=2")


def test_numbers_are_classes_in_their_order(root, rows):
    rows["label"] = [10.0 if label == "cat" else 9.0 for label in rows["label"]]
    assert load(root, rows).class_names == ("9", "10")


def test_few_missing_or_damaged_files_are_told_and_most_are_an_error(root, rows):
    gone = root / rows["path"][0]
    gone.unlink()
    (root / rows["path"][1]).write_bytes(b"damaged")
    source = load(root, rows)
    assert len(source.train) == 10
    assert source.notes == (
        f"1 image that the table names is not there and was left out: {rows['path'][0]}",
        f"1 damaged image was skipped: {rows['path'][1]}",
    )
    assert rows["path"][0] not in source.train.names
    rows["path"] = "pictures/" + rows["path"]
    with pytest.raises(DatasetError, match=r"18 of 18 files that are not there: pictures/.* the folder of the table"):
        load(root, rows)
    rows["path"] = "https://example.org/" + rows["path"]
    with pytest.raises(DatasetError, match="addresses are not fetched: download"):
        load(root, rows)


def test_paths_as_windows_writes_them(root, rows):
    rows["path"] = [path.replace("/", "\\") for path in rows["path"]]
    assert len(load(root, rows).train) == 12


def test_the_stamp_changes_with_the_images_and_the_table(root, rows):
    load(root, rows)
    spec = str(root / "table.csv")
    stamps = [LOADER.stamp(spec), LOADER.stamp(spec)]
    assert stamps[0] == stamps[1]
    (root / rows["path"][3]).unlink()
    stamps.append(LOADER.stamp(spec))
    rows["label"] = rows["label"].str.upper()
    load(root, rows)
    stamps.append(LOADER.stamp(spec))
    assert len(set(stamps)) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop(columns="label"), r"the columns 'split'; .*\?target=COLUMN"),
        (lambda rows: rows.drop(columns="path"), "no column of paths but 'label', 'split'"),
        (lambda rows: rows.assign(file=rows["path"]), "the columns 'path', 'file'; expected one column of the paths"),
        (lambda rows: rows.assign(split="train"), None),
        (lambda rows: rows.assign(split="test"), "no train"),
        (lambda rows: rows.assign(split="fold 1"), "'fold 1' in row 0; expected one of train"),
        (lambda rows: rows.assign(label=""), "no row with 'label'"),
        (lambda rows: rows.assign(label="cat"), "one class only, 'cat'; at least 2 are needed, in the column 'label'"),
        (lambda rows: rows[:0], "no rows"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(root, rows, change, message):
    if message is None:
        assert load(root, change(rows)).notes == ("no row of the column 'split' says test: test was cut off train",)
        return
    with pytest.raises(DatasetError, match=message):
        load(root, change(rows))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "the file has nothing"),
        ("a.csv", b"path,label\n1.png\n", "no row with 'label'"),
        ("a.csv", b"path,path,label\n1.png,1.png,a\n", "more than one column 'path'"),
        ("a.csv", b'path,label\n"1.png,a\n', "cannot be read as .csv"),
        ("a.csv", b"path,label\n\xff.png,a\n", "byte 11 has no UTF-8"),
        ("a.csv", b"\x1f\x8b", "no .csv file, but packed with gzip"),
        ("a.parquet", b"PAR1 damaged", "cannot be read as .parquet"),
        ("a.feather", b"damaged", "no .feather file"),
        ("a.doc", b"", r"the ending '\.doc'; expected one of .csv, .tsv"),
    ],
)
def test_what_is_no_table_is_told(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    assert LOADER.stamp(str(tmp_path / name))
    with pytest.raises(DatasetError, match=message):
        load_dataset(f"images:{tmp_path / name}")


def test_a_folder_and_a_missing_table_are_told(tmp_path):
    for path, message in ((tmp_path, "is a folder; folder:PATH reads"), (tmp_path / "x.csv", "is not there")):
        assert message in LOADER.unavailable(str(path))
        with pytest.raises(DatasetError, match=message):
            LOADER.load(str(path), silent)


def test_fractions_are_values(root, rows):
    rows["label"] = np.arange(18) / 8
    rows.loc[5, "label"] = None
    source = load(root, rows)
    assert source.class_names == ()
    of_path = dict(zip(rows["path"], rows["label"], strict=True))
    for examples in (source.train, source.test):
        assert examples.labels.tolist() == [of_path[name] for name in examples.names]
    assert source.notes == ("1 row was left out for lack of 'label'",)


def test_columns_may_be_named_and_whole_numbers_be_values(root, rows):
    rows = rows.rename(columns={"path": "where", "label": "age"}).assign(age=range(18), image="none")
    with pytest.raises(DatasetError, match=r"\?target=COLUMN"):
        load(root, rows)
    assert len(load(root, rows, query="?path=where&target=age").class_names) == 18
    source = load(root, rows, query="?path=where&target=age&task=values")
    assert source.class_names == ()
    assert source.train.about(0) == {"image": "none"}
    with pytest.raises(DatasetError, match="no column 'height' but"):
        load(root, rows, query="?path=where&target=height")


def test_names_in_the_other_unicode_form(root, rows):
    decomposed = "cafe\u0301.png"  # as macOS writes it; the table is in the composed form
    (root / rows["path"][0]).rename(root / decomposed)
    rows.loc[0, "path"] = "caf\u00e9.png"
    assert len(load(root, rows).train) + len(load(root, rows).test) == 18
