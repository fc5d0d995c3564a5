"""What arrays may be called: parts first or last, none at all, and a split of their own."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

from resmem_core.common.errors import DatasetError
from resmem_core.common.progress import silent
from resmem_core.data import DATASETS, load_dataset
from resmem_core.data.given_parts import CUT_BY_SEED

ARRAYS = DATASETS.get("arrays")
X, Y = load_iris(return_X_y=True)
WRITERS = {
    "npz": lambda path, arrays: np.savez(path, **arrays),
    "pt": lambda path, arrays: torch.save({key: torch.from_numpy(x) for key, x in arrays.items()}, path),
    "safetensors": lambda path, arrays: save_file({key: np.ascontiguousarray(x) for key, x in arrays.items()}, path),
    "folder": lambda path, arrays: [path.mkdir()] + [np.save(path / f"{key}.npy", x) for key, x in arrays.items()],
}


@pytest.fixture(params=WRITERS)
def written(request, tmp_path):
    """Return what writes arrays, and says how they are read."""

    def write(**arrays):
        path = tmp_path / ("mine" if request.param == "folder" else f"mine.{request.param}")
        WRITERS[request.param](path, arrays)
        return f"arrays:{path}"

    return write


def read(spec):
    return ARRAYS.load(spec.removeprefix("arrays:"), silent)


@pytest.mark.parametrize(
    ("embeddings", "labels"), [("embeddings", "labels"), ("X", "y"), ("features", "Target"), ("Z", "y")]
)
def test_a_pair_without_parts_is_cut_by_the_seed(written, embeddings, labels):
    spec = written(**{embeddings: X, labels: Y})
    one, other = (load_dataset(spec, seed=seed) for seed in (0, 1))
    for part, n in (("train", 90), ("validation", 30), ("test", 30)):
        examples = getattr(one, part)
        rows = [int(name.removeprefix("row ")) for name in examples.names]
        np.testing.assert_array_equal(examples.embeddings, X[rows])
        np.testing.assert_array_equal(examples.labels, Y[rows])
        assert np.bincount(examples.labels).tolist() == [n // 3] * 3  # stratified
    assert set(one.test.names) != set(other.test.names)
    assert CUT_BY_SEED not in one.notes


def test_logits_that_were_trained_on_nobody_knows_what_are_told_and_groups_stay_whole(written):
    groups = np.arange(150) % 10
    dataset = load_dataset(written(X=X, y=Y, logits=np.eye(3)[Y] * 2.5, groups=groups))
    assert CUT_BY_SEED in dataset.notes
    found = [{int(name.split()[1]) % 10 for name in getattr(dataset, part).names} for part in ("train", "test")]
    assert not found[0] & found[1]


@pytest.mark.parametrize(
    "keys",
    [
        ("X_train", "y_train", "X_test", "y_test"),
        ("train_X", "train_y", "test_X", "test_y"),
        ("X.train", "y.train", "X.test", "y.test"),
        ("features_train", "labels_train", "test_features", "test_labels"),
    ],
)
def test_the_part_may_stand_first_or_last(written, keys):
    arrays = train_test_split(X, Y, random_state=0)
    given = dict(zip(keys, (arrays[0], arrays[2], arrays[1], arrays[3]), strict=True))
    source = read(written(**given))
    for part, x, y in (("train", arrays[0], arrays[2]), ("test", arrays[1], arrays[3])):
        np.testing.assert_array_equal(getattr(source, part).embeddings, x)
        np.testing.assert_array_equal(getattr(source, part).labels, y)


@pytest.mark.parametrize("suffix", ["npz", "folder"])  # the others hold no text
def test_an_array_of_parts_splits(tmp_path, suffix):
    path = tmp_path / ("mine.npz" if suffix == "npz" else "mine")
    split = np.array(["train", "train", "Val", "test", "train"])[np.arange(150) % 5]
    arrays = {"embeddings": X, "labels": Y, "logits": np.eye(3)[Y] * 2.5, "split": split}
    WRITERS[suffix](path, arrays)
    source = read(f"arrays:{path}")
    for part, places in (("train", [0, 1, 4]), ("validation", [2]), ("test", [3])):
        rows = np.flatnonzero(np.isin(np.arange(150) % 5, places))
        assert getattr(source, part).names.tolist() == [f"row {row}" for row in rows]
        np.testing.assert_array_equal(getattr(source, part).embeddings, X[rows])
    assert source.notes == ()


def pair(**more):
    return {"X": X, "y": Y, **more}


WRONG = {
    "no labels": ({"X": X}, "lacks labels; it has X"),
    "no embeddings": ({"labels": Y}, "lacks train_embeddings, train_labels, test_embeddings"),
    "two that may be embeddings": (pair(Z=X), "X and Z, which mean the same; expected embeddings alone"),
    "both a part and none": (
        pair(X_train=X, y_train=Y, X_test=X, y_test=Y),
        "'y', which looks like data but would not be used",
    ),
    "twice": (
        {"X_train": X, "train_X": X},
        "X_train and train_X, which mean the same; expected train_embeddings alone",
    ),
    "two names for a part": (
        {"X_val": X, "valid_y": Y},
        "keys that begin with val_ and with valid_, which mean the same",
    ),
    "no test labels": ({"X_train": X, "y_train": Y, "X_test": X}, "lacks test_labels; it has"),
    "other lengths": (pair(y=Y[:9]), "y has 9 rows; expected 150, as X has"),
    "not finite": (pair(X=np.full_like(X, np.nan)), "X has NaN or infinity"),
    "strange parts": (pair(split=np.array(["eval"] * 150)), "split has 'eval' in row 0 .*expected one of train, "),
    "no test": (pair(split=np.array(["train"] * 150)), "split has no test; expected train and test there, or no such"),
    "a short split": (pair(split=np.array(["train", "test"])), "split has 2 rows; expected 150, as X has"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_by_the_keys_of_the_file(tmp_path, case):
    arrays, said = WRONG[case]
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(DatasetError, match=rf"mine\.npz:? .*{said}"):
        read(f"arrays:{tmp_path / 'mine.npz'}")


def test_the_usual_name_wins(tmp_path):
    np.savez(tmp_path / "mine.npz", X=X[:, :1], embeddings=X, y=Y)
    source = read(f"arrays:{tmp_path / 'mine.npz'}")
    np.testing.assert_array_equal(source.train.embeddings, X)
    assert source.notes[-1] == "unknown arrays were ignored: X"
