"""The Index lab page: an offer to measure, then what was measured."""

from resmem_core.analysis.index_lab import lab_of
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params


def test_offers_to_measure_then_shows_it(opened, arrays):
    dataset = arrays(spread=1.0)
    at = opened("index_lab", dataset=dataset, k="4")
    assert "k = 4 is not prepared yet" in at.text
    assert [button.label for button in at.button if button.key == "start-lab"] == ["Measure"]

    lab = lab_of(prepare(ExperimentConfig(dataset)), Params(4, 1.0))
    at = opened("index_lab", dataset=dataset, k="4", sigma="1.0", temperature="1.0")
    assert lab.verdict() in at.text
    assert lab.conditions() in at.text
    table = at.dataframe[0].value
    assert table["index"].tolist() == [point.label for point in lab.points]
    assert table["now"].sum() == 1
    assert "k = 5 is not prepared yet" in opened("index_lab", dataset=dataset, k="5").text
