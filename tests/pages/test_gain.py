"""Where it gains: what is sliced, what stands out, and the near-duplicates."""

import numpy as np
import pytest

from pages._shared import links
from resmem_core.analysis.near_duplicates import near_duplicates
from resmem_core.evaluation.slices import slices, strongest
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params

SETTING = {"k": "5", "sigma": "0.1", "temperature": "1.0"}


@pytest.fixture(scope="module")
def judged():
    experiment = prepare(ExperimentConfig())
    return experiment, experiment.evaluate(Params(5, 0.1, 1.0))


def metrics(at):
    return {metric.label: metric.value for metric in at.metric}


def in_address(at, name):
    value = at.query_params.get(name)
    return value[0] if isinstance(value, list) else value


@pytest.mark.parametrize("by", ["distance", "confidence", "class-size"])
def test_the_slices_are_those_of_the_core(opened, text_of, judged, by):
    experiment, result = judged
    found = slices(experiment.memory, experiment.test, result, by)
    at = opened("gain", by=by, **SETTING)
    assert not at.exception
    table = at.dataframe[0].value
    assert table["slice"].tolist() == [s.name for s in found]
    assert table["fixed"].tolist() == [s.fixed for s in found]
    assert table["gain"].tolist() == pytest.approx([s.gain for s in found])
    best = strongest(found)
    says = "No slice stands out" if best is None else f"{best.name}**: **{100 * best.gain:+.1f} points"
    assert says in text_of(at)


def test_the_axis_is_in_the_address(opened, text_of):
    at = opened("gain", **SETTING)
    at.segmented_control(key="setting-by").set_value("confidence").run()
    assert in_address(at, "by") == "confidence"
    assert "largest probability" in text_of(at)
    assert not at.exception


def test_near_duplicates_follow_the_slider(opened, text_of, judged):
    experiment, result = judged
    at = opened("gain", **SETTING)
    assert metrics(at)["Near-duplicates"] == str(len(near_duplicates(experiment.memory, experiment.test, result)))
    at.slider(key="setting-near").set_value(0.75).run()
    assert in_address(at, "near") == "0.75"
    near = near_duplicates(experiment.memory, experiment.test, result, fraction=0.75)
    assert metrics(at)["Near-duplicates"] == str(len(near))
    assert f"{100 * near.without.gain:+.1f} points" in text_of(at)
    pairs = at.dataframe[-1].value
    assert pairs["point"].tolist() == near.points.tolist()
    assert (np.diff(pairs["distance"]) >= 0).all()
    assert not at.exception


def test_pairs_are_paged_and_nonsense_shows_the_last_page(opened, judged):
    experiment, result = judged
    near = near_duplicates(experiment.memory, experiment.test, result, fraction=0.75)
    at = opened("gain", near="0.75", pairs="2", **SETTING)
    shown = [int(button.key.removeprefix("test-")) for button in at.button if button.key.startswith("test-")]
    assert shown == near.points[12:24].tolist()
    at = opened("gain", near="0.75", pairs="999", **SETTING)
    last = [int(button.key.removeprefix("test-")) for button in at.button if button.key.startswith("test-")]
    assert last[-1] == near.points[-1]
    assert not at.exception


@pytest.mark.parametrize(
    ("kind", "name", "page"), [("Test", "point", "pages/inspect.py"), ("Train", "train_point", "pages/memory.py")]
)
def test_both_points_of_a_pair_can_be_opened(opened, judged, monkeypatch, kind, name, page):
    experiment, result = judged
    near = near_duplicates(experiment.memory, experiment.test, result, fraction=0.75)
    row = str((near.points if kind == "Test" else near.ids)[0])
    went = []
    monkeypatch.setattr(links, "to_page", went.append)
    at = opened("gain", near="0.75", **SETTING)
    next(button for button in at.button if button.label == f"{kind} {row}").click().run()
    assert went == [page]
    assert in_address(at, name) == row


def test_no_near_duplicates_is_said(opened, text_of):
    at = opened("gain", near="0.0", **SETTING)
    assert "No test point is that near" in text_of(at)
    assert not at.exception


def test_without_images_pairs_are_still_listed(opened, text_of, tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    arrays = {}
    for part in ("train", "test"):
        arrays[f"{part}_embeddings"] = (labels[:, None] + rng.normal(0, 0.2, (60, 3))).astype(np.float32)
        arrays[f"{part}_logits"] = rng.normal(size=(60, 2)).astype(np.float32)
        arrays[f"{part}_labels"] = labels
    arrays["test_embeddings"][:5] = arrays["train_embeddings"][:5]
    np.savez(tmp_path / "mine.npz", **arrays)
    at = opened("gain", dataset=f"arrays:{tmp_path / 'mine.npz'}", by="class-size")
    assert not at.exception
    assert int(metrics(at)["Exact copies"]) >= 1
    assert "exact copy" in text_of(at)
    assert "There are no images" in text_of(at)
    assert "for every test point" in text_of(at)
    assert "pixel_difference" not in at.dataframe[-1].value
