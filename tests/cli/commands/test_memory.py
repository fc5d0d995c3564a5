"""The `memory` command: what it prints is what the core finds."""

import json

import pytest


def test_prints_one_object(printed):
    result = printed("memory", "--k=5", "--sigma=2", "--top=4")
    assert (result["k"], result["sigma"], result["tuned_on"], result["shapley_sum"]) == (5, 2.0, None, None)
    assert len(result["helpful"]) == 4
    nets = [point["net"] for point in result["helpful"]]
    assert nets == sorted(nets, reverse=True)
    assert all(point["net"] == pytest.approx(point["fixed"] - point["broken"]) for point in result["helpful"])
    assert all(point["net"] < 0 for point in result["harmful"])
    assert 0 < result["half_of_fixed_by"] <= result["n_helpful"] <= result["n_used"] <= result["n_memory"]


def test_shapley_values_are_added_and_kept(run):
    argv = ("memory", "--k=5", "--top=3", "--shapley", "--json")
    status, out, err = run(*argv)
    assert status == 0
    assert "Shapley values" in err
    result = json.loads(out)
    assert 0.8 < result["shapley_sum"] < 1
    assert all("shapley" in point for point in result["helpful"])
    _, again, err = run(*argv)
    assert again == out
    assert "Shapley values" not in err
