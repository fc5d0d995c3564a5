import json

import pandas as pd
import pytest

from resmem_core.cli.main import main


@pytest.mark.parametrize(("table", "file", "rows"), [("examples", "a.csv", 382), ("classes", "a.parquet", 10)])
def test_a_table_is_written_as_its_name_says(tmp_path, capsys, table, file, rows):
    output = tmp_path / file
    assert main(["export", "--k=3", "--table", table, "--output", str(output), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    frame = pd.read_csv(output) if file.endswith("csv") else pd.read_parquet(output)
    assert (result["k"], result["tuned_on"], result["rows"]) == (3, None, rows)
    assert list(frame) == result["columns"]
    assert len(frame) == rows


def test_another_format_is_refused_before_any_work(tmp_path, capsys):
    assert main(["export", "--backbone=small-cnn", "--seed=77", "--output", str(tmp_path / "a.xlsx")]) == 1
    told = capsys.readouterr()
    assert "a.xlsx" in told.err
    assert ".parquet" in told.err
    assert "epoch" not in told.err


def test_a_folder_that_is_not_there_is_named(tmp_path, capsys):
    assert main(["export", "--output", str(tmp_path / "none" / "a.csv")]) == 1
    assert str(tmp_path / "none" / "a.csv") in capsys.readouterr().err
