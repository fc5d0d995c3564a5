"""The `slices` command: what it prints is what the core finds."""

import json

import pytest

from resmem_core.cli.main import main


def run(capsys, *argv):
    """Return the exit status, stdout and stderr of one call."""
    try:
        status = main(["slices", *argv])
    except SystemExit as leaving:
        status = leaving.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(("by", "n"), [("distance", 8), ("confidence", 8), ("class-size", 10)])
def test_prints_one_object(capsys, by, n):
    status, out, _ = run(capsys, "--k=5", "--sigma=2", f"--by={by}", "--near=0.6", "--json")
    assert status == 0
    result = json.loads(out)
    assert (result["k"], result["sigma"], result["tuned_on"], result["by"]) == (5, 2.0, None, by)
    found, near = result["slices"], result["near_duplicates"]
    assert len(found) == n
    everything = near["gain"]["all"]
    for name in ("n", "fixed", "broken"):
        assert sum(s[name] for s in found) == everything[name]
    assert near["n"] == len(near["pairs"]) > 0
    assert all(pair["distance"] <= near["threshold"] for pair in near["pairs"])
    assert near["threshold"] == pytest.approx(0.6 * near["median_nearest_distance"])


def test_tells_it_to_people(capsys):
    status, out, _ = run(capsys, "--tune")
    assert status == 0
    assert "embedding distance to the nearest memory" in out
    assert "near-duplicates" in out
    assert len([line for line in out.splitlines() if " to " in line and "%" in line]) >= 8 + 2


@pytest.mark.parametrize(
    ("wrong", "says"), [("--by=colour", "colour"), ("--near=2", "from 0 to 1"), ("--near=some", "from 0 to 1")]
)
def test_wrong_usage_is_told_in_a_line(capsys, wrong, says):
    status, out, err = run(capsys, wrong)
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
