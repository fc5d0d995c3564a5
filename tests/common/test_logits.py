import numpy as np
import pytest

from resmem_core.common import mapped
from resmem_core.common.logits import are_probabilities, logarithms

P = np.random.default_rng(0).dirichlet(np.ones(7), 50)


@pytest.mark.parametrize("p", [P, P.round(3), P.astype(np.float16), 100 * P, np.eye(7), np.eye(7, dtype=int)])
def test_rows_that_sum_to_1_or_to_100_are_probabilities(p):
    assert are_probabilities(p)


@pytest.mark.parametrize("logits", [np.log(P), P - 0.01, 3 * P, P * [[np.nan]], np.vstack([P, [[0.5] * 7]]), P[:0]])
def test_logits_are_not(logits):
    assert not are_probabilities(logits)


def test_logarithms_are_finite_and_keep_their_digits(tmp_path, monkeypatch):
    np.testing.assert_array_equal(logarithms(P), np.log(P))
    for dtype, kept in ((np.float16, np.float32), (int, np.float64)):
        found = logarithms(np.eye(3, dtype=dtype))
        assert found.dtype == kept
        assert np.isfinite(found).all()
    monkeypatch.setattr(mapped, "LARGE", 100)
    monkeypatch.setattr(mapped, "BLOCK", 64)
    monkeypatch.setenv("RESMEM_CACHE", str(tmp_path))
    np.save(tmp_path / "p.npy", P)
    found = logarithms(np.load(tmp_path / "p.npy", mmap_mode="r"))
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, np.log(P))
