"""ResMem beside its rivals from the same neighbours, each with a setting of its own."""

import streamlit as st

from pages._shared import cache
from pages._shared.figures import show
from pages._shared.opening import opened
from pages._shared.share import share
from pages._shared.summary import against_rival, columns, headline_words
from resmem_core.plots.accuracy import method_accuracies
from resmem_core.plots.tables import method_table

PAGE = {"title": "Rivals", "icon": ":material/leaderboard:", "section": "Where it gains", "place": 5}

experiment, params = opened()
result = cache.evaluation(experiment.config, params)
st.markdown(against_rival(result))
show(method_accuracies(result), "methods", "Test accuracy of the four methods with 95 % intervals")
knn, mixed = result.rivals.knn, result.rivals.interpolation
st.caption(
    f"Soft kNN with its own k = {knn.k} and sigma = {knn.sigma:.4g}, and interpolation, lambda · kNN + "
    f"(1 - lambda) · base, with its own k = {mixed.k}, sigma = {mixed.sigma:.4g} and lambda = {mixed.weight:g}, were "
    "chosen on validation; the knobs do not move them. All use the same neighbours. Whiskers: 95 % intervals."
)
headline_words(experiment, result)
with st.expander("As a table"):
    table = method_table(result)
    shares = [name for name in table if name.startswith(("accuracy", "gain"))]
    st.dataframe(table, hide_index=True, column_config=columns("percent", *shares))
share("evaluate", params)
