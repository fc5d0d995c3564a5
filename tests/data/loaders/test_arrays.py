import zipfile
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from resmem_core import ExperimentConfig, prepare
from resmem_core.common import mapped
from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.progress import silent
from resmem_core.common.store import Store
from resmem_core.data import DATASETS, load_dataset
from resmem_core.data.plain_labels import ONE_HOT, TRUTHS
from tests.data.made import arrays_of, without_logits

ARRAYS = DATASETS.get("arrays")


@pytest.fixture
def good():
    return {**arrays_of("train", 30, 0), **arrays_of("test", 9, 1)}


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


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (lambda labels: labels.astype(np.float32), None),
        (lambda labels: labels[:, None], None),
        (lambda labels: np.array(["ant", "bee", "cat"])[labels][:, None], None),
        (lambda labels: np.eye(3)[labels], ONE_HOT),
        (lambda labels: np.eye(3, dtype=bool)[labels], ONE_HOT),
    ],
)
def test_labels_as_other_tools_write_them(path, good, written, told):
    source = load(path, {**good, **{key: written(good[key]) for key in ("train_labels", "test_labels")}})
    for part in ("train", "test"):
        np.testing.assert_array_equal(getattr(source, part).labels, good[f"{part}_labels"])
    assert source.notes.count(ONE_HOT) == (told == ONE_HOT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_tensors_in_safetensors(tmp_path, good, dtype):
    path = tmp_path / "mine.safetensors"
    tensors = {key: torch.from_numpy(array) for key, array in good.items()}
    tensors = {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}
    save_file(tensors, path)
    source = ARRAYS.load(str(path), silent)
    for part in ("train", "test"):
        examples = getattr(source, part)
        np.testing.assert_array_equal(examples.labels, good[f"{part}_labels"])
        for name in ("embeddings", "logits"):
            np.testing.assert_array_equal(getattr(examples, name), tensors[f"{part}_{name}"].double().numpy())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DatasetError, match="the archive cannot be read"):
        ARRAYS.load(str(path), silent)


def test_truths_are_two_classes(path, good):
    truths = {key: good[key] > 0 for key in ("train_labels", "test_labels")}
    logits = {key: good[key][:, :2] for key in ("train_logits", "test_logits")}
    source = load(path, {**good, **logits, **truths})
    assert (source.class_names, TRUTHS in source.notes) == (("0", "1"), True)
    np.testing.assert_array_equal(source.test.labels, truths["test_labels"])


def test_validation_is_cut_off_train_or_taken_as_given(path, good):
    np.savez(path, **good)
    dataset = load_dataset(f"arrays:{path}")
    assert [len(x) for x in (dataset.train, dataset.validation, dataset.test)] == [24, 6, 9]
    np.savez(path, **good, **arrays_of("validation", 7, 2))
    dataset = load_dataset(f"arrays:{path}")
    assert [len(x) for x in (dataset.train, dataset.validation, dataset.test)] == [30, 7, 9]
    assert dataset.notes == ()


def test_other_number_types_are_converted(path, good):
    good["train_embeddings"] = good["train_embeddings"].astype(np.float64)
    good["train_logits"] = np.round(good["train_logits"]).astype(np.int16)
    good["train_labels"] = good["train_labels"].astype(np.uint8)
    train = load(path, good).train
    assert (train.embeddings.dtype, train.logits.dtype, train.labels.dtype) == (np.float32, np.float32, np.int64)


def test_class_names(path, good):
    few = without_logits(good)
    assert load(path, few).class_names == ("0", "1", "2")
    assert load(path, {**few, "class_names": np.array(list("abcd"))}).class_names == ("a", "b", "c", "d")
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
    good["other_things"] = np.array([{}], dtype=object)
    assert load(path, good).notes[-1] == "unknown arrays were ignored: other_things"


@pytest.mark.parametrize("called", ["val", "valid", "dev", "Validation"])
def test_parts_as_others_call_them(path, good, called):
    source = load(path, {**good, **arrays_of(called, 7, 2)})
    assert len(source.validation) == 7
    assert source.notes == ()
    with pytest.raises(DatasetError, match=rf"lacks {called}_embeddings, {called}_logits; it has .*, {called}_labels$"):
        load(path, {**good, f"{called}_labels": [0, 1]})
    with pytest.raises(
        DatasetError, match=rf"{called}_labels has labels from 3 to 9; expected 0 to 2, as train_logits"
    ):
        load(path, {**good, **arrays_of(called, 7, 2), f"{called}_labels": np.arange(7) + 3})


def test_a_part_has_one_name(path, good):
    with pytest.raises(DatasetError, match=r"begin with val_ and with valid_, which mean the same; expected one name"):
        load(path, {**good, **arrays_of("val", 7, 2), **arrays_of("valid", 7, 2)})


@pytest.mark.parametrize("name", ["Labels", "target", "CLASS", "y", "targets"])
def test_keys_as_others_call_them(path, good, name):
    renamed = {key.replace("labels", name).replace("train", "Train"): array for key, array in good.items()}
    assert np.array_equal(load(path, renamed).train.labels, good["train_labels"])
    with pytest.raises(DatasetError, match=rf"Train_{name} has labels from 9 to 9; expected 0 to 2"):
        load(path, {**renamed, f"Train_{name}": np.full(30, 9)})
    with pytest.raises(
        DatasetError, match=rf"Train_{name} and Train_label, which mean the same; expected train_labels"
    ):
        load(path, {**renamed, "Train_label": good["train_labels"]})


@pytest.mark.parametrize(
    "key",
    [
        "val_features",
        "eval_embeddings",
        "train_text_embeddings",
        "other_labels",
        "labels",
        "my_logits",
    ],
)
def test_what_looks_like_data_is_not_left_out(path, good, key):
    with pytest.raises(
        DatasetError, match=rf"'{key}', which looks like data but would not be used; expected train_emb"
    ):
        load(path, {**good, key: np.zeros((9, 4))})


def test_probabilities_in_another_array_are_not_left_out(path, good):
    with pytest.raises(DatasetError, match="'train_pred_probs', which looks like data"):
        load(path, {**without_logits(good), "train_pred_probs": np.full((30, 3), 1 / 3)})
    assert load(path, {**good, "train_pred_probs": np.zeros((30, 3))}).notes[-1].endswith("ignored: train_pred_probs")


def test_labels_that_are_numbers_of_something_are_the_classes(path, good):
    ids = np.array([900, 1, 5])  # in the order of the columns
    given = {key: ids[array] if key.endswith("labels") else array for key, array in good.items()}
    source = load(path, {**given, "target_names": ids})
    assert source.class_names == ("900", "1", "5")
    assert np.array_equal(source.train.labels, good["train_labels"])
    source = load(path, without_logits({**given, "train_labels": given["train_labels"].astype(np.uint64)}))
    assert source.class_names == ("1", "5", "900")
    assert np.array_equal(np.sort(ids)[source.test.labels], given["test_labels"])


def probabilities_of(arrays, decimals=9):
    """Return arrays with the softmax of their logits in place of these, the last class as likely as 0."""
    made = dict(arrays)
    for key in (key for key in arrays if key.endswith("logits")):
        powers = np.exp(arrays[key].astype(np.float64)) * [1, 1, 0]
        made[key] = (powers / powers.sum(axis=1, keepdims=True)).round(decimals)
    return made


@pytest.mark.parametrize(("decimals", "whole"), [(2, 1), (9, 1), (9, 100)])
def test_probabilities_are_told_from_logits(path, good, decimals, whole):
    given = probabilities_of(good, decimals)
    given = {key: array * whole if key.endswith("logits") else array for key, array in given.items()}
    source = load(path, given)
    assert sum("as probabilities do" in note for note in source.notes) == 1
    for name in ("train", "test"):
        logits, expected = getattr(source, name).logits, given[f"{name}_logits"]
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits[:, :2], np.log(np.maximum(expected[:, :2], 1e-30)), rtol=1e-5, atol=1e-6)
        assert (logits[:, 2] < -80).all()
        assert np.isfinite(logits).all()


@pytest.mark.parametrize("change", [-0.01, 0.05])
def test_numbers_that_are_no_probabilities_stay_logits(path, good, change):
    given = probabilities_of(good)
    given["train_logits"][3, 1] = change
    given["test_logits"] = good["test_logits"]
    source = load(path, given)
    assert np.array_equal(source.train.logits, given["train_logits"].astype(np.float32))
    assert not any("probabilities" in note for note in source.notes)


def test_what_logits_are_can_be_said(path, good):
    given = probabilities_of(good)
    expected = load(path, given)
    said, raw = (ARRAYS.load(f"{path}?logits={meaning}", silent) for meaning in ("probabilities", "raw"))
    assert np.array_equal(said.train.logits, expected.train.logits)
    assert np.array_equal(raw.train.logits, given["train_logits"].astype(np.float32))
    assert not any("probabilities" in note for note in (*said.notes, *raw.notes))
    assert ARRAYS.stamp(f"{path}?logits=raw") == ARRAYS.stamp(str(path)) != "[]"
    with pytest.raises(InvalidParameterError, match="logits='log' must be one of: raw, probabilities"):
        ARRAYS.load(f"{path}?logits=log", silent)
    with pytest.raises(
        DatasetError, match=r"part test has rows that are no probabilities.*while that of train has no oth"
    ):
        load(path, {**given, "test_logits": good["test_logits"]})
    load(path, good)
    with pytest.raises(DatasetError, match="part train has rows that are no probabilities"):
        ARRAYS.load(f"{path}?logits=probabilities", silent)


def test_large_probabilities_are_the_same(path, good, all_large, monkeypatch):
    source = load(path, probabilities_of(good))
    monkeypatch.setattr(mapped, "LARGE", 2**30)
    assert np.array_equal(source.train.logits, load(path, probabilities_of(good)).train.logits)


@pytest.mark.parametrize("as_text", [False, True])
def test_whole_groups_are_cut_off(path, good, as_text):
    groups = {"train_groups": np.arange(30) % 6, "test_group": np.arange(9) % 3 + 5}
    np.savez(path, **good, **{key: array.astype(str) if as_text else array for key, array in groups.items()})
    dataset = load_dataset(f"arrays:{path}")
    kept, cut_off = (set(getattr(dataset, part).groups.tolist()) for part in ("train", "validation"))
    assert len(kept | cut_off) == 6
    assert not kept & cut_off
    rows = [int(name.split()[1]) for name in dataset.validation.names]
    assert len(rows) == 5 * len({row % 6 for row in rows}) == 5 * len(cut_off)
    told = [note for note in dataset.notes if "groups in test are in train, too" in note]
    assert told == (
        ["1 of 3 groups in test are in train, too: memory holds others of the same group"] if 5 in kept else []
    )


def test_examples_are_called_as_their_owner_calls_them(path, good):
    names = np.array([f" cafe\u0301 {row}" for row in range(30)])
    source = load(path, {**good, "train_names": names})
    assert source.train.names.tolist() == [f"café {row}" for row in range(30)]
    assert source.test.names[3] == "test 3"
    with pytest.raises(DatasetError, match="train_names has 2 rows; expected 30"):
        load(path, {**good, "train_names": names[:2]})
    with pytest.raises(DatasetError, match=r"train_groups has float64 of shape .30,.; expected text, or whole numbers"):
        load(path, {**good, "train_groups": np.zeros(30)})


def test_names_of_classes_in_other_forms_are_the_same(path, good):
    forms = np.array(["ant", "cafe\u0301", "dog"]), np.array(["ant ", "café", " dog"])
    for names in ({}, {"class_names": forms[1]}):
        named = {f"{part}_labels": forms[i][good[f"{part}_labels"]] for i, part in enumerate(("train", "test"))}
        source = load(path, {**good, **named, **names})
        assert source.class_names == ("ant", "café", "dog")
        assert np.array_equal(source.test.labels, good["test_labels"])
        assert any("look alike" in note for note in source.notes)


@pytest.mark.parametrize("names", [["10", "9", "8"], ["ant", "cat", "bee"]])
@pytest.mark.parametrize("given", [True, False])
def test_labels_may_be_names(path, good, names, given):
    ordered = names if given else sorted(names, key=lambda name: (len(name), name))
    named = {key: np.array(ordered)[y] if key.endswith("labels") else y for key, y in good.items()}
    source = load(path, {**named, **({"class_names": names} if given else {})})
    assert source.class_names == tuple(ordered)
    assert np.array_equal(source.train.labels, load(path, good).train.labels)
    assert any("sorted names" in note for note in source.notes) is not given
    assert load(path, without_logits(named)).class_names == tuple(sorted(names, key=lambda name: (len(name), name)))


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
    with pytest.raises(
        DatasetError, match=r"class_names has \|V4 of shape \(3,\); expected text, or whole numbers, of shape"
    ):
        load(path, {**named, "class_names": np.zeros(3, "V4")})
    with pytest.raises(DatasetError, match=r"2 different names, 'a', 'b'; expected 3, as train_logits has columns"):
        load(
            path,
            {
                **named,
                **{f"{p}_labels": np.array(["a", "b"])[np.arange(n) % 2] for p, n in (("train", 30), ("test", 9))},
            },
        )


def with_value(key, row, value):
    def change(arrays):
        arrays[key] = arrays[key].astype(np.result_type(arrays[key], type(value)))
        arrays[key][row] = value

    return change


def with_array(key, array):
    return lambda arrays: arrays.update({key: np.asarray(array)})


def by_labels(**more):
    """Return a change that takes the logits away and gives these arrays."""

    def change(arrays):
        del arrays["train_logits"], arrays["test_logits"]
        arrays |= {key: np.asarray(array) for key, array in more.items()}

    return change


@pytest.mark.parametrize("of_head", [False, True])
def test_a_class_that_only_test_has_is_a_note(path, good, of_head):
    if of_head:
        by_labels(weights=np.eye(3, 4))(good)
    good["train_labels"] = np.arange(30) % 2
    np.savez(path, **good)
    assert any("train lacks: '2'" in note for note in load_dataset(f"arrays:{path}").notes)


WRONG = {
    "missing": (lambda a: a.pop("train_logits"), ["lacks train_logits", "train_embeddings", "test_labels"]),
    "half a validation": (with_array("validation_labels", [0]), ["validation_embeddings", "validation_logits"]),
    "embeddings ndim": (with_array("train_embeddings", np.zeros(30)), ["train_embeddings", "(30,)", "(N, D)"]),
    "lists as text": (with_array("train_embeddings", ["[0.1, 0.2]"] * 30), ["lists written as text", "'[0.1, 0.2]'"]),
    "embeddings text": (with_array("train_embeddings", [["a"]] * 30), ["train_embeddings", "<U1"]),
    "embeddings complex": (with_array("train_embeddings", np.zeros((30, 4), complex)), ["complex128"]),
    "no columns": (with_array("train_embeddings", np.zeros((30, 0))), ["train_embeddings", "(30, 0)"]),
    "no rows": (with_array("test_logits", np.zeros((0, 3))), ["test_logits", "(0, 3)"]),
    "lengths": (with_array("train_labels", [0, 1, 2]), ["train_labels", "3 rows", "30"]),
    "embedding lengths": (with_array("test_embeddings", np.zeros((8, 4))), ["test_embeddings", "8 rows", "9"]),
    "nan": (with_value("train_embeddings", 5, np.nan), ["train_embeddings", "NaN", "row 5"]),
    "inf": (with_value("test_logits", 2, np.inf), ["test_logits", "infinity", "row 2"]),
    "too large": (with_array("test_logits", np.full((9, 3), 1e300)), ["test_logits", "float32"]),
    "object": (with_array("train_labels", np.array([0, None] * 15, object)), ["train_labels", "cannot be read"]),
    "float labels": (with_array("train_labels", np.full(30, 0.5)), ["train_labels", "fractions", "train_logits"]),
    "no label": (with_array("train_labels", np.full(30, np.nan)), ["train_labels", "float64", "whole numbers"]),
    "two labels": (with_array("train_labels", np.ones((30, 3))), ["train_labels", "(30, 3)", "whole numbers"]),
    "labels ndim": (with_array("train_labels", np.zeros((30, 3), int)), ["train_labels", "(30, 3)", "(N,)"]),
    "label too large": (with_value("test_labels", 0, 3), ["test_labels", "to 3", "0 to 2", "3 columns"]),
    "label negative": (with_value("test_labels", 0, -1), ["test_labels", "from -1"]),
    "other D": (with_array("test_embeddings", np.zeros((9, 5))), ["test_embeddings", "(9, 5)", "(30, 4)"]),
    "other C": (with_array("test_logits", np.zeros((9, 4))), ["test_logits", "(9, 4)", "(30, 3)"]),
    "few names": (with_array("class_names", ["a", "b"]), ["class_names", "2 names; expected 3"]),
    "same names": (with_array("class_names", ["a", "b", "b"]), ["class_names", "'b'", "distinct"]),
    "odd names": (with_array("class_names", [0.5, 1.5, 2.5]), ["class_names", "float64"]),
    "object names": (with_array("class_names", np.array(["a", "b", 1], object)), ["class_names", "text"]),
    "weights ndim": (
        by_labels(weights=np.zeros(4)),
        ["weights", "(4,)", "(C, 4)", "train_embeddings has 4 columns"],
    ),
    "weights of other embeddings": (by_labels(weights=np.zeros((3, 5))), ["weights", "(3, 5)", "(C, 4)"]),
    "weights of one class": (by_labels(weights=np.zeros((1, 4))), ["weights has 1 row", "at least 2"]),
    "weights text": (by_labels(weights=[["a"] * 4] * 3), ["weights", "<U1", "numbers"]),
    "weights nan": (by_labels(weights=np.full((3, 4), np.nan)), ["weights", "NaN", "row 0"]),
    "bias of other classes": (
        by_labels(weights=np.zeros((3, 4)), bias=np.zeros(2)),
        ["bias", "(2,)", "(3,)", "3 rows"],
    ),
    "bias inf": (by_labels(weights=np.zeros((3, 4)), bias=[0, 0, np.inf]), ["bias", "infinity", "row 2"]),
    "label beyond the weights": (
        by_labels(weights=np.zeros((2, 4))),
        ["labels from 0 to 2", "0 to 1", "weights has 2 rows"],
    ),
    "names fewer than labels": (by_labels(class_names=["a", "b"]), ["labels from 0 to 2", "class_names has 2"]),
    "a part without embeddings": (by_labels(validation_labels=[0, 0]), ["lacks validation_embeddings; "]),
    "numbers that are no classes": (
        by_labels(train_labels=np.arange(10_001), train_embeddings=np.zeros((10_001, 4))),
        ["the labels has 10001 different names; expected at most 10000"],
    ),
    "names that may be labels": (with_array("class_names", [2, 0, 1]), ["class_names has the numbers 2, 0, 1,"]),
    "empty label": (with_array("train_labels", ["a", "b", ""] * 10), ["train_labels has an empty text in row 2"]),
    "empty group": (with_array("train_groups", [" "] * 30), ["train_groups has an empty text in row 0"]),
    "label below 0": (
        by_labels(validation_labels=[-1], validation_embeddings=np.zeros((1, 4))),
        ["validation_labels has labels from -1 to -1; expected 0 to 2, as the largest label is 2"],
    ),
    "labels without embeddings": (
        by_labels(validation_labels=[1, 1], validation_embeddings=np.zeros((1, 4))),
        ["validation_labels has 2 rows; expected 1, as validation_embeddings has"],
    ),
    "image ndim": (with_array("train_images", np.zeros((30, 5), np.uint8)), ["train_images", "(30, 5)"]),
    "image channels": (with_array("test_images", np.zeros((9, 5, 5, 2), np.uint8)), ["test_images", "1 or 3"]),
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
        load(path, {**arrays_of("train", 5, 0, c=1), **arrays_of("test", 5, 0, c=1)})


def test_an_empty_archive_lists_all_that_is_missing(path):
    with pytest.raises(DatasetError, match=r"lacks train_embeddings, .*test_labels; it has no arrays"):
        load(path, {})


def member(header, tail=b""):
    """Return the bytes of an .npy file with this line as its header."""
    line = header.encode("latin1", "replace") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + tail


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a,b\n1,2\n",
        b"PK\x03\x04",
        b"\x80\x04N.",
        member("{'descr': '|u1', 'fortran_order': False, 'shape': ()}", b"1"),
    ],
)
def test_other_files_and_a_single_npy_are_not_npz(path, content):
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"mine\.npz is not an \.npz file"):
        ARRAYS.load(str(path), silent)


PROMISING = member("{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999999999,), }")


@pytest.mark.parametrize("content", [b"not an array", PROMISING])
def test_members_that_are_no_arrays_or_promise_too_much(path, good, content):
    np.savez(path, **{key: value for key, value in good.items() if key != "test_labels"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("test_labels.npy", content)
    with pytest.raises(DatasetError, match="test_labels"):
        ARRAYS.load(str(path), silent)


@pytest.fixture
def all_large(monkeypatch, tmp_path):
    """Take every array for one that is too large to be read."""
    monkeypatch.setattr(mapped, "LARGE", 1)
    monkeypatch.setenv("RESMEM_CACHE", str(tmp_path / "cache"))


def saved(path, kind, arrays):
    """Save arrays in one of the ways there are, and return where."""
    if kind in ("folder", "by columns"):
        path.mkdir()
        for key, array in arrays.items():
            (path / f"._{key}.npy").write_bytes(b"left there by a system")
            np.save(path / f"{key}.npy", np.asfortranarray(array) if kind == "by columns" else array)
    elif kind == "compressed":
        np.savez_compressed(path, **arrays)
    else:  # an odd number of bytes first, so that no array begins where the machine can address it
        np.savez(path, **({"x": np.zeros(3, np.uint8)} if kind == "shifted" else {}), **arrays)
    return path


KINDS = ("folder", "by columns", "compressed", "stored", "shifted")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, ">f4"])
def test_what_is_large_is_mapped_and_the_same(path, good, kind, dtype, all_large, monkeypatch):
    arrays = {key: array if key.endswith("labels") else (9 * array).astype(dtype) for key, array in good.items()}
    source = ARRAYS.load(str(saved(path, kind, arrays)), silent)
    monkeypatch.setattr(mapped, "LARGE", 2**30)
    read = ARRAYS.load(str(path), silent)
    for name in ("embeddings", "logits", "labels"):
        for part in ("train", "test"):
            found, expected = getattr(getattr(source, part), name), getattr(getattr(read, part), name)
            assert found.dtype == expected.dtype
            assert type(expected) is np.ndarray
            np.testing.assert_array_equal(found, expected)
            assert isinstance(found, np.memmap)


@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_mapped_down_to_what_is_searched(path, good, kind, all_large, monkeypatch):
    good |= arrays_of("validation", 9, 2)
    saved(path, kind, good)
    store = Store(path.parent / "cache")
    experiment = prepare(ExperimentConfig(dataset=f"arrays:{path}"), store=store)
    assert isinstance(experiment.memory.logits, np.memmap)
    assert isinstance(experiment.base.parts["train"].embeddings, np.memmap)
    assert np.shares_memory(experiment.embeddings("train"), experiment.base.parts["train"].embeddings)
    np.testing.assert_array_equal(experiment.memory.logits, good["train_logits"])
    assert experiment.evaluate(experiment.tune().params).n == 9
    monkeypatch.setattr(mapped, "LARGE", 2**30)
    np.savez(path.parent / "plain.npz", **good)
    assert load_dataset(f"arrays:{path.parent / 'plain.npz'}").fingerprint == experiment.dataset.fingerprint


def test_a_part_that_is_cut_off_leaves_what_is_large_mapped(path, good, all_large):
    train = load_dataset(f"arrays:{saved(path, 'stored', good)}").train
    assert isinstance(train.embeddings, np.memmap)
    rows = [int(name.split()[1]) for name in train.names]
    np.testing.assert_array_equal(train.logits, good["train_logits"][rows])


@pytest.mark.parametrize(("large", "with_bias"), [(False, True), (True, False)])
def test_a_head_answers_as_the_logits_it_gives(tmp_path, large, with_bias, monkeypatch):
    monkeypatch.setattr(mapped, "LARGE", 1 if large else 2**30)
    monkeypatch.setenv("RESMEM_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    arrays = {**arrays_of("train", 300, 0), **arrays_of("validation", 60, 1), **arrays_of("test", 60, 2)}
    for name in ("train", "validation", "test"):
        arrays[f"{name}_logits"] = arrays[f"{name}_embeddings"] @ weights.T + (bias if with_bias else 0)
    head = without_logits(arrays) | {"weights": weights}
    np.savez(tmp_path / "logits.npz", **arrays)
    np.savez(tmp_path / "head.npz", **head, **({"bias": bias} if with_bias else {}))
    by_logits, by_head = (
        prepare(ExperimentConfig(dataset=f"arrays:{tmp_path / name}.npz"), store=Store(tmp_path / "store"))
        for name in ("logits", "head")
    )
    assert by_logits.dataset.fingerprint != by_head.dataset.fingerprint
    assert by_logits.dataset.notes == by_head.dataset.notes == ()
    np.testing.assert_allclose(by_head.memory.table, by_logits.memory.table, rtol=1e-5, atol=1e-5)
    params = by_logits.tune().params
    assert by_head.tune().params == params
    expected, found = by_logits.evaluate(params), by_head.evaluate(params)
    for method, predicted in expected.predictions.items():
        np.testing.assert_array_equal(found.predictions[method], predicted)
    for method, value in expected.perplexity.items():
        assert found.perplexity[method] == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(by_head.explain(5, params).scores, by_logits.explain(5, params).scores, atol=1e-6)


def test_weights_beside_logits_are_what_they_were_nothing_known(path, good):
    source = load(path, {**good, "weights": np.array([{}], dtype=object), "bias": np.zeros(7)})
    assert source.head is None
    assert source.notes[-1] == "unknown arrays were ignored: weights, bias"
    assert load(path, {**without_logits(good), "bias": np.zeros(7)}).notes[-1] == "unknown arrays were ignored: bias"


def test_a_folder_says_when_it_was_changed(tmp_path, good):
    path = saved(tmp_path / "folder", "folder", good)
    before = ARRAYS.stamp(str(path))
    assert ARRAYS.unavailable(str(path)) is None
    np.save(path / "train_labels.npy", good["train_labels"][:2])
    assert ARRAYS.stamp(str(path)) != before
    with pytest.raises(DatasetError, match=r"folder: train_labels has 2 rows; expected 30"):
        ARRAYS.load(str(path), silent)
    (path / "test_logits.npy").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"folder: test_logits cannot be read"):
        ARRAYS.load(str(path), silent)


def test_other_bytes_than_were_stored_are_told_of_mapped_arrays_too(path, good, all_large):
    saved(path, "stored", good)
    content = bytearray(path.read_bytes())
    at = content.index(good["train_logits"].tobytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"train_logits cannot be read \(Bad CRC-32"):
        ARRAYS.load(str(path), silent)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_bytes_never_raise_anything_else(tmp_path, compressed, large, monkeypatch, damaged, data):
    monkeypatch.setattr(mapped, "LARGE", 1 if large else 2**30)
    monkeypatch.setenv("RESMEM_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "mine.npz"
    save = np.savez_compressed if compressed else np.savez
    save(path, **arrays_of("train", 12, 0), **arrays_of("test", 6, 1))
    path.write_bytes(damaged(data, path.read_bytes()))
    with suppress(DatasetError):  # anything else fails the test
        assert len(ARRAYS.load(str(path), silent).train) == 12


@given(header=st.text(max_size=80), tail=st.binary(max_size=40))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_odd_array_headers_never_raise_anything_else(tmp_path, header, tail):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays_of("train", 3, 0))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("test_labels.npy", member(header, tail))
    with pytest.raises(DatasetError, match=r"mine\.npz"):
        ARRAYS.load(str(path), silent)


@pytest.fixture
def values(good):
    """Return arrays whose labels are values, with what a model predicts of them."""
    rng = np.random.default_rng(1)
    given = {key: array for key, array in good.items() if key.endswith("_embeddings")}
    for part in {key.partition("_")[0] for key in given}:
        n = len(given[f"{part}_embeddings"])
        given |= {f"{part}_labels": rng.normal(100, 9, n), f"{part}_predictions": rng.normal(100, 9, n)}
    return given


def test_fractions_are_values_with_what_is_predicted_of_them(path, values):
    source = load(path, values)
    assert source.class_names == ()
    np.testing.assert_array_equal(source.train.labels, values["train_labels"])
    np.testing.assert_array_equal(source.test.logits, values["test_predictions"][:, None])
    whole = {**values, "train_labels": np.arange(len(values["train_labels"]))[:, None]}
    np.testing.assert_array_equal(load(path, whole).train.labels, whole["train_labels"][:, 0])  # the others have some


def test_whole_numbers_are_values_where_that_is_said(path, values):
    values = {key: array.round() if key.endswith("labels") else array for key, array in values.items()}
    assert load(path, values).class_names  # the predictions are not used, then
    np.savez(path, **values)
    source = ARRAYS.load(f"{path}?task=values", silent)
    assert source.class_names == ()
    assert source.train.labels.dtype == np.float64
    with pytest.raises(InvalidParameterError, match="task='numbers' must be one of: classes, values"):
        ARRAYS.load(f"{path}?task=numbers", silent)


@pytest.mark.parametrize("shape", [(4,), (1, 4)])
def test_a_layer_of_one_row_predicts_values(path, values, shape):
    weights = np.arange(4.0)
    given = {key: array for key, array in values.items() if "predictions" not in key}
    source = load(path, {**given, "weights": weights.reshape(shape), "bias": np.float64(100)})
    assert source.head.weights.tolist() == [weights.tolist()]
    assert source.head.bias.tolist() == [100]
    assert source.train.logits is None
    assert load(path, given).notes[0].startswith("there are no predictions, so the base model is a ridge regression")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"train_labels": np.full(30, np.inf)}, r"train_labels has inf in row 0; expected finite numbers"),
        ({"train_labels": np.full((30, 2), 0.5)}, r"float64 of shape \(30, 2\); expected numbers of shape \(N,\)"),
        ({"train_labels": np.full(30, "a")}, "expected numbers"),
        ({"test_predictions": np.ones((9, 2))}, r"test_predictions has float64 of shape \(9, 2\)"),
        ({"test_predictions": None}, "lacks test_predictions"),
        ({"test_logits": np.ones((9, 1))}, "test_logits; expected train_predictions"),
        ({"class_names": np.array(["a", "b"])}, "class_names; expected none, as values are predicted"),
        ({"weights": np.ones((2, 4))}, "weights .*expected one row"),
    ],
)
def test_what_is_wrong_with_values_is_said(path, values, change, said):
    given = {key: array for key, array in {**values, **change}.items() if array is not None}
    np.savez(path, **given)
    with pytest.raises(DatasetError, match=said):
        ARRAYS.load(f"{path}?task=values", silent)


def test_values_with_logits_are_no_classes_and_no_values(path, good):
    with pytest.raises(DatasetError, match="train_labels has fractions; expected classes, as there is train_logits"):
        load(path, {**good, "train_labels": good["train_labels"] + 0.5})
