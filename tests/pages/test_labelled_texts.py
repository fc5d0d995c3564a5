"""Pages on labelled texts: they are opened beside images and tables, and are shown to be read."""

import csv

import pytest

from resmem_core.common.progress import silent
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.jobs import Job
from resmem_core.experiment.prepare import prepare_examples


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "mine.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows((f"{'good warm' if i % 2 else 'bad cold'} soup of day {i}x", i % 2) for i in range(60))
    config = ExperimentConfig(f"texts:{path}")
    with Job(config).reporting(silent):
        prepare_examples(config)
    return f"texts:{path}"


def test_the_sidebar_opens_them(opened, texts):
    at = opened("overview")
    at.labelled("selectbox", "Dataset").set_value("texts").run()
    at.labelled("text_input", "Path on this machine").set_value(texts.partition(":")[2]).run()
    assert at.address("dataset") == texts
    assert at.labelled("selectbox", "Backbone").value == "tfidf"
    assert not at.error
    assert at.headline["resmem"].endswith("%")


def test_a_point_is_shown_with_its_text(opened, texts):
    at = opened("points", dataset=texts, k="5", point="3")
    assert not at.error
    assert "soup of day" in at.text
