import pandas as pd
import pytest


@pytest.mark.parametrize(
    ("table", "file", "rows"), [("examples", "a.csv", 640), ("classes", "a.parquet", 10), ("methods", "a.csv", 4)]
)
def test_a_table_is_written_as_its_name_says(tmp_path, printed, table, file, rows):
    output = tmp_path / file
    result = printed("export", "--k=3", "--table", table, "--output", str(output))
    frame = pd.read_csv(output) if file.endswith("csv") else pd.read_parquet(output)
    assert (result["k"], result["tuned_on"], result["rows"]) == (3, None, rows)
    assert list(frame) == result["columns"]
    assert len(frame) == rows
