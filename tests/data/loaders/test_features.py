"""Raw tables with a column to be predicted: what is predicted from what, and what is refused."""

import sys

import numpy as np
import pytest

from resmem_core.common.errors import DatasetError, InvalidParameterError, ResMemError, UnavailableError
from resmem_core.data.loading import load_dataset
from resmem_core.data.types import CLASSES, VALUES

HEADER = "a,b,label"
ROWS = [f"{i % 7},{i * 1.5},{'xyz'[i % 3]}" for i in range(60)]


@pytest.fixture
def load(tmp_path):
    """Return a function from the lines of a CSV file, and what stands after its path, to the dataset."""

    def load(lines, asked="", name="t.csv", **options):
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
        return load_dataset(f"features:{tmp_path / name}{asked}", **options)

    return load


def rows_of(data):
    return [
        (*row.values(), data.class_names[label] if data.class_names else label)
        for part in (data.train, data.validation, data.test)
        for row, label in zip(part.features.to_pylist(), part.labels, strict=True)
    ]


def test_every_row_is_in_one_part_with_its_own_label(load):
    data = load([HEADER, *ROWS])
    assert data.class_names == ("x", "y", "z")
    assert sorted(rows_of(data)) == sorted((i % 7, i * 1.5, "xyz"[i % 3]) for i in range(60))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [36, 12, 12]
    assert data.notes[-1] == "'label' is predicted (3 classes) from 2 columns, 2 of numbers"
    row = int(str(data.test.names[0]).removeprefix("train "))  # a row of the file is found again by its number
    assert data.test.about(0) == {"a": str(row % 7), "b": f"{row * 1.5:g}"}


@pytest.mark.parametrize(
    ("labels", "asked", "task", "names"),
    [
        ([0, 1], "", CLASSES, ("0", "1")),
        (["1.0", "2.0"], "", CLASSES, ("1", "2")),
        ([2, 10, 1], "", CLASSES, ("1", "2", "10")),
        (["True", "false"], "", CLASSES, ("False", "True")),
        (["yes", "no"], "", CLASSES, ("no", "yes")),
        (["01", "02"], "", CLASSES, ("01", "02")),
        ([0, 1], "?task=values", VALUES, ()),
        ([0.5, 1, 2], "", VALUES, ()),
        (range(21), "", VALUES, ()),
        (range(20), "", CLASSES, tuple(map(str, range(20)))),
        (range(21), "?task=classes", CLASSES, tuple(map(str, range(21)))),
    ],
)
def test_text_and_few_whole_numbers_are_classes_and_all_else_values(load, labels, asked, task, names):
    labels = [str(label) for label in labels]
    data = load([HEADER, *(f"{i % 7},{i * 1.5},{labels[i % len(labels)]}" for i in range(210))], asked)
    assert (data.task, data.class_names) == (task, names)
    if task == VALUES:
        assert sorted(row[-1] for row in rows_of(data)) == sorted(float(labels[i % len(labels)]) for i in range(210))
    guessed = [note for note in data.notes if "?task=" in note]
    assert len(guessed) == (not asked and names != ("01", "02") and labels[0] in "021.0")


@pytest.mark.parametrize("name", ["label", "Target", "CLASS", "y", " label "])
def test_the_target_is_called_as_usual_or_named(load, name):
    assert load([f"a,b,{name}", *ROWS]).class_names == ("x", "y", "z")
    assert load(["a,b,some thing", *ROWS], "?target=some thing").class_names == ("x", "y", "z")
    assert load(["a,b,some thing", *ROWS], "?target=some%20thing&drop=b").train.features.column_names == ["a"]


def test_what_counts_rows_or_never_changes_is_no_feature_and_is_told(load):
    lines = [f"{i},{i + 100},same,,{row}" for i, row in enumerate(ROWS)]
    data = load([",id,c,empty,a,b,label", *lines])
    assert data.train.features.column_names == ["a", "b"]
    assert "columns that number the rows are no features: 'Unnamed: 0', 'id'" in data.notes
    assert "columns that are the same everywhere are no features: 'c', 'empty'" in data.notes


def test_a_copy_of_the_target_is_told(load):
    data = load(["copy,a,b,label", *(f"{row[-1]},{row}" for row in ROWS)])
    assert "the column 'copy' is the same as 'label': ?drop=copy leaves it out" in data.notes


def test_rows_without_a_target_are_left_out_and_told(load):
    data = load([HEADER, *ROWS, "3,4,", "5,6,"])
    assert sum(len(part) for part in (data.train, data.validation, data.test)) == 60
    assert "2 rows were left out for lack of 'label'" in data.notes


def test_parts_groups_and_names_are_as_the_file_says(load):
    parts = ["train"] * 30 + ["val"] * 15 + ["TEST"] * 15
    lines = [f"{row},{parts[i]},g{i // 5},n{i}" for i, row in enumerate(ROWS)]
    data = load([f"{HEADER},split,group,name", *lines])
    assert [str(name) for name in data.validation.names] == [f"n{i}" for i in range(30, 45)]
    assert len(np.unique(data.train.groups)) == 6
    assert data.train.features.column_names == ["a", "b"]
    assert data.test.labels.tolist() == [i % 3 for i in range(45, 60)]


def test_groups_are_kept_together_where_parts_are_cut(load):
    data = load([f"{HEADER},group", *(f"{row},{i // 4}" for i, row in enumerate(ROWS))])
    groups = [set(part.groups.tolist()) for part in (data.train, data.validation, data.test)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 15


def test_groups_whose_numbers_no_float_tells_apart_stay_apart(load):
    lines = [f"{row},{2**53 + i // 10}" for i, row in enumerate(ROWS)]
    assert len({group for part in ("train", "validation", "test")
                for group in getattr(load([f"{HEADER},group", *lines]), part).groups.tolist()}) == 6  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "asked", "said"),
    [
        ([HEADER, *ROWS], "?target=price", "no column 'price' but 'a', 'b', 'label'; expected one of these"),
        ([HEADER, *ROWS], "?drop=zzz", "no column 'zzz' but"),
        (["a,b,c", *ROWS], "", "the columns 'a', 'b', 'c'; expected .*called 'label', .*: \\?target=COLUMN"),
        (["a,y,label", *ROWS], "", "which of them is to be predicted, after the path: \\?target=label"),
        (["label", *"xyzxyz"], "", "no feature beside 'label'"),
        ([HEADER, *(f",,{row[-1]}" for row in ROWS)], "", "no feature beside 'label'"),
        ([HEADER, *(f"{row[:-1]}" for row in ROWS)], "", "no row with .*; expected what is to be predicted"),
        ([HEADER, *ROWS, "inf,2,x"], "", "column 'a' has inf in row 60; expected finite numbers"),
        ([HEADER, *ROWS, "-1e999,2,x"], "", "column 'a' has -inf in row 60"),
        ([HEADER, *ROWS], "?task=values", "text, such as 'x'; expected numbers, as \\?task=values says"),
        (["a,b,label", "1,2,0.5", "2,3,1.5"], "?task=classes", "fractions; expected classes"),
        (["a,b,label", "1,2,1e400", "2,3,1.5"], "", "column 'label' has inf in row 0; expected finite numbers"),
        (["a,b,label", "1,2,2020-01-01", "2,3,2020-01-02"], "", "times; expected classes or numbers"),
        ([HEADER, *(f"{row[:-1]}x" for row in ROWS)], "", "has 1 class \\(x\\); at least 2 are needed"),
        ([HEADER, *(f"{row[:-1]}1.5" for row in ROWS)], "", "the value 1.5 in all of train; there is nothing to pre"),
        ([HEADER, *ROWS[:3]], "", "no validation part, and none can be cut off|no test part, and none can be cut off"),
        ([HEADER, "1,2,1.5", "2,3,2.5", "3,4,3.25"], "", "at least 2 are needed"),
        ([f"{HEADER},split", *(f"{row},trane" for row in ROWS)], "", "'trane' in row 0; expected one of train,"),
        ([f"{HEADER},split", *(f"{row},train" for row in ROWS)], "", "no test; expected train and test there"),
        ([f"{HEADER},group", *(f"{row}," for row in ROWS[:1]), *(f"{row},1" for row in ROWS[1:])], "", "empty cell in"),
    ],
)
def test_what_cannot_be_used_is_told(load, lines, asked, said):
    with pytest.raises(DatasetError, match=said):
        load(lines, asked)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("?goal=a", "'goal' is not possible .*: target, task, drop"),
        ("?task=regression", "task='regression' must be one of: classes, values"),
    ],
)
def test_what_stands_after_the_path_is_checked(load, asked, said):
    with pytest.raises(InvalidParameterError, match=said):
        load([HEADER, *ROWS], asked)


@pytest.mark.parametrize("corrupted", [{"imbalance": 5.0}, {"label_noise": 0.2}])
def test_values_are_not_corrupted_as_classes_are(corrupted):
    with pytest.raises(InvalidParameterError, match="are of classes, and the data has values to predict"):
        load_dataset("diabetes", **corrupted)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DatasetError, match=r"nothing.csv is not there; give a file that ends in one of .csv"):
        load_dataset(f"features:{tmp_path / 'nothing.csv'}")
    with pytest.raises(DatasetError, match="is a folder; give a file"):
        load_dataset(f"features:{tmp_path}")


def test_without_openpyxl_excel_says_what_to_install(tmp_path, monkeypatch):
    pd, _ = pytest.importorskip("pandas"), pytest.importorskip("openpyxl")
    pd.DataFrame({"a": range(40), "label": ["x", "y"] * 20}).to_excel(tmp_path / "t.xlsx", index=False)
    spec = f"features:{tmp_path / 't.xlsx'}"
    assert load_dataset(spec).class_names == ("x", "y")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UnavailableError, match=r"t.xlsx needs the package openpyxl; run: pip install openpyxl"):
        load_dataset(spec)


def test_a_changed_file_is_another_dataset(load):
    first = load([HEADER, *ROWS]).fingerprint
    assert load([HEADER, *ROWS]).fingerprint == first
    assert load([HEADER, *ROWS[:-1], "9,9,x"]).fingerprint != first
    assert load(["aa,b,label", *ROWS]).fingerprint != first


@pytest.mark.parametrize(
    ("name", "n", "columns", "task"), [("breast-cancer", 569, 30, CLASSES), ("wine", 178, 13, CLASSES),
                                       ("diabetes", 442, 10, VALUES)]
)  # fmt: skip
def test_the_tables_of_scikit_learn_are_whole(name, n, columns, task):
    data = load_dataset(name)
    assert sum(len(part) for part in (data.train, data.validation, data.test)) == n
    assert (data.train.features.num_columns, data.task) == (columns, task)


def test_limiting_train_leaves_the_rest_as_it_was():
    few, all_of = load_dataset("diabetes", limit_train=50), load_dataset("diabetes")
    assert len(few.train) == 50
    assert np.array_equal(few.test.labels, all_of.test.labels)
    with pytest.raises(ResMemError, match="limit_train=1000 must be a whole number"):
        load_dataset("diabetes", limit_train=1000)
