import pandas as pd
import pytest


@pytest.mark.parametrize(("table", "file", "rows"), [("examples", "a.csv", 382), ("classes", "a.parquet", 10)])
def test_a_table_is_written_as_its_name_says(tmp_path, printed, table, file, rows):
    output = tmp_path / file
    result = printed("export", "--k=3", "--table", table, "--output", str(output))
    frame = pd.read_csv(output) if file.endswith("csv") else pd.read_parquet(output)
    assert (result["k"], result["tuned_on"], result["rows"]) == (3, None, rows)
    assert list(frame) == result["columns"]
    assert len(frame) == rows


def test_another_format_is_refused_before_any_work(tmp_path, run):
    status, _, err = run("export", "--backbone=small-cnn", "--seed=77", "--output", str(tmp_path / "a.xlsx"))
    assert status == 1
    assert "a.xlsx" in err
    assert ".parquet" in err
    assert "epoch" not in err


def test_a_folder_that_is_not_there_is_named(tmp_path, run):
    output = str(tmp_path / "none" / "a.csv")
    status, _, err = run("export", "--output", output)
    assert status == 1
    assert output in err
