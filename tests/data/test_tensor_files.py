"""`arrays:` on what torch.save writes: tensors of every kind are read, and nothing else is opened."""

from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resmem_core.common import mapped
from resmem_core.common.errors import DatasetError
from resmem_core.common.progress import silent
from resmem_core.data import DATASETS
from tests.data.made import Trap, arrays_of

ARRAYS = DATASETS.get("arrays")
GOOD = {**arrays_of("train", 30, 0), **arrays_of("test", 9, 1), **arrays_of("validation", 6, 2)}
TENSORS = {key: torch.from_numpy(array) for key, array in GOOD.items()}


@pytest.fixture(params=[".pt", ".pth"])
def path(request, tmp_path):
    return tmp_path / f"mine{request.param}"


def load(path, content, **options):
    torch.save(content, path, **options)
    return ARRAYS.load(str(path), silent)


def same(source, tolerance=0.0):
    for part in ("train", "validation", "test"):
        examples = getattr(source, part)
        np.testing.assert_array_equal(examples.labels, GOOD[f"{part}_labels"])
        for name in ("embeddings", "logits"):
            np.testing.assert_allclose(getattr(examples, name), GOOD[f"{part}_{name}"], rtol=tolerance)
    return True


@pytest.mark.parametrize("zipped", [True, False])
def test_a_dict_of_tensors(path, zipped):
    assert same(load(path, TENSORS, _use_new_zipfile_serialization=zipped))


@pytest.mark.parametrize(
    ("changed", "tolerance"),
    [
        (lambda x: x.bfloat16(), 0.01),
        (lambda x: x.half(), 0.001),
        (lambda x: x.double(), 0.0),
        (lambda x: x.to_sparse(), 0.0),
        (lambda x: x.to_sparse_csr(), 0.0),
        (lambda x: torch.nn.Parameter(x), 0.0),
        (lambda x: x.T.contiguous().T, 0.0),
    ],
)
def test_tensors_of_every_kind(path, changed, tolerance):
    of_floats = {key: changed(x) if x.is_floating_point() else x for key, x in TENSORS.items()}
    assert same(load(path, of_floats), tolerance)


def test_a_dict_for_each_part_and_lists_of_text(path):
    parts = ("train", "validation", "test")
    by_part = {part: {name: TENSORS[f"{part}_{name}"] for name in ("embeddings", "logits", "labels")} for part in parts}
    by_part["test"]["names"] = [f"picture {row}" for row in range(9)]
    source = load(path, {**by_part, "class_names": ["a", "b", "c"], "epoch": 3, "options": [1, "x"]})
    assert same(source)
    assert source.class_names == ("a", "b", "c")
    assert source.test.names[2] == "picture 2"
    assert source.notes == ("unknown arrays were ignored: epoch, options",)


def test_large_tensors_stay_mapped(path, monkeypatch):
    monkeypatch.setattr(mapped, "LARGE", 100)
    source = load(path, TENSORS)
    assert same(source)
    assert isinstance(source.train.embeddings, np.memmap)
    assert isinstance(source.train.take(np.arange(3)).embeddings, np.ndarray)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_is_unpickled(path, tmp_path, zipped):
    trap = tmp_path / "sprung"
    with pytest.raises(DatasetError, match=r"cannot be read as tensors alone: Unsupported global"):
        load(path, {**TENSORS, "more": Trap(trap)}, _use_new_zipfile_serialization=zipped)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"train_embeddings": GOOD["train_embeddings"]}, r"Unsupported global: GLOBAL numpy.*with torch\.from_numpy"),
        (TENSORS["train_embeddings"], r"holds a Tensor of shape \(30, 4\); expected a dict of tensors"),
        ([TENSORS["train_embeddings"]], "holds a list; expected a dict of tensors"),
        ({**TENSORS, "train_labels": "cat"}, "train_labels has a str and no array"),
        ({**TENSORS, "train_labels": ["cat", 1] * 15}, "train_labels has a list and no array"),
        (torch.nn.Linear(2, 2).state_dict(), "lacks train_embeddings, .*; it has weight, bias"),
        ({f"layer{n}.weight": torch.zeros(2) for n in range(99)}, r"layer29\.weight and 69 more"),
    ],
)
def test_what_is_wrong_is_said(path, content, said):
    with pytest.raises(DatasetError, match=f"mine.*{said}"):
        load(path, content)


@pytest.mark.parametrize("content", [b"", b"train_embeddings", b"PK\x03\x04 cut short", b"\x80\x04K\x01."])
def test_other_bytes(path, content):
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="cannot be read as tensors alone"):
        ARRAYS.load(str(path), silent)


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_bytes_never_raise_anything_else(path, damaged, data):
    torch.save(TENSORS, path)
    content = damaged(data, path.read_bytes())
    path.write_bytes(content)
    with suppress(DatasetError):  # anything else fails the test
        ARRAYS.load(str(path), silent)
