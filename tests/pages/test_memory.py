"""The Memory page: what is listed, opened, edited and undone."""

import numpy as np
import pytest

from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.edits import Edits
from resmem_core.memory.types import Params


def button(at, label):
    return next(button for button in at.button if button.label.startswith(label))


def metrics(at):
    return {metric.label: metric for metric in at.metric}


def in_address(at, name):
    value = at.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def test_forgetting_shows_the_change_and_restoring_takes_it_back(opened, text_of):
    experiment, params = prepare(ExperimentConfig()), Params(3, 1.0)
    came = experiment.evaluate(params).accuracy["resmem"]
    uses = np.bincount(experiment.test.neighbors.indices[:, :3].ravel())
    tried = (
        (int(row), experiment.edited(Edits((int(row),))).evaluate(params).accuracy["resmem"])
        for row in uses.argsort()[::-1]
    )
    row, edited = next((row, accuracy) for row, accuracy in tried if accuracy != came)

    at = opened("memory", k="3", sigma="1.0", temperature="1.0", train_point=str(row))
    assert "Effect of the edits" not in text_of(at)
    button(at, "Forget it").click().run()
    assert not at.exception
    assert len(in_address(at, "edits")) == 24
    shown = metrics(at)
    assert shown["ResMem, memory as it came"].value == f"{came:.2%}"
    assert shown["ResMem, memory edited"].value == f"{edited:.2%}"
    assert shown["ResMem, memory edited"].delta.startswith(f"{100 * (edited - came):+.2f} points (")
    changed = int(shown["Newly right"].value) - int(shown["Newly wrong"].value)
    assert changed == round((edited - came) * len(experiment.test)) != 0
    assert "they are not an evaluation" in text_of(at)
    assert "k = 3, sigma = 1 and temperature = 1 stay" in text_of(at)
    button(at, "Restore it").click().run()
    assert not at.exception
    assert in_address(at, "edits") is None
    assert "Effect of the edits" not in text_of(at)


def test_edits_are_undone_one_by_one_or_all_at_once(opened, text_of):
    at = opened("memory", k="1")
    at.number_input(key="setting-train_point").set_value(7).run()
    button(at, "Forget it").click().run()
    at.number_input(key="setting-train_point").set_value(11).run()
    label = next(box for box in at.selectbox if box.label == "Label in memory")
    came = label.value
    label.set_value((came + 1) % 10).run()
    assert not at.exception
    assert "Is **" in text_of(at)
    assert f"(was {came})" in text_of(at)
    undo = [button.label for button in at.button if button.key and button.key.startswith("undo-")]
    assert undo == ["#7, forgotten", f"#11, {came} held as {(came + 1) % 10}"]
    next(box for box in at.selectbox if box.label == "Label in memory").set_value(came).run()
    assert [b.label for b in at.button if b.key and b.key.startswith("undo-")] == ["#7, forgotten"]
    button(at, "#7").click().run()
    assert in_address(at, "edits") is None
    button(at, "Forget the 10 most harmful").click().run()
    assert in_address(at, "edits")
    button(at, "Restore all").click().run()
    assert in_address(at, "edits") is None
    assert not at.exception


def test_the_address_says_what_is_shown(opened, text_of):
    store = Store()
    experiment = prepare(ExperimentConfig(), store=store)
    reference = Edits((3, 4), ((5, 1),)).save(store, experiment.dataset)
    at = opened("memory", k="3", edits=reference, train_point="3", rank_by="residual", lowest="true", of_class="4")
    assert not at.exception
    assert "Training point **3**" in text_of(at)
    assert "(forgotten)" in text_of(at)
    listed = at.dataframe[0].value
    assert set(listed["label"]) == {"4"}
    assert listed["residual"].is_monotonic_increasing
    assert not [b for b in at.button if b.label == "Forget it"]


def test_ranking_and_shapley_values_are_there_at_once_on_little_data(opened, text_of):
    at = opened("memory", k="2", rank_by="shapley")
    listed = at.dataframe[0].value
    assert listed["shapley"].is_monotonic_decreasing
    assert "They sum to the share of right votes" in text_of(at)
    at.selectbox(key="setting-rank_by").set_value("uses").run()
    assert not at.exception
    assert in_address(at, "rank_by") == "uses"
    assert at.dataframe[0].value["uses"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"train_point": "99999"}, "There is no training point 99999"),
        ({"train_point": "-1"}, "train_point"),
        ({"edits": "0" * 24}, "not kept on this machine"),
        ({"edits": "../x"}, "24 hexadecimal digits"),
        ({"rank_by": "beauty"}, "'beauty' is none of"),
    ],
)
def test_nonsense_in_the_address_is_told(opened, text_of, query, says):
    at = opened("memory", **query)
    assert not at.exception
    assert says in text_of(at)
    assert "All training points" in text_of(at)


def test_where_memory_changes_nothing_the_page_says_so(opened, text_of, tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    arrays = {}
    for part in ("train", "validation", "test"):
        arrays[f"{part}_embeddings"] = labels[:, None] + rng.normal(0, 0.01, (60, 3))
        arrays[f"{part}_logits"] = 9 * np.eye(2)[labels]
        arrays[f"{part}_labels"] = labels
    np.savez(tmp_path / "mine.npz", **arrays)
    at = opened("memory", dataset=f"arrays:{tmp_path / 'mine.npz'}", k="3")
    assert not at.exception
    assert text_of(at).count("None at this setting.") == 2
    assert "How few do the work" not in text_of(at)
    assert button(at, "Forget the 10 most harmful").disabled


def test_large_data_offers_shapley_values_as_a_job(opened, text_of, monkeypatch):
    monkeypatch.setattr("resmem_core.analysis.shapley.LARGE", 1)
    at = opened("memory", k="4", rank_by="shapley")
    assert not at.exception
    assert "Shapley values for k = 4 is not prepared yet" in text_of(at)
    assert button(at, "Work them out")
    assert "shapley" not in at.dataframe[0].value


def test_forgetting_everything_is_refused_with_a_note(opened, text_of, monkeypatch):
    monkeypatch.setattr("resmem_core.analysis.influence.Influence.harmful", lambda found, n: np.arange(len(found.uses)))
    at = opened("memory", k="3")
    button(at, "Forget the 10 most harmful").click().run()
    assert not at.exception
    assert "one at least must stay" in text_of(at)
    assert in_address(at, "edits") is None
