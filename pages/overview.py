"""Whether memory is worth it for the chosen experiment, and what ResMem is."""

import numpy as np
import streamlit as st

from pages._shared import cache
from pages._shared.cards import picture
from pages._shared.figures import show
from pages._shared.opening import opened
from pages._shared.share import share
from pages._shared.summary import experiment_line, headline_words, sentence
from pages._shared.text import plain
from pages._shared.verdict import show_verdict, ways
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.experiment.prepare import Experiment
from resmem_core.plots.accuracy import method_accuracies
from resmem_core.plots.classes import class_gains
from resmem_core.plots.explanation import explanation_bars

PAGE = {"title": "Overview", "icon": ":material/home:", "section": "Overview", "place": 1}
LEARN = {
    "how_it_works": "See it on a curve, step by step",
    "playground": "Play with it in two dimensions",
    "theory": "Theory, derived and simulated",
}
SEEN = {
    "classes": "Who gains and who loses",
    "points": "Points fixed and broken",
    "rivals": "Beside its rivals",
    "seeds": "Under other seeds",
}
NEXT = {
    "tune": "See what the knobs do",
    "memory": "See what each training point did",
    "your_data": "Bring a model of yours",
}


def example(experiment: Experiment, result: Evaluation) -> None:
    """Show the idea on a test point that memory fixes, or breaks where it breaks more; on the first if it does none."""
    outcome = "broken" if result.broken > result.fixed else "fixed"
    found = np.flatnonzero(result.outcome == outcome)
    point = int(found[0]) if len(found) else 0
    names = experiment.dataset.class_names
    explanation = experiment.explain(point, result.params)
    label, base, final = (
        plain(names[c]) for c in (explanation.label, explanation.base_prediction, explanation.prediction)
    )
    left, right = st.columns([1, 5])
    with left:
        picture(experiment.dataset.test, point, 128, f"test point {point}, a {names[explanation.label]}")
        st.caption(
            f"Test point {point}, {result.outcome[point]}: a **{label}**; base says {base}, ResMem says {final}."
        )
    with right:
        show(
            explanation_bars(explanation, names),
            f"point-{point}",
            f"Bars by class of test point {point}: base probabilities, what memory adds, and final scores",
        )


def results() -> None:
    """Show what memory does to the experiment."""
    experiment, params = opened()
    config = experiment.config
    result = cache.evaluation(config, params)
    on_validation = params == cache.tuned(config).params
    if on_validation:
        cache.recorded(config, params)
    show_verdict(experiment.verdict(result, on_validation=on_validation), SEEN)
    for note in experiment.dataset.notes:
        st.info(plain(sentence(note)), icon=":material/info:")
    example(experiment, result)
    left, right = st.columns(2)
    with left:
        st.subheader("Gain by class")
        show(class_gains(result.per_class), "classes", "Bars of the accuracy gain in each class, with intervals")
    with right:
        st.subheader("Four methods on the same neighbours")
        show(method_accuracies(result), "methods", "Test accuracy of the four methods with 95 % intervals")
    experiment_line(experiment)
    headline_words(experiment, result)
    ways(NEXT)
    share("evaluate", params)


above = st.container()  # opening stops the page where there is nothing, or where values show something else
st.header("What ResMem is")
st.markdown(
    "A trained model that cannot fit everything leaves *residuals*: the gap between each training label and what the "
    "model says of it. **ResMem** keeps the model and stores these residuals at the training points' embeddings. For a "
    "new point it finds the *k* nearest stored points and adds their residuals, weighted by closeness, to the model's "
    "probabilities. The model takes what is regular; memory takes the rest. "
    "([Yang et al., NeurIPS 2023](https://arxiv.org/abs/2302.01576))"
)
ways(LEARN)
with above:
    results()
