import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resmem_core.common.errors import DatasetError
from resmem_core.common.progress import silent
from resmem_core.data import DATASETS, load_dataset

ARRAYS = DATASETS.get("arrays")


def part(name, n, seed, d=4, c=3):
    rng = np.random.default_rng(seed)
    return {
        f"{name}_embeddings": rng.normal(size=(n, d)).astype(np.float32),
        f"{name}_logits": rng.normal(size=(n, c)).astype(np.float32),
        f"{name}_labels": rng.permutation(np.arange(n) % c),
    }


@pytest.fixture
def good():
    return {**part("train", 30, 0), **part("test", 9, 1)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mine.npz"


def load(path, arrays):
    np.savez(path, **arrays)
    return ARRAYS.load(str(path), silent)


def test_reads_what_was_saved(path, good):
    source = load(path, good)
    assert source.class_names == ("0", "1", "2")
    assert len(source.notes) == 1
    assert "optimistic" in source.notes[0]
    for name in ("train", "test"):
        examples = getattr(source, name)
        assert examples.names.tolist() == [f"{name} {row}" for row in range(len(examples))]
        assert np.array_equal(examples.labels, good[f"{name}_labels"])
        assert np.array_equal(examples.embeddings, good[f"{name}_embeddings"])
        assert np.array_equal(examples.logits, good[f"{name}_logits"])
        assert examples.images is None


def test_validation_is_cut_off_train_or_taken_as_given(path, good):
    np.savez(path, **good)
    dataset = load_dataset(f"arrays:{path}")
    assert [len(x) for x in (dataset.train, dataset.validation, dataset.test)] == [24, 6, 9]
    np.savez(path, **good, **part("validation", 7, 2))
    dataset = load_dataset(f"arrays:{path}")
    assert [len(x) for x in (dataset.train, dataset.validation, dataset.test)] == [30, 7, 9]
    assert dataset.notes == ()


def test_other_number_types_are_converted(path, good):
    good["train_embeddings"] = good["train_embeddings"].astype(np.float64)
    good["train_logits"] = np.round(good["train_logits"]).astype(np.int16)
    good["train_labels"] = good["train_labels"].astype(np.uint8)
    train = load(path, good).train
    assert (train.embeddings.dtype, train.logits.dtype, train.labels.dtype) == (
        np.float32,
        np.float32,
        np.int64,
    )


def test_class_names(path, good):
    assert load(path, {**good, "class_names": np.array(["a", "b", "c"])}).class_names == ("a", "b", "c")
    assert load(path, {**good, "class_names": np.array([7, 8, 9])}).class_names == ("7", "8", "9")


@pytest.mark.parametrize("shape", [(30, 5, 6), (30, 5, 6, 1), (30, 1, 5, 6), (30, 5, 6, 3), (30, 3, 5, 6)])
def test_images_of_every_layout(path, good, shape):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    train = load(path, {**good, "train_images": images}).train
    channels = 3 if 3 in shape else 1
    assert train.images.shape == (30, channels, 5, 6)
    row = int(train.names[0].split()[1])
    expected = images[row].reshape(5, 6) if channels == 1 else images[row]
    if channels == 3 and shape[-1] == 3:
        expected = expected.transpose(2, 0, 1)
    assert np.array_equal(train.images[0].squeeze(), expected)


def test_floating_images_are_scaled(path, good):
    images = np.zeros((30, 2, 2))
    images[:, 0] = 1
    images[:, 1] = 0.5
    converted = load(path, {**good, "train_images": images}).train.images
    assert converted.dtype == np.uint8
    assert converted[0, 0].tolist() == [[255, 255], [128, 128]]


def test_unknown_arrays_are_noted_even_if_unreadable(path, good):
    good["other_labels"] = np.array([{}], dtype=object)
    assert load(path, good).notes[-1] == "unknown arrays were ignored: other_labels"


@pytest.mark.parametrize("called", ["val", "valid", "dev", "Validation"])
def test_parts_as_others_call_them(path, good, called):
    source = load(path, {**good, **part(called, 7, 2)})
    assert len(source.validation) == 7
    assert source.notes == ()
    with pytest.raises(DatasetError, match=rf"lacks {called}_embeddings, {called}_logits; it has .*, {called}_labels$"):
        load(path, {**good, f"{called}_labels": [0, 1]})
    with pytest.raises(
        DatasetError, match=rf"{called}_labels has labels from 3 to 9; expected 0 to 2, as train_logits"
    ):
        load(path, {**good, **part(called, 7, 2), f"{called}_labels": np.arange(7) + 3})


def test_a_part_has_one_name(path, good):
    with pytest.raises(DatasetError, match=r"begin with val_ and with valid_, which mean the same; expected one name"):
        load(path, {**good, **part("val", 7, 2), **part("valid", 7, 2)})


@pytest.mark.parametrize("names", [["10", "9", "8"], ["ant", "cat", "bee"]])
@pytest.mark.parametrize("given", [True, False])
def test_labels_may_be_names(path, good, names, given):
    ordered = names if given else sorted(names, key=lambda name: (len(name), name))
    named = {key: np.array(ordered)[y] if key.endswith("labels") else y for key, y in good.items()}
    source = load(path, {**named, **({"class_names": names} if given else {})})
    assert source.class_names == tuple(ordered)
    assert np.array_equal(source.train.labels, load(path, good).train.labels)
    assert any("sorted names" in note for note in source.notes) is not given
    few = {key: value for key, value in named.items() if not key.endswith("logits")}
    assert load(path, few).class_names == tuple(sorted(names, key=lambda name: (len(name), name)))


def test_a_path_that_no_path_can_be_is_refused():
    for argument in ("x" * 5000, "x" * 300):
        for kind in ("arrays", "folder"):
            with pytest.raises(DatasetError, match="x cannot be read: File name too long"):
                load_dataset(f"{kind}:{argument}")
    with pytest.raises(DatasetError, match="not there"):
        load_dataset("arrays:a\0b")


def test_names_that_are_no_classes(path, good):
    named = {key: np.array(["a", "b", "c"])[y] if key.endswith("labels") else y for key, y in good.items()}
    with pytest.raises(DatasetError, match=r"train_labels has 'a' in row \d+; expected one of class_names, 'b', 'c'"):
        load(path, {**named, "class_names": ["b", "c", "d"]})
    with pytest.raises(DatasetError, match=r"train_labels has int64 of shape .*; expected names, as test_labels has"):
        load(path, {**named, "train_labels": good["train_labels"]})
    with pytest.raises(DatasetError, match=r"class_names has \|V4 of shape \(3,\); expected text of shape"):
        load(path, {**named, "class_names": np.zeros(3, "V4")})
    with pytest.raises(DatasetError, match=r"2 different names, 'a', 'b'; expected 3, as train_logits has columns"):
        load(
            path,
            {
                **named,
                **{f"{p}_labels": np.array(["a", "b"])[np.arange(n) % 2] for p, n in (("train", 30), ("test", 9))},
            },
        )


def test_a_class_that_only_test_has_is_a_note(path, good):
    good["train_labels"] = np.arange(30) % 2
    np.savez(path, **good)
    dataset = load_dataset(f"arrays:{path}")
    assert any("train lacks: '2'" in note for note in dataset.notes)


def with_value(key, row, value):
    def change(arrays):
        arrays[key] = arrays[key].astype(np.result_type(arrays[key], type(value)))
        arrays[key][row] = value

    return change


def with_array(key, array):
    return lambda arrays: arrays.update({key: np.asarray(array)})


WRONG = {
    "missing": (lambda a: a.pop("train_logits"), ["lacks train_logits", "train_embeddings", "test_labels"]),
    "half a validation": (
        with_array("validation_labels", [0]),
        ["validation_embeddings", "validation_logits"],
    ),
    "embeddings ndim": (
        with_array("train_embeddings", np.zeros(30)),
        ["train_embeddings", "(30,)", "(N, D)"],
    ),
    "embeddings text": (with_array("train_embeddings", [["a"]] * 30), ["train_embeddings", "<U1"]),
    "embeddings complex": (with_array("train_embeddings", np.zeros((30, 4), complex)), ["complex128"]),
    "no columns": (with_array("train_embeddings", np.zeros((30, 0))), ["train_embeddings", "(30, 0)"]),
    "no rows": (with_array("test_logits", np.zeros((0, 3))), ["test_logits", "(0, 3)"]),
    "lengths": (with_array("train_labels", [0, 1, 2]), ["train_labels", "3 rows", "30"]),
    "embedding lengths": (
        with_array("test_embeddings", np.zeros((8, 4))),
        ["test_embeddings", "8 rows", "9"],
    ),
    "nan": (with_value("train_embeddings", 5, np.nan), ["train_embeddings", "NaN", "row 5"]),
    "inf": (with_value("test_logits", 2, np.inf), ["test_logits", "infinity", "row 2"]),
    "too large": (with_array("test_logits", np.full((9, 3), 1e300)), ["test_logits", "float32"]),
    "object": (
        with_array("train_labels", np.array([0, None] * 15, object)),
        ["train_labels", "cannot be read"],
    ),
    "float labels": (with_array("train_labels", np.zeros(30)), ["train_labels", "float64", "whole numbers"]),
    "labels ndim": (with_array("train_labels", np.zeros((30, 3), int)), ["train_labels", "(30, 3)", "(N,)"]),
    "label too large": (with_value("test_labels", 0, 3), ["test_labels", "to 3", "0 to 2", "3 columns"]),
    "label negative": (with_value("test_labels", 0, -1), ["test_labels", "from -1"]),
    "other D": (with_array("test_embeddings", np.zeros((9, 5))), ["test_embeddings", "(9, 5)", "(30, 4)"]),
    "other C": (with_array("test_logits", np.zeros((9, 4))), ["test_logits", "(9, 4)", "(30, 3)"]),
    "few names": (with_array("class_names", ["a", "b"]), ["class_names", "(2,)", "(3,)"]),
    "same names": (with_array("class_names", ["a", "b", "b"]), ["class_names", "'b'", "distinct"]),
    "odd names": (with_array("class_names", [0.5, 1.5, 2.5]), ["class_names", "float64"]),
    "object names": (with_array("class_names", np.array(["a", "b", 1], object)), ["class_names", "text"]),
    "image ndim": (with_array("train_images", np.zeros((30, 5), np.uint8)), ["train_images", "(30, 5)"]),
    "image channels": (
        with_array("test_images", np.zeros((9, 5, 5, 2), np.uint8)),
        ["test_images", "1 or 3"],
    ),
    "image lengths": (with_array("test_images", np.zeros((8, 5, 5), np.uint8)), ["test_images", "8 rows"]),
    "image type": (with_array("test_images", np.zeros((9, 5, 5), int)), ["test_images", "int64", "uint8"]),
    "image range": (with_array("test_images", np.full((9, 5, 5), 255.0)), ["test_images", "255.0", "0 to 1"]),
    "image nan": (with_array("test_images", np.full((9, 5, 5), np.nan)), ["test_images", "nan"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(path, good, case):
    change, said = WRONG[case]
    change(good)
    with pytest.raises(DatasetError) as caught:
        load(path, good)
    for words in ["mine.npz", *said]:
        assert words in str(caught.value)


def test_a_single_class_is_too_few(path):
    with pytest.raises(DatasetError, match=r"train_logits has 1 column; .* at least 2"):
        load(path, {**part("train", 5, 0, c=1), **part("test", 5, 0, c=1)})


def test_an_empty_archive_lists_all_that_is_missing(path):
    with pytest.raises(DatasetError, match=r"lacks train_embeddings, .*test_labels; it has no arrays"):
        load(path, {})


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PK\x03\x04", b"\x80\x04N."])
def test_other_files_are_not_npz(path, content):
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"mine\.npz is not an \.npz file"):
        ARRAYS.load(str(path), silent)


def test_a_single_npy_is_not_npz(tmp_path):
    np.save(tmp_path / "mine.npy", np.zeros(3))
    with pytest.raises(DatasetError, match=r"not an \.npz file"):
        ARRAYS.load(str(tmp_path / "mine.npy"), silent)


def test_members_that_are_no_arrays(path, good):
    np.savez(path, **{key: value for key, value in good.items() if key != "test_labels"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("test_labels.npy", b"not an array")
    with pytest.raises(DatasetError, match="test_labels"):
        ARRAYS.load(str(path), silent)


@pytest.mark.parametrize("compressed", [False, True])
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_bytes_never_raise_anything_else(tmp_path, compressed, data):
    path = tmp_path / "mine.npz"
    save = np.savez_compressed if compressed else np.savez
    save(path, **part("train", 12, 0), **part("test", 6, 1))
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    for position in data.draw(st.lists(st.integers(0, max(len(content) - 1, 0)), max_size=4)):
        if content:
            content[position] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(DatasetError):  # anything else fails the test
        assert len(ARRAYS.load(str(path), silent).train) == 12


@given(header=st.text(max_size=80), tail=st.binary(max_size=40))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_odd_array_headers_never_raise_anything_else(tmp_path, header, tail):
    path = tmp_path / "mine.npz"
    np.savez(path, **part("train", 3, 0))
    line = header.encode("latin1", "replace") + b"\n"
    with zipfile.ZipFile(path, "a") as archive:
        member = b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + tail
        archive.writestr("test_labels.npy", member)
    with pytest.raises(DatasetError, match=r"mine\.npz"):
        ARRAYS.load(str(path), silent)


def test_a_header_that_promises_too_much_is_said(path, good):
    np.savez(path, **{key: value for key, value in good.items() if key != "test_labels"})
    line = b"{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999999999,), }\n"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("test_labels.npy", b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line)
    with pytest.raises(DatasetError, match="test_labels"):
        ARRAYS.load(str(path), silent)


def test_a_missing_file_or_a_folder(tmp_path):
    for path, said in ((tmp_path / "nowhere.npz", "not there"), (tmp_path, "a folder")):
        assert said in ARRAYS.unavailable(str(path))
        with pytest.raises(DatasetError, match=said):
            ARRAYS.load(str(path), silent)


def test_nothing_is_ever_unpickled(path, good, tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    good["train_labels"] = np.array([Trap()] * 30, dtype=object)
    with pytest.raises(DatasetError, match="train_labels"):
        load(path, good)
    assert not (tmp_path / "sprung").exists()
