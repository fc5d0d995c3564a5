"""The `lab` command: every index in one table."""

import numpy as np

from tests.data.made import arrays_of


def test_once_for_people_and_once_as_an_object(told, printed, tmp_path):
    np.savez(
        tmp_path / "mine.npz", **arrays_of("train", 60, 0), **arrays_of("validation", 60, 1), **arrays_of("test", 60, 2)
    )
    asked = ["lab", f"--dataset=arrays:{tmp_path / 'mine.npz'}", "--k=4", "--sigma=0.5"]
    out, result = told(*asked), printed(*asked)
    assert (result["k"], result["sigma"], result["tuned_on"], result["n"]) == (4, 0.5, None, 60)
    assert result["measured"][:16].replace("T", " ") in out  # measured once
    assert {point["index"] for point in result["points"]} == {"exact", "annoy"}
    for point in result["points"]:
        line = next(line for line in out.splitlines() if f"{point['queries_per_second']:,.0f}" in line and "MB" in line)
        assert point["index"] in line
    assert sum(line.startswith("* ") and "MB" in line for line in out.splitlines()) == sum(
        point["front"] for point in result["points"]
    )
