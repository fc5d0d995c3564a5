"""Risks against n: what is drawn is what was simulated, and what theory gives."""

import numpy as np
import pytest

from resmem_core.plots.theory import parts_of_risk, risk_by_dimension, risks_against_n
from resmem_core.teaching.risks import Estimate
from resmem_core.teaching.theory import simulate_theory


@pytest.fixture(scope="module", params=[((50, 200, 800), 4), ((50,), 1)], ids=["three sizes", "one of one seed"])
def risks(request):
    sizes, seeds = request.param
    return simulate_theory(3, sizes, seeds).at(0.4)


def test_risks_against_n(assert_drawable, risks):
    found = assert_drawable(risks_against_n(risks))
    traces = {trace["name"]: trace for trace in found["data"] if "name" in trace}
    assert traces["Base"]["y"] == pytest.approx(risks.base.mean(axis=1))
    assert traces["ResMem"]["y"] == pytest.approx(risks.resmem.mean(axis=1))
    assert set(traces["Limit of base"]["y"]) == {risks.base_limit}
    assert traces["ResMem, theory at this n"]["y"][0] == pytest.approx(risks.expected_resmem(50))
    grown = traces["ResMem, theory as n grows"]
    if len(risks.n) > 1:
        assert np.polyfit(np.log(grown["x"]), np.log(grown["y"]), 1)[0] == pytest.approx(-2 / 3)
    assert found["layout"]["xaxis"]["type"] == found["layout"]["yaxis"]["type"] == "log"


def test_the_band_is_two_standard_errors_to_either_side_and_the_parts_multiply(assert_drawable, risks):
    band = assert_drawable(risks_against_n(risks))["data"][2]
    found = Estimate.of(risks.resmem[0])
    high, low = band["y"][0], band["y"][-1]
    assert np.sqrt(high * low) == pytest.approx(found.mean)
    assert np.log(high / low) == pytest.approx(4 * (found.se or 0) / found.mean)
    miss, near, product = (t for t in assert_drawable(parts_of_risk(risks))["data"] if t["mode"] == "markers")
    np.testing.assert_allclose(np.array(miss["y"]) * near["y"], product["y"], rtol=0.05)
    assert product["y"] == pytest.approx(risks.resmem.mean(axis=1))


def test_dimensions(assert_drawable, risks):
    several = [simulate_theory(1, risks.n, risks.seeds).at(0.4), risks]
    found = assert_drawable(risk_by_dimension(several, 3))["data"]
    lines = [trace for trace in found if trace["mode"] == "lines+text"]
    assert [line["text"][-1].strip() for line in lines] == ["d = 1", "d = 3"]
    assert lines[1]["line"]["width"] > lines[0]["line"]["width"]
    points = [trace for trace in found if trace["mode"] == "markers"]
    assert points[1]["y"] == pytest.approx(risks.ratio.mean(axis=1))
    assert found[-1]["y"] == [1, 1]
