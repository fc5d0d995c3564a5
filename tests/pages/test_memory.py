"""The Memory page: what is listed, opened, edited and undone."""

import numpy as np
import pytest

from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.edits import Edits
from resmem_core.memory.types import Params


def test_forgetting_shows_the_change_and_restoring_takes_it_back(opened):
    experiment, params = prepare(ExperimentConfig()), Params(3, 1.0)
    came = experiment.evaluate(params).accuracy["resmem"]
    uses = np.bincount(experiment.test.neighbors.indices[:, :3].ravel())
    tried = (
        (int(row), experiment.edited(Edits((int(row),))).evaluate(params).accuracy["resmem"])
        for row in uses.argsort()[::-1]
    )
    row, edited = next((row, accuracy) for row, accuracy in tried if accuracy != came)

    at = opened("memory", k="3", sigma="1.0", temperature="1.0", train_point=str(row))
    assert "Effect of the edits" not in at.text
    at.press("Forget it")
    assert len(at.address("edits")) == 24
    assert at.numbers["ResMem, memory as it came"] == f"{came:.2%}"
    assert at.numbers["ResMem, memory edited"] == f"{edited:.2%}"
    assert at.labelled("metric", "ResMem, memory edited").delta.startswith(f"{100 * (edited - came):+.2f} points (")
    changed = int(at.numbers["Newly right"]) - int(at.numbers["Newly wrong"])
    assert changed == round((edited - came) * len(experiment.test)) != 0
    assert "they are not an evaluation" in at.text
    assert "k = 3, sigma = 1, temperature = 1 stay" in at.text
    at.press("Restore it")
    assert at.address("edits") is None
    assert "Effect of the edits" not in at.text


def test_edits_are_undone_one_by_one_or_all_at_once(opened):
    at = opened("memory", k="1")
    at.number_input(key="setting-train_point").set_value(7).run()
    at.press("Forget it")
    at.number_input(key="setting-train_point").set_value(11).run()
    label = at.labelled("selectbox", "Label in memory")
    came = label.value
    label.set_value((came + 1) % 10).run()
    assert "Is **" in at.text
    assert f"(was {came})" in at.text
    undo = [button.label for button in at.button if button.key and button.key.startswith("undo-")]
    assert undo == ["#7, forgotten", f"#11, {came} held as {(came + 1) % 10}"]
    at.labelled("selectbox", "Label in memory").set_value(came).run()
    assert [b.label for b in at.button if b.key and b.key.startswith("undo-")] == ["#7, forgotten"]
    at.press("#7, forgotten")
    assert at.address("edits") is None
    at.press("Forget the 10 most harmful")
    assert at.address("edits")
    at.press("Restore all")
    assert at.address("edits") is None


def test_the_address_says_what_is_shown(opened):
    store = Store()
    experiment = prepare(ExperimentConfig(), store=store)
    reference = Edits((3, 4), ((5, 1),)).save(store, experiment.dataset)
    at = opened("memory", k="3", edits=reference, train_point="3", rank_by="residual", lowest="true", of_class="4")
    assert "Training point **3**" in at.text
    assert "(forgotten)" in at.text
    listed = at.dataframe[0].value
    assert set(listed["label"]) == {"4"}
    assert listed["residual"].is_monotonic_increasing
    assert not [b for b in at.button if b.label == "Forget it"]


def test_ranking_and_shapley_values_are_there_at_once_on_little_data(opened):
    at = opened("memory", k="2", rank_by="shapley")
    listed = at.dataframe[0].value
    assert listed["shapley"].is_monotonic_decreasing
    assert "They sum to the share of right votes" in at.text
    at.selectbox(key="setting-rank_by").set_value("uses").run()
    assert at.address("rank_by") == "uses"
    assert at.dataframe[0].value["uses"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"train_point": "99999"}, "There is no training point 99999"),
        ({"edits": "0" * 24}, "not kept on this machine"),
        ({"edits": "../x"}, "24 hexadecimal digits"),
    ],
)
def test_nonsense_in_the_address_is_told(opened, query, says):
    at = opened("memory", **query)
    assert says in at.text
    assert at.labelled("number_input", "Training point").value == 387  # the first of the list


def test_where_memory_changes_nothing_the_page_says_so(opened, arrays):
    at = opened("memory", dataset=arrays(spread=0.01, logits=9 * np.eye(2)[np.arange(60) % 2]), k="3")
    assert at.text.count("None at this setting.") == 2
    assert "How few do the work" not in at.text
    assert at.labelled("button", "Forget the 10 most harmful").disabled


def test_large_data_offers_shapley_values_as_a_job(opened, monkeypatch):
    monkeypatch.setattr("resmem_core.analysis.shapley.LARGE", 1)
    at = opened("memory", k="4", rank_by="shapley")
    assert "Shapley values for k = 4 is not prepared yet" in at.text
    assert at.labelled("button", "Work them out")
    assert "shapley" not in at.dataframe[0].value


def test_forgetting_everything_is_refused_with_a_note(opened, monkeypatch):
    monkeypatch.setattr("resmem_core.analysis.influence.Influence.harmful", lambda found, n: np.arange(len(found.uses)))
    at = opened("memory", k="3")
    at.press("Forget the 10 most harmful")
    assert "one at least must stay" in at.text
    assert at.address("edits") is None
