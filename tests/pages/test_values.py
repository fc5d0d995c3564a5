"""Pages on a regression, and on a table of one's own: what they show is what the core finds."""

import numpy as np
import pytest
from PIL import Image

from pages._shared.frame import FORMS
from pages._shared.values import VIEWS
from resmem_core.analysis.seeds import judge
from resmem_core.common.progress import silent
from resmem_core.common.store import Store
from resmem_core.data.pictures import data_url
from resmem_core.evaluation.comparison import compare_values
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.jobs import Job
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.edits import Edits
from resmem_core.memory.types import Params
from tests.pages.conftest import PAGES

pytestmark = pytest.mark.usefixtures("_in_shared_store")

OF_AN_EXPERIMENT = sorted({p.rsplit("/", 1)[1][:-3] for p in PAGES} - {"experiments", "your_data", *FORMS})
OF_VALUES = {*VIEWS, "compare"}


@pytest.mark.parametrize("page", OF_AN_EXPERIMENT)
def test_every_page_shows_values_or_says_that_it_is_about_classes(opened, page):
    at = opened(page, dataset="diabetes")
    assert not at.error
    assert ("This page is about classes" in at.text) == (page not in OF_VALUES)
    if page in OF_VALUES:
        assert {"headline", "knobs", "knobs-narrow-knobs"} <= set(at.mounted)


def test_the_overview_shows_the_choice_on_test(opened, diabetes):
    found = diabetes.evaluate(diabetes.tune().params)
    at = opened("overview", dataset="diabetes")
    assert at.headline["resmem"] == f"{found.measures['rmse']['resmem']:{found.form('rmse')}}"
    assert at.numbers == {
        name.upper(): f"{found.measures[name]['resmem']:{found.form(name)}}" for name in ("mae", "r2")
    }


def test_the_knobs_change_what_is_shown(opened, diabetes):
    at = opened("tune", dataset="diabetes", k="5", sigma="2.0")
    gamma = diabetes.tune().params.gamma
    found = diabetes.evaluate(Params(5, 2.0, 1.0, gamma))
    assert at.headline["resmem"] == f"{found.measures['rmse']['resmem']:{found.form('rmse')}}"
    at.turn(k=9)
    found = diabetes.evaluate(Params(9, 2.0, 1.0, gamma))
    assert at.headline["resmem"] == f"{found.measures['rmse']['resmem']:{found.form('rmse')}}"
    at.press("Choose on validation")
    assert "Chosen on validation" in at.text


def test_a_point_is_taken_apart(opened, diabetes):
    at = opened("points", dataset="diabetes", point="3", k="5", sigma="2.0")
    found = diabetes.explain(3, Params(5, 2.0, 1.0, diabetes.tune().params.gamma))
    assert f"ResMem says **{found.prediction:.2f}**" in at.text
    table = at.dataframe[0].value
    assert table["training point"].tolist() == found.ids.tolist()
    assert table["adds"].tolist() == pytest.approx(found.contributions.tolist())
    assert opened("points", dataset="diabetes", point="99999").dataframe


@pytest.mark.parametrize("by", ["distance", "prediction", "error"])
def test_the_slices_are_those_of_the_core(opened, diabetes, by):
    table = opened("gain", dataset="diabetes", by=by).dataframe[0].value
    found = diabetes.evaluate(diabetes.tune().params).slices(by)
    assert table["gain"].tolist() == pytest.approx([part.gain for part in found])


def test_two_regressions_stand_side_by_side(opened, diabetes):
    at = opened("compare", dataset="diabetes", other="dataset=diabetes&k=3&sigma=2.0")
    params = diabetes.tune().params
    a, b = diabetes.evaluate(params), diabetes.evaluate(Params(3, 2.0, 1.0, params.gamma))
    gain = compare_values(a, b)
    assert "k of B" in [field.label for field in at.number_input]
    assert "temperature of B" not in [field.label for field in at.number_input]
    assert f"RMSE of A less that of B: {gain.rmse:+{a.form('rmse')}}**" in at.text
    assert f"closer on {gain.closer:,} points" in at.text
    of_a = at.dataframe[0].value
    told = abs(of_a["B says"] - of_a["is"]) - abs(of_a["A says"] - of_a["is"])
    assert told.tolist() == pytest.approx(of_a["closer by"].tolist())
    assert of_a["closer by"].is_monotonic_decreasing
    assert "one has classes to predict" in opened("compare", other="dataset=diabetes").text


def test_several_seeds_are_those_of_the_core(opened):
    at = opened("seeds", dataset="diabetes", limit_train="20")
    alone = judge(prepare(ExperimentConfig("diabetes", seed=3, limit_train=20)))
    table = at.dataframe[0].value
    assert table.loc[3, ["base R2", "soft kNN MAE", "ResMem RMSE"]].tolist() == pytest.approx(
        [alone.r2["base"], alone.mae["knn"], alone.rmse["resmem"]]
    )
    assert (
        f"saves **{table['saved'].mean():+.2f}** on average (standard deviation {table['saved'].std():.2f}" in at.text
    )


def test_the_colour_of_the_map_is_in_the_address(opened):
    at = opened("points", dataset="diabetes", color="saved")
    box = at.labelled("selectbox", "Coloured by")
    assert box.value == "saved"
    box.set_value("error").run()
    assert at.address("color") == "error"
    assert opened("points", dataset="diabetes", color="residual").labelled("selectbox", "Coloured by").value == "value"
    assert opened("points", color="saved").labelled("segmented_control", "Colour by").value == "class"


def test_edits_of_memory_are_shown(opened, diabetes, shared_store):
    used = np.unique(diabetes.test.neighbors.first(3).indices)[:40]
    edits = Edits().forget(used)
    reference = edits.save(Store(shared_store), diabetes.dataset)
    found = diabetes.edited(edits).evaluate(diabetes.tune().params)
    at = opened("overview", dataset="diabetes", edits=reference)
    assert at.headline["resmem"] == f"{found.measures['rmse']['resmem']:{found.form('rmse')}}"


@pytest.mark.parametrize("task", ["classes", "values"])
def test_a_table_of_ones_own_is_shown_on_every_page(opened, tmp_path, shared_store, task):
    rng = np.random.default_rng(0)
    a = rng.normal(size=90)
    label = np.where(a + rng.normal(size=90) > 0, "yes", "no") if task == "classes" else (a * 3 + rng.normal(size=90))
    lines = [f"{x},{'xy'[i % 2]},{y}" for i, (x, y) in enumerate(zip(a, label, strict=True))]
    (tmp_path / "mine.csv").write_text("\n".join(["a,t,label", *lines]))
    dataset = f"features:{tmp_path / 'mine.csv'}"
    assert "is not prepared yet" in opened("overview", dataset=dataset).text  # its size is not known
    with Job(ExperimentConfig(dataset), store=Store(shared_store)).reporting(silent):
        prepare(ExperimentConfig(dataset), store=Store(shared_store))
    for page in OF_AN_EXPERIMENT:
        at = opened(page, dataset=dataset)
        assert not at.error, page
        if task == "values":
            assert ("This page is about classes" in at.text) == (page not in OF_VALUES)
        assert "Train and prepare" not in [button.label for button in at.button]


def test_pictures_of_points_are_shown(opened, tmp_path, shared_store):
    rng = np.random.default_rng(0)
    lines = ["path,label"]
    for at in range(60):
        pixels = rng.integers(0, 200, (4, 4), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{at}.png")
        lines.append(f"{at}.png,{pixels.mean() + 0.5}")
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    config = ExperimentConfig(f"images:{tmp_path / 'mine.csv'}", "estimator:Ridge")
    with Job(config, store=Store(shared_store)).reporting(silent):
        train = prepare(config, store=Store(shared_store)).dataset.train
    at = opened("points", dataset=config.dataset, backbone=config.backbone, point="2")
    table = at.dataframe[0].value
    expected = [data_url(train, row) for row in table["training point"]]
    assert table["image"].tolist() == expected
