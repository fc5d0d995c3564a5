"""The Long tail lab: what it takes, what is there so far, and what came of it."""

import pytest

from resmem_core.analysis.longtail import CleanData, Plan, judge_all
from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.jobs import Job
from resmem_core.experiment.prepare import prepare

SMALL = {"limit_train": "60", "epochs": "1"}


def judged(vary, values, seeds=1, **config):
    """Judge the points of a plan."""
    store, config = Store(), ExperimentConfig(limit_train=60, epochs=1, **config)
    plan = Plan(config, vary, values, seeds)
    judge_all(
        plan, CleanData.of("digits", plan.seed_range), lambda config, told: prepare(config, store=store), store=store
    )


@pytest.fixture
def clean():
    """Prepare the experiment on clean data, which the page asks for first."""
    prepare(ExperimentConfig(epochs=1))


def test_before_anything_is_there_it_says_what_it_takes(opened):
    at = opened("long_tail")
    assert at.headings == ["Accuracy against training examples is not prepared yet"]
    assert "30 trainings: training examples 100, 160, 240, 370, 580, 897, each under 5 seeds." in at.text
    assert [button.label for button in at.button] == ["Start"]
    assert "--vary=size --values=100,160,240,370,580,897 --seeds=5 --json" in at.code[1].value


def test_controls_go_into_the_address(opened):
    at = opened("long_tail", values="100,200")
    assert "10 trainings" in at.text
    at.radio(key="lab-vary").set_value("imbalance").run()
    assert (at.address("vary"), at.address("values")) == ("imbalance", None)
    at.number_input(key="lab-limit_train").set_value(200).run()
    at.number_input(key="lab-label_noise").set_value(0.2).run()
    at.number_input(key="lab-seeds").set_value(2).run()
    at.text_input(key="lab-values").set_value("1, 50").run()
    assert [at.address(name) for name in ("limit_train", "label_noise", "seeds")] == ["200", "0.2", "2"]
    assert "4 trainings: imbalance 1, 50, each under 2 seeds." in at.text
    assert at.number_input(key="setting-limit_train").value == 200  # the sidebar's
    assert "imbalance=50.0, label_noise=0.2" in at.code[2].value


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"values": "few"}, "'few' is not a list of numbers"),
        ({"values": "5"}, "take 10 (one of each class)"),
        ({"vary": "noise", "values": "0.99"}, "between 0 and 0.95"),
        ({"vary": "imbalance", "limit_train": "5000"}, "5,000 training examples are not possible"),
    ],
)
def test_nonsense_is_told(opened, query, says):
    at = opened("long_tail", **query)
    assert says in at.text


def test_typed_nonsense_is_told(opened):
    at = opened("long_tail")
    at.text_input(key="lab-values").set_value("ten").run()
    assert "'ten' is not a list of numbers" in at.text


@pytest.mark.usefixtures("clean")
def test_what_is_there_is_shown_while_the_rest_is_offered(opened):
    judged("noise", (0.0,))
    at = opened("long_tail", vary="noise", values="0,0.4", seeds="1", **SMALL)
    assert "Where memory gains" in at.headings
    assert "1 are missing. Those that are there took" in at.text
    assert "1 of 2 points so far." in at.text
    assert "vary the imbalance, or fix it above 1" in at.text


@pytest.mark.usefixtures("clean")
def test_a_long_tail_has_its_classes_shown(opened):
    judged("imbalance", (4.0, 20.0))
    at = opened("long_tail", vary="imbalance", values="4,20", seeds="1", **SMALL)
    assert at.headings == ["Where memory gains", "Rare and frequent classes"]
    assert not at.button
    assert len(at.get("plotly_chart")) == 3
    assert "Gain in the rarest classes: **" in at.text
    assert at.dataframe[0].value["imbalance"].tolist() == [4, 20]
    at.select_slider(key="lab-at-imbalance").set_value(4.0).run()


@pytest.mark.usefixtures("clean")
def test_a_cancelled_start_can_be_continued(opened):
    config, options = ExperimentConfig(limit_train=60, epochs=1), ("--vary=noise", "--values=0.1", "--seeds=1")
    with pytest.raises(KeyboardInterrupt), Job(config, "longtail", options).reporting(lambda step: None):
        raise KeyboardInterrupt
    at = opened("long_tail", vary="noise", values="0.1", seeds="1", **SMALL)
    assert "It was cancelled" in at.text
    assert [button.label for button in at.button] == ["Continue"]
