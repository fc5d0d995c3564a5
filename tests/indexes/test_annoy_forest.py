import json

import numpy as np
import pytest

from resmem_core.errors import InvalidParameterError, StoreError
from resmem_core.indexes.annoy_forest import AnnoyForest


@pytest.fixture
def memory():
    return np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)


@pytest.fixture
def saved(memory, tmp_path):
    AnnoyForest.build(memory, seed=5, n_trees=10, search_k=80).save(tmp_path)
    return tmp_path


def test_manifest(saved, memory):
    manifest = json.loads((saved / "index.json").read_text())
    assert manifest | {"dimension": 8, "metric": "euclidean", "n_points": 300} == manifest
    assert manifest | {"seed": 5, "n_trees": 10, "search_k": 80} == manifest
    assert manifest["bytes"] == (saved / "index.ann").stat().st_size


def test_same_seed_same_bytes(memory, saved, tmp_path):
    again, other = tmp_path / "again", tmp_path / "other"
    again.mkdir()
    other.mkdir()
    AnnoyForest.build(memory, seed=5, n_trees=10).save(again)
    AnnoyForest.build(memory, seed=6, n_trees=10).save(other)
    content = (saved / "index.ann").read_bytes()
    assert (again / "index.ann").read_bytes() == content
    assert (other / "index.ann").read_bytes() != content


def test_options_survive_saving(saved, memory):
    queries = memory + np.float32(0.3)
    loaded = AnnoyForest.load(saved, memory).search(queries, 10)
    built = AnnoyForest.build(memory, seed=5, n_trees=10, search_k=80).search(queries, 10)
    np.testing.assert_array_equal(loaded.indices, built.indices)
    default = AnnoyForest.build(memory, seed=5).search(queries, 10)
    assert (loaded.indices != default.indices).any()


def test_fewer_trees_find_fewer(memory):
    queries = np.random.default_rng(1).normal(size=(100, 8))
    many, few = (AnnoyForest.build(memory, n_trees=n).search(queries, 10).distances.sum(dtype=float) for n in (50, 1))
    assert few > many


@pytest.mark.parametrize("rows", [299, 301])
def test_other_number_of_points(saved, memory, rows):
    with pytest.raises(StoreError, match=f"other embeddings .*n_points is 300, theirs is {rows}"):
        AnnoyForest.load(saved, np.resize(memory, (rows, 8)))


def test_other_dimension(saved, memory):
    with pytest.raises(StoreError, match="dimension is 8, theirs is 4"):
        AnnoyForest.load(saved, memory[:, :4])


def test_other_content(saved, memory):
    with pytest.raises(StoreError, match="belongs to other embeddings"):
        AnnoyForest.load(saved, memory[::-1])


def cut_short(file):
    file.write_bytes(file.read_bytes()[:-100])


def noise(file):
    file.write_bytes(np.random.default_rng(0).bytes(file.stat().st_size))


def one_bit(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def empty(file):
    file.write_bytes(b"")


def missing(file):
    file.unlink()


@pytest.mark.parametrize("damage", [cut_short, noise, one_bit, empty, missing])
@pytest.mark.parametrize("name", ["index.ann", "index.json"])
def test_damage_is_noticed(saved, memory, name, damage):
    damage(saved / name)
    with pytest.raises(StoreError, match="build it anew"):
        AnnoyForest.load(saved, memory)


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"seed": "x"}'])
def test_manifest_of_another_kind(saved, memory, content):
    (saved / "index.json").write_text(content)
    with pytest.raises(StoreError, match="damaged"):
        AnnoyForest.load(saved, memory)


def test_never_fewer_than_k(memory, monkeypatch):
    monkeypatch.delattr("resmem_core.indexes.annoy_forest.ExactIndex")  # the forest alone is enough here
    index = AnnoyForest.build(memory, n_trees=1, search_k=1)
    assert len(index._forest.get_nns_by_vector([0.0] * 8, 50, 1)) < 50  # Annoy alone stops early
    found = index.search(np.zeros((3, 8)), 50)
    assert all(len(set(row)) == 50 for row in found.indices.tolist())


def test_exact_search_steps_in_where_the_forest_fails(memory):
    class Barren:
        def get_nns_by_vector(self, vector, n, search_k):
            return [0] if vector[0] > 0 else list(range(n))

    index = AnnoyForest(memory, forest=Barren())
    queries = np.zeros((2, 8), dtype=np.float32)
    queries[0, 0] = 1
    found = index.search(queries, 5)
    distances = np.linalg.norm(memory - queries[0], axis=1)
    np.testing.assert_array_equal(found.indices[0], np.argsort(distances)[:5])
    assert set(found.indices[1]) == set(range(5))


@pytest.mark.parametrize(
    ("option", "value"), [("n_trees", 0), ("n_trees", 2.5), ("search_k", 0), ("seed", -1), ("n_trees", True)]
)
def test_impossible_options(memory, option, value):
    with pytest.raises(InvalidParameterError, match=f"{option}={value!r} must be a whole number"):
        AnnoyForest.build(memory, **{option: value})
