"""The `memory` command: what it prints is what the core finds."""

import json

import pytest

from resmem_core.cli.main import main


def run(capsys, *argv):
    """Return the exit status, stdout and stderr of one call."""
    try:
        status = main(["memory", *argv])
    except SystemExit as leaving:
        status = leaving.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_prints_one_object(capsys):
    status, out, _ = run(capsys, "--k=5", "--sigma=2", "--top=4", "--json")
    assert status == 0
    result = json.loads(out)
    assert (result["k"], result["sigma"], result["tuned_on"], result["shapley_sum"]) == (5, 2.0, None, None)
    assert len(result["helpful"]) == 4
    nets = [point["net"] for point in result["helpful"]]
    assert nets == sorted(nets, reverse=True)
    assert all(point["net"] == pytest.approx(point["fixed"] - point["broken"]) for point in result["helpful"])
    assert all(point["net"] < 0 for point in result["harmful"])
    assert 0 < result["half_of_fixed_by"] <= result["n_helpful"] <= result["n_used"] <= result["n_memory"]


def test_shapley_values_are_added_and_kept(capsys):
    status, out, err = run(capsys, "--k=5", "--top=3", "--shapley", "--json")
    assert status == 0
    assert "Shapley values" in err
    result = json.loads(out)
    assert 0.8 < result["shapley_sum"] < 1
    assert all("shapley" in point for point in result["helpful"])
    _, again, err = run(capsys, "--k=5", "--top=3", "--shapley", "--json")
    assert json.loads(again) == result
    assert "Shapley values" not in err


def test_people_get_a_table(capsys):
    status, out, _ = run(capsys, "--tune", "--top", "2", "--shapley")
    assert status == 0
    assert "most helpful" in out
    assert "most harmful" in out
    assert "Shapley" in out


@pytest.mark.parametrize(("argument", "status"), [("--top=0", 1), ("--top=many", 2), ("--k=0", 2)])
def test_nonsense_is_told_in_one_line(capsys, argument, status):
    found, out, err = run(capsys, argument)
    assert found == status
    assert not out
    assert argument.split("=")[1] in err
