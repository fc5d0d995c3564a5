"""Validation of numbers, and the small structures."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.types import check_k, check_positive
from resmem_core.data.types import Examples
from resmem_core.memory.types import Neighbors, Params, Queries
from resmem_core.models.types import HeadLogits, OutputLayer

BAD_NUMBERS = [0, -1, -0.0, math.nan, math.inf, -math.inf, 10**400, True, "1", None, [1], 1j, np.array([1.0])]


@pytest.mark.parametrize("value", [1, 0.5, 5e-324, 1e308, np.float32(0.25), np.int64(3), Fraction(1, 3)], ids=repr)
def test_positive_numbers_become_floats(value):
    found = check_positive("sigma", value)
    assert type(found) is float
    assert found == float(value)


@pytest.mark.parametrize("value", BAD_NUMBERS, ids=lambda v: repr(v)[:20])
def test_other_numbers_are_refused(value):
    with pytest.raises(InvalidParameterError, match=r"^sigma=.* must be a finite number above 0") as raised:
        check_positive("sigma", value)
    assert repr(value) in str(raised.value)


def test_k_must_be_whole_and_within_memory():
    for value in (0, -3, 1.0, 2.5, math.nan, "3", None, True, np.float32(2)):
        with pytest.raises(InvalidParameterError, match=re.escape(f"k={value!r} must be a whole number of at least 1")):
            check_k(value)
    assert check_k(5, 5) == check_k(np.int32(5)) == 5
    assert type(check_k(np.int32(5))) is int
    with pytest.raises(InvalidParameterError, match="k=6 cannot exceed the number of points in memory, 5"):
        check_k(6, 5)


class TestParams:
    def test_are_plain_numbers(self):
        params = Params(np.int64(3), np.float32(0.5), 2)
        assert params == Params(3, 0.5, 2.0)
        assert [type(v) for v in (params.k, params.sigma, params.temperature)] == [int, float, float]
        assert hash(params) == hash(Params(3, 0.5, 2.0))

    @pytest.mark.parametrize(
        ("values", "named"), [((0, 1, 1), "k=0"), ((1, 0, 1), "sigma=0"), ((1, 1, -1), "temperature=-1")]
    )
    def test_name_what_is_wrong(self, values, named):
        with pytest.raises(InvalidParameterError, match=named):
            Params(*values)


class TestNeighbors:
    found = Neighbors(np.arange(6.0).reshape(2, 3), np.arange(6).reshape(2, 3))

    def test_first(self):
        assert (self.found.k, self.found.first(3).k) == (3, 3)
        nearest = self.found.first(1)
        assert nearest.distances.tolist() == [[0.0], [3.0]]
        assert nearest.indices.tolist() == [[0], [3]]
        for k in (0, 4, 1.5, None):
            with pytest.raises(InvalidParameterError, match=f"k={k}"):
                self.found.first(k)

    @pytest.mark.parametrize(("d", "i"), [((2, 3), (2, 2)), ((3,), (3,)), ((2, 3, 1), (2, 3, 1)), ((2, 3), (3, 2))])
    def test_shapes_must_agree(self, d, i):
        with pytest.raises(InvalidParameterError) as raised:
            Neighbors(np.zeros(d), np.zeros(i, np.int64))
        assert str(d) in str(raised.value)
        assert str(i) in str(raised.value)


class TestExamples:
    whole = Examples(
        np.array([0, 1, 2]),
        images=np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1),
        embeddings=np.arange(6.0).reshape(3, 2),
        logits=np.arange(9.0).reshape(3, 3),
        names=np.array(["a", "b", "c"]),
    )

    def test_take(self):
        taken = self.whole.take(np.array([2, 0]))
        assert len(taken) == 2
        assert taken.labels.tolist() == [2, 0]
        assert taken.images.ravel().tolist() == [2, 0]
        assert taken.embeddings.tolist() == [[4, 5], [0, 1]]
        assert taken.logits[0].tolist() == [6, 7, 8]
        assert taken.names.tolist() == ["c", "a"]
        taken = Examples(np.array([0, 1])).take(np.array([1]))
        assert (taken.labels.tolist(), taken.images, taken.names) == ([1], None, None)

    @pytest.mark.parametrize("name", ["images", "embeddings", "logits", "names"])
    def test_lengths_must_agree(self, name):
        with pytest.raises(DatasetError, match=f"2 {name} do not match 3 labels"):
            Examples(np.zeros(3, np.int64), **{name: np.zeros((2, 1))})


@pytest.mark.parametrize("rows", [np.array([2, 0]), slice(1, 3)])
@pytest.mark.parametrize("of_head", [False, True])
def test_taken_queries_keep_everything_together(rows, of_head):
    numbers = np.arange(4)
    table = np.stack([numbers, -numbers], 1).astype(np.float32)
    logits = HeadLogits(table[:, :1], OutputLayer(np.array([[1], [-1]], np.float32))) if of_head else table
    near = Neighbors(numbers[:, None].astype(np.float32), numbers[:, None])
    queries = Queries(logits, numbers, near, 10 * numbers)
    taken, expected = queries.take(rows), numbers[rows]
    assert (len(queries), len(taken)) == (4, 2)
    assert isinstance(taken.logits, HeadLogits) == of_head
    assert np.array_equal(taken.table, table[rows])
    assert np.array_equal(taken.labels, expected)
    assert np.array_equal(taken.groups, 10 * expected)
    assert np.array_equal(taken.neighbors.distances[:, 0], expected)
    assert np.array_equal(taken.neighbors.indices[:, 0], expected)
