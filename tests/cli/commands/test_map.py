"""The `map` command: coordinates computed, kept and written."""

import json

import pandas as pd
import pytest

from resmem_core.analysis import projection
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.jobs import Job


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_coordinates_are_written(printed, tmp_path, extension):
    file = tmp_path / f"map.{extension}"
    result = printed("map", f"--output={file}")
    table = (pd.read_csv if extension == "csv" else pd.read_parquet)(file)
    assert list(table) == ["split", "row", "label", "name", "x", "y"]
    assert len(table) == result["n"] == result["n_placed"] == 1797
    assert table.groupby("split").size()["test"] == result["n_test"]
    of_train = table[table["split"] == "train"]
    assert of_train["x"].std() > of_train["y"].std() > 0
    assert 0 < result["explained"][1] < result["explained"][0] < 1


def test_tsne_tells_its_progress_and_pages_see_it_as_a_job(run, monkeypatch):
    monkeypatch.setattr(projection, "EXAGGERATED", 10)
    monkeypatch.setattr(projection, "PLAIN", 10)
    argv = ("map", "--method=tsne", "--limit-train=60", "--json")
    status, out, err = run(*argv)
    assert status == 0
    assert json.loads(out)["kl_divergence"] > 0
    assert "20/20" in err
    assert Job(ExperimentConfig(limit_train=60), "map", ("--method=tsne",)).status().state == "done"
    _, again, err = run(*argv)
    assert again == out
    assert "20/20" not in err
