"""The page Overview: the verdict that it begins with, and the picture that goes with it."""

import numpy as np
import pytest

from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare


def said(at):
    """Return what the page says, as it is read."""
    return " ".join(at.text.replace("**", "").split())


def verdict_of(experiment):
    found = experiment.evaluate(experiment.tune().params)
    return found, experiment.verdict(found, on_validation=True)


def test_it_begins_with_the_verdict(opened):
    _, verdict = verdict_of(prepare(ExperimentConfig()))
    at = opened("overview")
    assert verdict.kind == "helps"
    assert ":material/check_circle:" in at.markdown[0].value
    assert all(sentence in said(at) for sentence in verdict.sentences.values())
    assert "fixed: a" in said(at)
    assert at.headings[-1] == "What ResMem is"


@pytest.mark.usefixtures("_in_shared_store")
def test_it_begins_with_the_verdict_on_values(opened, diabetes):
    _, verdict = verdict_of(diabetes)
    at = opened("overview", dataset="diabetes")
    assert all(sentence in said(at) for sentence in verdict.sentences.values())
    assert "What ResMem is" in at.headings


@pytest.fixture
def harmful(tmp_path):
    """Return a dataset in which memory helps on validation and harms on test, where all labels are turned round."""
    rng, found = np.random.default_rng(0), {}
    for part, n in {"train": 200, "validation": 100, "test": 100}.items():
        labels = np.arange(n) % 2
        found[f"{part}_embeddings"] = labels[:, None] + rng.normal(0, 0.1, (n, 3))
        found[f"{part}_labels"] = 1 - labels if part == "test" else labels
        right = rng.random(n) < 0.7
        found[f"{part}_logits"] = np.eye(2)[np.where(right, found[f"{part}_labels"], 1 - found[f"{part}_labels"])]
    np.savez(tmp_path / "harmful.npz", **found)
    return f"arrays:{tmp_path / 'harmful.npz'}"


def test_where_memory_harms_the_picture_shows_a_harm(opened, harmful):
    found, verdict = verdict_of(prepare(ExperimentConfig(harmful)))
    assert verdict.kind == "harms"
    at = opened("overview", dataset=harmful)
    assert ":material/error:" in at.markdown[0].value
    assert all(sentence in said(at) for sentence in verdict.sentences.values())
    point = int(np.flatnonzero(found.outcome == "broken")[0])
    assert f"Test point {point}, broken: a" in said(at)
    classes = opened("classes", dataset=harmful)
    assert verdict.sentences["classes"] in said(classes)
    assert verdict.losers
