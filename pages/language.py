"""Memory for next-token prediction: the training contexts behind each token, and where they help."""

import streamlit as st

from pages._shared.language_controls import data_and_model, memory_controls, warn_of_leakage
from pages._shared.language_gain import gain
from pages._shared.language_generate import generate
from pages._shared.language_inside import inside
from pages._shared.language_walk import walk
from pages._shared.opening import opened_text
from pages._shared.state import bound, shown
from pages._shared.text import plain
from resmem_core.cli.settings import Language
from resmem_core.common.errors import ResMemError

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
data_and_model(form)
found = opened_text(form)
warn_of_leakage(found)
memory_controls(found)
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
