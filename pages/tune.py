"""Turn k, sigma and temperature, and see what they do."""

import streamlit as st

from pages._shared import cache
from pages._shared.figures import show
from pages._shared.knobs import names_of_knobs, rivals_right, told_at, told_of, tuned_line
from pages._shared.live import known, show_live
from pages._shared.opening import opened
from pages._shared.share import share
from resmem_core.plots.accuracy import accuracy_by_k
from resmem_core.plots.classes import class_gains

PAGE = {"title": "Knobs", "icon": ":material/tune:", "section": "Tune", "place": 1}

experiment, params = opened()
config, names, tuned = experiment.config, names_of_knobs(experiment, params), cache.tuned(experiment.config)


def followed(table: str) -> None:
    """Show the figures that follow the knobs in the browser."""
    show_live(
        "figures",
        "figures",
        table=table,
        setting=told_of(params, names),
        chosen=told_of(tuned.params, names),
        rivals=rivals_right(cache.evaluation(config, tuned.params)),
        byClass=told_at(experiment, params).by_class,
    )


def answered() -> None:
    """Show the figures of the server, which follow once a knob is let go."""
    result = cache.evaluation(config, params)
    left, right = st.columns(2)
    with left:
        st.subheader("Accuracy against k")
        ks, curves = cache.curves(config, params.sigma, params.temperature, params.gamma)
        show(
            accuracy_by_k(ks, curves, result.accuracy["base"], params.k),
            "accuracy-by-k",
            "Lines of test accuracy against k for soft kNN and ResMem, with base as a level",
        )
    with right:
        st.subheader("Gain by class")
        show(class_gains(result.per_class), "classes", "Bars of the accuracy gain in each class, with intervals")


table = known(experiment, names)
if table is None:
    answered()
else:
    followed(table.name)
tuned_line(experiment, params, tuned)
share("evaluate", params)
