"""What pages keep of experiments, and how they show that something takes long."""

import pytest
from streamlit.testing.v1 import AppTest

from pages._shared import cache
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.memory.types import Params

WORK = """
import streamlit as st
from pages._shared import cache
from resmem_core.common.progress import Step

with cache.bar() as progress:
    progress(Step("Judging (ResMem)", 1000, 4000))
    if st.session_state.get("leaves"):
        st.stop()
"""


@pytest.mark.parametrize(("soon", "leaves", "said"), [(-1.0, True, ["25"]), (-1.0, False, []), (60.0, True, [])])
def test_only_long_work_has_a_bar_and_only_while_it_goes_on(monkeypatch, soon, leaves, said):
    monkeypatch.setattr(cache, "SOON", soon)
    at = AppTest.from_string(WORK)
    at.session_state["leaves"] = leaves
    at.run()
    assert not at.exception
    assert [str(bar.proto.value) for bar in at.get("progress")] == said
    assert [bar.proto.text for bar in at.get("progress")] == ["Judging (ResMem): 1,000 of 4,000"] * len(said)


def test_what_was_judged_is_judged_once():
    config, params = ExperimentConfig(), Params(3, 0.5)
    assert cache.evaluation(config, params) is cache.evaluation(config, params)
    assert cache.evaluation(config, params) is not cache.evaluation(config, Params(4, 0.5))
