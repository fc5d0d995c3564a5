"""What ResMem is, and what it does to the chosen experiment."""

from pathlib import Path

import numpy as np
import streamlit as st

from pages._shared import cache
from pages._shared.cards import picture
from pages._shared.figures import show
from pages._shared.opening import opened
from pages._shared.share import share
from pages._shared.summary import experiment_line, headline, sentence
from pages._shared.text import plain
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.types import Params
from resmem_core.plots.accuracy import method_accuracies
from resmem_core.plots.explanation import explanation_bars

PAGE = {"title": "Overview", "icon": ":material/home:", "section": "", "place": 1}

st.markdown(
    "A trained model that cannot fit everything leaves *residuals*: the gap between each training label and what the "
    "model says of it. **ResMem** keeps the model and stores these residuals at the training points' embeddings. For a "
    "new point it finds the *k* nearest stored points and adds their residuals, weighted by closeness, to the model's "
    "probabilities. The model takes what is regular; memory takes the rest. "
    "([Yang et al., NeurIPS 2023](https://arxiv.org/abs/2302.01576))"
)
LEARN = {
    "how_it_works": "See it on a curve, step by step",
    "playground": "Play with it in two dimensions",
    "theory": "Theory, derived and simulated",
}
NEXT = {
    "tune": "Turn k, sigma and temperature",
    "inspect": "Open single test points and their neighbours",
    "memory": "See what each training point did",
    "your_data": "Bring a model of yours",
}


def ways(to: dict[str, str]) -> None:
    """Show links to other pages."""
    with st.container(horizontal=True):
        for name, text in to.items():
            st.page_link(Path(__file__).with_name(f"{name}.py"), label=text, icon=":material/arrow_forward:")


def example(experiment: Experiment, params: Params) -> None:
    """Show the idea on a test point that memory fixes, or on the first one."""
    result = cache.evaluation(experiment.config, params)
    fixed = np.flatnonzero(result.outcome == "fixed")
    point = int(fixed[0]) if len(fixed) else 0
    names = experiment.dataset.class_names
    explanation = experiment.explain(point, params)
    st.header("The idea in one picture")
    label, base, final = (
        plain(names[c]) for c in (explanation.label, explanation.base_prediction, explanation.prediction)
    )
    left, right = st.columns([1, 5])
    with left:
        picture(experiment.dataset.test, point, 128, f"test point {point}, a {names[explanation.label]}")
        st.caption(f"Test point {point}: a **{label}**; base says {base}, ResMem says {final}.")
    with right:
        show(
            explanation_bars(explanation, names),
            f"point-{point}",
            f"Bars by class of test point {point}: base probabilities, what memory adds, and final scores",
        )


ways(LEARN)
experiment, params = opened()
config, data = experiment.config, experiment.dataset
chosen = cache.tuned(config).params
result = cache.evaluation(config, chosen)
cache.recorded(config, chosen)
experiment_line(experiment)
headline(experiment, result)
for note in data.notes:
    st.info(plain(sentence(note)), icon=":material/info:")
example(experiment, params)
st.header("Four methods on the same neighbours")
show(method_accuracies(result), "methods", "Test accuracy of the four methods with 95 % intervals")
st.caption(
    "This page always reports the setting chosen on the validation split; turn the knobs on Tune. Whiskers: 95 % "
    f"intervals. McNemar's exact p for fixed against broken: {result.mcnemar_p:.2g}."
)
ways(NEXT)
share("evaluate", chosen)
