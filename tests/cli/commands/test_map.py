"""The `map` command: coordinates computed, kept and written."""

import json

import pandas as pd
import pytest

from resmem_core.analysis import projection
from resmem_core.cli.main import main
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.jobs import Job


def run(capsys, *argv):
    """Return the exit status, stdout and stderr of one call."""
    try:
        status = main(["map", *argv])
    except SystemExit as leaving:
        status = leaving.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_coordinates_are_written(capsys, tmp_path, extension):
    file = tmp_path / f"map.{extension}"
    status, out, _ = run(capsys, "--json", f"--output={file}")
    assert status == 0
    result = json.loads(out)
    table = (pd.read_csv if extension == "csv" else pd.read_parquet)(file)
    assert list(table) == ["split", "row", "label", "name", "x", "y"]
    assert len(table) == result["n"] == result["n_placed"] == 1797
    assert table.groupby("split").size()["test"] == result["n_test"]
    of_train = table[table["split"] == "train"]
    assert of_train["x"].std() > of_train["y"].std() > 0
    assert 0 < result["explained"][1] < result["explained"][0] < 1


def test_tsne_tells_its_progress_and_pages_see_it_as_a_job(capsys, monkeypatch):
    monkeypatch.setattr(projection, "EXAGGERATED", 10)
    monkeypatch.setattr(projection, "PLAIN", 10)
    argv = ("--method=tsne", "--limit-train=60", "--json")
    status, out, err = run(capsys, *argv)
    assert status == 0
    assert json.loads(out)["kl_divergence"] > 0
    assert "20/20" in err
    assert Job(ExperimentConfig(limit_train=60), "map", ("--method=tsne",)).status().state == "done"
    status, again, err = run(capsys, *argv)
    assert json.loads(again) == json.loads(out)
    assert "20/20" not in err


def test_wrong_usage_is_told(capsys, tmp_path):
    assert run(capsys, "--method=umap")[0] == 2
    status, _, err = run(capsys, f"--output={tmp_path / 'map.txt'}")
    assert status == 1
    assert ".csv, .parquet" in err
