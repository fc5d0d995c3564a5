"""The `lab` command: every index in one table."""

import numpy as np
import pytest

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


def test_of_values_it_costs_rmse(told, printed):
    asked = ["lab", "--dataset=diabetes", "--limit-train=40", "--k=4", "--sigma=2"]
    out, result = told(*asked), printed(*asked)
    rmse = printed("evaluate", *asked[1:])["rmse"]["resmem"]
    exact = next(point for point in result["points"] if point["index"] == "exact")
    assert (exact["rmse"], exact["cost"], "accuracy" in exact) == (pytest.approx(rmse), 0, False)
    for point in result["points"]:
        assert point["cost"] == pytest.approx(point["rmse"] - exact["rmse"])
        assert point["cost_ci95"][0] <= point["cost"] <= point["cost_ci95"][1]
    assert any(point["cost"] for point in result["points"])
    assert "RMSE cost" in out
    assert "accuracy" not in out
