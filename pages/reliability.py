"""How far the probabilities can be believed, before and after memory."""

import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.figures import show
from pages._shared.opening import opened
from pages._shared.share import share
from pages._shared.summary import base_scaled, columns
from resmem_core.common.types import NLL_FLOOR
from resmem_core.evaluation.metrics import ECE_BINS, reliability
from resmem_core.plots.common import NAMES
from resmem_core.plots.reliability import reliability_diagram

PAGE = {"title": "Reliability", "icon": ":material/balance:", "section": "Where it gains", "place": 4}
MEANINGS = {
    "nll": (
        "NLL (nats)",
        f"Negative log-likelihood of the true class; probabilities below {NLL_FLOOR:g} count as that.",
    ),
    "brier": ("Brier score", "Mean squared distance between the probabilities and the one-hot label, 0 to 2."),
    "ece": (
        "ECE",
        f"Expected calibration error: mean gap of accuracy and confidence over {ECE_BINS} bins, 0 to 1.",
    ),
}

experiment, params = opened()
st.caption(
    "Where a model is as often right as it says it is, the points lie on the diagonal: below it it is overconfident, "
    "above it underconfident."
)
result = cache.evaluation(experiment.config, params)
intervals = result.calibration_change_ci95

with st.container(horizontal=True):
    for name, (label, meaning) in MEANINGS.items():
        before, after = (getattr(result.calibration[method], name) for method in ("base", "resmem"))
        low, high = intervals[name]
        st.metric(
            label,
            f"{before:.3f} → {after:.3f}",
            f"{after - before:+.4f} ({low:+.4f} to {high:+.4f})",
            delta_color="off" if low <= 0 <= high else "inverse",
            help=f"{meaning} Lower is better. Before → after memory; grey where the interval holds 0.",
            border=True,
            width=234,
        )
st.caption(
    f"Base, at temperature 1, → ResMem on {result.n:,} test points. In brackets: 95 % paired interval of the "
    f"change, {result.scope}. Chance gaps in the bins add to every ECE, most where calibration is good "
    f"and points are few, so a change between good and bad calibration is understated. {base_scaled(result)}"
)

by_method = {method: reliability(result.confidence[method]) for method in ("base", "resmem")}
show(
    reliability_diagram(by_method),
    "reliability",
    "Reliability diagram: accuracy against confidence for base and ResMem, with the number of test points in each bin.",
)
st.caption(
    f"{ECE_BINS} bins of equal width, those of the ECE; empty ones are left out. Whiskers: Wilson 95 % interval of the "
    "accuracy, wide where a bin holds few points. Beneath: test points in each bin."
)

st.header("What ResMem's probabilities are")
floored = {method: int((of.own < NLL_FLOOR).sum()) for method, of in result.confidence.items()}
st.markdown(
    "ResMem's scores are base probabilities plus weighted residuals. They sum to 1, but single ones can fall below 0 "
    "or rise above 1, so they are no probabilities. For this page they are **projected onto the probability simplex**: "
    "each point's scores are replaced by the nearest probability vector in Euclidean distance. That lowers them all by "
    "the same amount and cuts off what falls below 0: what memory speaks against can get exactly 0. So they are mixed "
    f"with {result.smoothing:.3g} of the base's own probabilities at temperature 1, a share chosen on validation by "
    "NLL; the class predicted is that of the largest score. In the NLL a probability below "
    f"{NLL_FLOOR:g} counts as that: with ResMem for **{floored['resmem']:,}** of {result.n:,} test points, with base "
    f"for {floored['base']:,}."
)

with st.expander("The bins as a table"):
    st.dataframe(
        pd.DataFrame(
            [
                {"method": NAMES[method], "from": b.low, "to": b.high, "test points": b.n,
                 "mean confidence": b.confidence, "accuracy": b.accuracy, "accuracy, low": b.accuracy_ci95[0],
                 "accuracy, high": b.accuracy_ci95[1], "gap": b.accuracy - b.confidence}
                for method, bins in by_method.items()
                for b in bins
            ]
        ),
        hide_index=True,
        column_config=columns("percent", "mean confidence", "accuracy", "accuracy, low", "accuracy, high", "gap"),
    )  # fmt: skip
share("evaluate", params)
