"""The `slices` command: what it prints is what the core finds."""

import pytest


@pytest.mark.parametrize(("by", "n"), [("distance", 8), ("confidence", 8), ("class-size", 10)])
def test_prints_one_object(printed, by, n):
    result = printed("slices", "--k=5", "--sigma=2", f"--by={by}", "--near=0.6")
    assert (result["k"], result["sigma"], result["tuned_on"], result["by"]) == (5, 2.0, None, by)
    found, near = result["slices"], result["near_duplicates"]
    assert len(found) == n
    everything = near["gain"]["all"]
    for name in ("n", "fixed", "broken"):
        assert sum(s[name] for s in found) == everything[name]
    assert near["n"] == len(near["pairs"]) > 0
    assert all(pair["distance"] <= near["threshold"] for pair in near["pairs"])
    assert near["threshold"] == pytest.approx(0.6 * near["median_nearest_distance"])


def test_tells_it_to_people(told):
    out = told("slices", "--tune")
    assert "embedding distance to the nearest memory" in out
    assert "near-duplicates" in out
    assert len([line for line in out.splitlines() if " to " in line and "%" in line]) >= 8 + 2
