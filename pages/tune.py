"""Turn k, sigma and temperature, and see what they do."""

import streamlit as st

from pages._shared import cache
from pages._shared.figures import show
from pages._shared.knobs import knobs, tuned_line
from pages._shared.live import live
from pages._shared.opening import opened
from pages._shared.share import share
from pages._shared.summary import base_scaled, headline_figures, headline_words
from resmem_core.common.types import NLL_FLOOR
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.metrics import ECE_BINS
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.types import Params
from resmem_core.plots.accuracy import accuracy_by_k, method_accuracies

PAGE = {"title": "Tune", "icon": ":material/tune:", "section": "Setting", "place": 1}
MEANING_OF_NLL = f"Negative log-likelihood, nats; probabilities below {NLL_FLOOR:g} count as that."


@st.fragment
def instrument() -> None:
    """Show the knobs and what they do; only this part runs again when one is turned."""
    experiment, params = opened()
    config = experiment.config
    is_live = live(experiment, params)
    if not is_live:
        knobs(st.columns(3), experiment, params)
    tuned_line(experiment, params, cache.tuned(config))
    result = cache.evaluation(config, params)
    if not is_live:
        headline_figures(result)
    headline_words(experiment, result)
    st.warning(
        "Turning knobs while watching test accuracy is a way to learn, not an evaluation: the best value found like "
        "this is optimistic. To report a number, choose on validation and look at test once.",
        icon=":material/visibility:",
    )

    left, right = st.columns([3, 2])
    with left:
        if not is_live:
            curve(experiment, params, result)
        probabilities(result)
    with right:
        st.header("Four methods")
        knn, mixed = result.rivals.knn, result.rivals.interpolation
        show(method_accuracies(result), "methods", "Test accuracy of the four methods with 95 % intervals")
        st.caption(
            f"Soft kNN with its own k = {knn.k} and sigma = {knn.sigma:.4g}, and interpolation, lambda · kNN + "
            f"(1 - lambda) · base, with its own k = {mixed.k}, sigma = {mixed.sigma:.4g} and lambda = "
            f"{mixed.weight:g}, were chosen on validation; the sliders do not move them. All use the same neighbours."
        )

    share("evaluate", params)


def curve(experiment: Experiment, params: Params, result: Evaluation) -> None:
    """Show the accuracy against k where the browser cannot follow the knobs."""
    st.header("Accuracy against k")
    ks, curves = cache.curves(experiment.config, params.sigma, params.temperature, params.gamma)
    show(
        accuracy_by_k(ks, curves, result.accuracy["base"], params.k),
        "accuracy-by-k",
        "Lines of test accuracy against k for soft kNN and ResMem, with base as a level",
    )


def probabilities(result: Evaluation) -> None:
    """Show how good ResMem's probabilities are beside base's."""
    st.header("Probabilities")
    before, after = result.calibration["base"], result.calibration["resmem"]
    with st.container(horizontal=True):
        for name, base, value, text in (
            ("NLL", before.nll, after.nll, MEANING_OF_NLL),
            ("Brier", before.brier, after.brier, "Mean squared distance to the one-hot label, 0 to 2."),
            ("ECE", before.ece, after.ece, f"Expected calibration error in {ECE_BINS} bins."),
        ):
            change = f"{value - base:+.3f}"
            st.metric(name, f"{value:.3f}", change, delta_color="inverse", help=text, border=True, width=150)
    st.caption(
        "Lower is better; the change is against base at temperature 1. ResMem's scores sum to 1 but can leave [0, 1]; "
        f"for these three they are projected onto the probability simplex and mixed with {result.smoothing:.3g} of the "
        f"base's probabilities, a share chosen on validation by NLL. {base_scaled(result)}"
    )


instrument()
