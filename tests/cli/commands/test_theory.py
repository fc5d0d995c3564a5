"""The `theory` command."""

import json

import pytest

from resmem_core.teaching.theory import simulate_theory


def test_one_object_with_what_is_promised(run):
    _, out, err = run("theory", "--n=1000,100", "--d=3", "--L=0.4", "--seeds=4", "--json")
    found = json.loads(out)
    assert "Simulating" in err
    assert found["base_risk_limit"] == pytest.approx(0.6**2 * 3 / 5)
    assert found["resmem_slope_limit"] == pytest.approx(-2 / 3)
    assert abs(found["resmem_slope"] - found["resmem_slope_expected"]) < 5 * found["resmem_slope_se"]
    assert [row["n"] for row in found["per_n"]] == [100, 1000]
    risks = simulate_theory(3, (100, 1000), 4).at(0.4)
    assert [row["base_risk"] for row in found["per_n"]] == pytest.approx(risks.base.mean(axis=1))
    assert [row["resmem_risk"] for row in found["per_n"]] == pytest.approx(risks.resmem.mean(axis=1))
    sds = risks.resmem.std(axis=1, ddof=1)
    assert [row["resmem_risk_se"] for row in found["per_n"]] == pytest.approx(sds / 2)
    assert all(row["base_risk_se"] > 0 for row in found["per_n"])


def test_what_one_size_and_one_seed_cannot_tell_is_null(printed):
    found = printed("theory", "--n=100", "--seeds=1")
    for name in ("resmem_slope", "resmem_slope_se", "resmem_slope_expected"):
        assert found[name] is None
    assert found["per_n"][0]["base_risk_se"] is found["per_n"][0]["resmem_risk_se"] is None


def test_a_table_for_people(told):
    out = told("theory", "--n=50,100", "--seeds=3")
    assert "d = 4, L = 0.5, means over 3 training sets" in out
    assert "-2/d = -0.500" in out
    assert [line.split()[0] for line in out.splitlines()[2:4]] == ["50", "100"]
    assert "takes at least two sample sizes" in told("theory", "--n=50", "--seeds=1")
