"""Memory for next-token prediction: the training contexts behind each token, and where they help."""

import streamlit as st

from pages._shared.knobs import UNTUNED, knobs, tuned_line
from pages._shared.language_gain import gain
from pages._shared.language_generate import generate
from pages._shared.language_inside import inside
from pages._shared.language_walk import walk
from pages._shared.opening import opened_text
from pages._shared.state import bound, shown
from pages._shared.summary import experiment_line
from pages._shared.text import plain
from resmem_core.cli.settings import OBJECTIVES, Language
from resmem_core.common.errors import ResMemError

PAGE = {
    "title": "Generate",
    "icon": ":material/chat:",
    "section": "Generate",
    "place": 1,
    "form": "resmem_core.cli.settings:Language",
}
LEAKED = 0.05  # share of the test text beyond which the page warns of it
VIEWS = {
    "inside": ("Look inside", inside),
    "walk": ("Walk", walk),
    "generate": ("Generate", generate),
    "gain": ("Where it helps", gain),
}

form = shown(Language)
st.caption(
    "A small language model predicts the next token; memory keeps every token of the training text with the context "
    "that it followed, and corrects the model by the nearest ones. Here these contexts can be read."
)
found = opened_text(form)
experiment_line(found.experiment)
share = found.experiment.corpus.leakage.parts["test"].share
if share > LEAKED:
    st.warning(
        f"{share:.0%} of the words of the test text stand in long passages that train holds, too: memory only has to "
        "recite these, and what is said here of test does not hold for new text. Where it helps, at its end, lists the "
        "longest.",
        icon=":material/content_copy:",
    )
knobs(found.experiment, found.params, found.tuned.params, form.objective)
st.radio(
    "Chosen on validation for",
    OBJECTIVES,
    horizontal=True,
    help="What is best for the first guess is rarely best for the probabilities. Perplexity is that of the smoothed "
    "probabilities.",
    **bound("objective", form.objective, also=UNTUNED),
)
tuned_line(found.experiment, found.params, found.tuned)
st.radio(
    "Show",
    list(VIEWS),
    format_func=lambda name: VIEWS[name][0],
    horizontal=True,
    help="Look inside: one prediction taken apart. Walk: a passage token by token. Generate: a text gone on with. "
    "Where it helps: how good it is on test, and for which tokens.",
    **bound("view", form.view),
)
try:
    VIEWS[form.view][1](found)
except ResMemError as error:
    st.error(plain(error), icon=":material/error:")
