"""The theory page's form, code and words, and whether the checks find a wrong formula."""

import contextlib
import io
import math
from dataclasses import replace

import pytest

from resmem_core import simulate_theory
from resmem_core.common.errors import InvalidParameterError, ResMemError
from resmem_core.teaching.risks import Estimate, draw_sample, n_for_share
from resmem_core.teaching.theory import Check, Theory, by_dimension, checks, crossing_in_words, reached, slope_in_words


def test_all_checks_agree_and_a_wrong_formula_is_found_out(simulated):
    found = checks(simulated[4].at(0.5))
    assert set(found) == {"length", "excess", "resmem", "gap", "slope"}
    for check in found.values():
        assert check.off < 4
        wrong = replace(check, formula=2 * check.formula)
        assert wrong.off > 2
        assert wrong.verdict.startswith("off by")


def test_verdicts():
    assert Check("x", 1.0, Estimate(1.1, 0.1)).verdict == "agree within two standard errors (1.0)"
    assert Check("x", 1.0, Estimate(1.3, 0.1)).verdict == "off by 3.0 standard errors, 30.00% of the value"
    assert Check("x", 0.0, Estimate(0.3, 0.1)).verdict == "off by 3.0 standard errors"
    assert Check("x", 1.0, Estimate(1.3, None)).off is None
    assert "one training set" in Check("x", 1.0, Estimate(1.3, None)).verdict
    assert Check("x", 0.0, Estimate(1e-17, 1e-18)).off == 0  # equal but for rounding


def test_one_size_has_no_slope_and_one_seed_no_error():
    risks = simulate_theory(2, [50], 1).at(0.5)
    assert risks.slope is None
    assert risks.slope_expected is None
    assert "slope" not in checks(risks)
    assert "at least two" in slope_in_words(risks)
    assert "shallower" in slope_in_words(simulate_theory(1, [1, 4], 2).at(0.5))
    assert "as good as the same" in slope_in_words(simulate_theory(1, (100, 1000), 2).at(0.5))  # needs no reason
    risks = simulate_theory(2, [50, 100], 1).at(0.5)
    assert "steeper" in slope_in_words(risks)
    assert risks.slope.se is None
    assert "standard error" not in slope_in_words(risks)
    assert risks.as_dict()["per_n"][0]["base_risk_se"] is None


def test_the_dimensions_beside_each_other(simulated):
    risks = [simulated[d].at(0.5) for d in (1, 2, 9)]
    rows = by_dimension(risks)
    assert [row["d"] for row in rows] == [1, 2, 9]
    assert [row["halving_theory"] for row in rows] == pytest.approx([math.sqrt(2), 2, 2**4.5])
    assert rows[1]["halving"] == pytest.approx(2, rel=0.05)
    assert rows[1]["tenth"] is None  # fewer than the 200 points that were simulated
    assert rows[2]["tenth"] is None  # more than the 3,200
    quarter = reached(risks[2], 0.25)
    assert quarter == pytest.approx(n_for_share(9, 0.25), rel=0.1)


# ---- the form, the code, and what cannot be ----


def test_the_form_goes_through_its_address():
    form = Theory(d=7, L=0.25, n="50,100", seeds=3, view="parts")
    assert Theory.from_query(form.to_query()) == (form, [])
    assert Theory().to_query() == {}
    assert Theory.from_query({"n": "1000, 10,100,10"})[0].sizes == (10, 100, 1000)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"d": "65"}, "'65' is not a whole number from 1 to 64"),
        ({"L": "1"}, "'1' is not a number from 0 to 0.99"),
        ({"L": "nan"}, "'nan'"),
        ({"n": "10,many"}, "'many'"),
        ({"n": "100001"}, "100000"),
        ({"n": ",".join(map(str, range(1, 18)))}, "17 sample sizes; at most 16"),
        ({"seeds": "101"}, "from 1 to 100"),
        ({"view": "all"}, "risk, parts, dimension"),
    ],
)
def test_what_cannot_be_is_told(query, says):
    form, notes = Theory.from_query(query)
    assert form == Theory()
    assert says in notes[0]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"d": 0}, "d: '0'"), ({"d": 2.5}, "d: '2.5'"), ({"n": []}, "n: ''"), ({"n": [0]}, "n: '0'"), ({"seeds": 0}, "s")],
)
def test_the_function_refuses_what_the_form_does(wrong, says):
    with pytest.raises(InvalidParameterError, match=f"^{says}"):
        simulate_theory(**wrong)
    with pytest.raises(ResMemError, match="L: '1'"):
        simulate_theory(1, [10], 1).at(1)


def test_progress_counts_the_training_sets_and_can_stop_them():
    steps = []
    simulate_theory(2, [10, 20], 3, progress=steps.append)
    assert [step.done for step in steps] == list(range(7))
    assert {step.total for step in steps} == {6}

    def stop(step):
        if step.done == 2:
            raise KeyboardInterrupt

    drawn = []
    with pytest.raises(KeyboardInterrupt):
        simulate_theory(2, [10, 20], 3, progress=stop, draw=lambda *key: drawn.append(key) or draw_sample(*key))
    assert drawn == [(2, 10, 0), (2, 10, 1)]


@pytest.mark.parametrize(
    "form", [Theory(seeds=3, n="50,400"), Theory(d=2, L=0.0, n="100", seeds=1), Theory(9, 0.9, "1000")]
)
def test_the_code_shown_gives_the_numbers(form):
    form = replace(form, seeds=min(form.seeds, 3))
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(form.code(), {})
    first, *rows = said.getvalue().splitlines()
    risks = simulate_theory(form.d, form.sizes, form.seeds).at(form.L)
    assert first == f"limit of the base risk: {risks.base_limit}  slope of ResMem: {risks.slope}"
    for row, n, base, resmem in zip(rows, risks.n, risks.base, risks.resmem, strict=False):
        assert [float(part) for part in row.split()] == pytest.approx([n, base.mean(), resmem.mean()])
    assert len(rows) == len(risks.n) + (form.L > 0)
    if form.L > 0:  # the estimators: other points, and a penalty that stands for the bound as n grows
        assert float(rows[-1].split()[-1]) == pytest.approx(risks.expected_resmem(risks.n[-1]), rel=0.3)


@pytest.mark.parametrize(
    ("d", "n", "says"),
    [(4, (100, 200), "memory helps."), (64, (100, 200), "hurts**: the nearest"), (16, (10, 200), "Below about n = 3")],
)
def test_says_where_memory_helps(d, n, says):
    risks = simulate_theory(d, n, 2).at(0.5)
    assert says in crossing_in_words(risks)
    assert (risks.ratio.mean(axis=1) < 1).all() == ("memory helps." in crossing_in_words(risks))
