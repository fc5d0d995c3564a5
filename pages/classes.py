"""Which classes gain, and which confusions memory resolves."""

import streamlit as st

from pages._shared import cache
from pages._shared.figures import show
from pages._shared.opening import opened
from pages._shared.share import share
from pages._shared.state import change
from pages._shared.summary import gain_table
from pages._shared.text import plain
from resmem_core.evaluation.metrics import confusion
from resmem_core.plots.classes import by_gain, class_gains, confusion_change

PAGE = {"title": "Classes", "icon": ":material/category:", "section": "Where it gains", "place": 1}

experiment, params = opened()
data = experiment.dataset
result = cache.evaluation(experiment.config, params)

st.header("Gain by class")
key = f"classes-{params}"


def pick() -> None:
    """Select the test points of the class that was clicked on."""
    if bars := st.session_state[key].selection.points:
        change(of_class=by_gain(result.per_class)[bars[0]["point_index"]].name)


show(
    class_gains(result.per_class),
    "classes",
    "Bars of the accuracy gain in each class, with intervals",
    key=key,
    on_select=pick,
    selection_mode="points",
)
verdict = experiment.verdict(result, on_validation=params == cache.tuned(experiment.config).params)
st.markdown(plain(verdict.sentences.get("classes", "")))
st.caption(
    "In brackets: test points of the class. Whiskers: 95 % paired interval, wide where a class is small. Click a bar "
    "to select its points."
)

st.header("What base confuses and memory resolves")
before = confusion(experiment.test.labels, result.predictions["base"], data.n_classes)
after = confusion(experiment.test.labels, result.predictions["resmem"], data.n_classes)
show(
    confusion_change(before, after, data.class_names),
    "confusions",
    "Heat map of how many confusions of each true with each predicted class memory resolves or adds",
)
st.caption(
    "Green: fewer confusions with memory. Orange: more, which can also be one wrong answer in place of another. The "
    "diagonal, right answers, is left to the bars above."
)

with st.expander("As a table"):
    gain_table("class", result.per_class)
share("evaluate", params)
