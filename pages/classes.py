"""Which classes gain, and which confusions memory resolves."""

import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.opening import opened
from pages._shared.summary import headline
from resmem_core.metrics import confusion
from resmem_core.plots.classes import class_gains, confusion_change

experiment, params = opened()
data = experiment.dataset
result = cache.evaluation(experiment.config, params)
headline(experiment, result)

st.subheader("Gain by class")
st.plotly_chart(class_gains(result.per_class))
st.caption(
    "In brackets: test points of the class. Whiskers: paired bootstrap 95 % interval, wide where a class is small."
)

st.subheader("What base confuses and memory resolves")
before = confusion(experiment.test.labels, result.predictions["base"], data.n_classes)
after = confusion(experiment.test.labels, result.predictions["resmem"], data.n_classes)
st.plotly_chart(confusion_change(before, after, data.class_names))
st.caption(
    "Green: fewer confusions with memory. Orange: more, which can also be one wrong answer in place of another. The "
    "diagonal, right answers, is left to the bars above."
)

with st.expander("As a table"):
    st.dataframe(
        pd.DataFrame(
            [
                {"class": c.name, "test points": c.n, "base": c.base, "ResMem": c.resmem, "gain": c.gain,
                 "gain, low": c.gain_ci95[0], "gain, high": c.gain_ci95[1], "fixed": c.fixed, "broken": c.broken}
                for c in result.per_class
            ]
        ),
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="percent")
            for name in ("base", "ResMem", "gain", "gain, low", "gain, high")
        },
    )  # fmt: skip
