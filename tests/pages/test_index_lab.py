"""The Index lab page: an offer to measure, then what was measured."""

import numpy as np

from resmem_core.analysis.index_lab import lab_of
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params


def test_offers_to_measure_then_shows_it(opened, text_of, tmp_path):
    rng = np.random.default_rng(0)
    arrays = {}
    for part in ("train", "validation", "test"):
        labels = rng.integers(0, 2, 60)
        arrays[f"{part}_embeddings"] = labels[:, None] + rng.normal(size=(60, 3))
        arrays[f"{part}_logits"] = rng.normal(size=(60, 2))
        arrays[f"{part}_labels"] = labels
    np.savez(tmp_path / "mine.npz", **arrays)
    dataset = f"arrays:{tmp_path / 'mine.npz'}"

    at = opened("index_lab", dataset=dataset, k="4")
    assert not at.exception
    assert "k = 4 is not prepared yet" in text_of(at)
    assert [button.label for button in at.button if button.key == "start-lab"] == ["Measure"]

    lab = lab_of(prepare(ExperimentConfig(dataset)), Params(4, 1.0))
    at = opened("index_lab", dataset=dataset, k="4", sigma="1.0", temperature="1.0")
    assert not at.exception
    assert lab.verdict() in text_of(at)
    assert lab.conditions() in text_of(at)
    table = at.dataframe[0].value
    assert table["index"].tolist() == [point.label for point in lab.points]
    assert table["now"].sum() == 1
    assert "k = 5 is not prepared yet" in text_of(opened("index_lab", dataset=dataset, k="5"))
