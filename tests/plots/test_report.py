import html
import re
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

from resmem_core.cli.main import main
from resmem_core.data.example_files import example_file
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params
from resmem_core.plots.report import POINTS_SHOWN, report_command, report_figures, report_html

EVIL = '<script>window.pwned = 1</script>"onload="window.pwned=1'
BY_HAND = "were set by hand"


@pytest.fixture(scope="module")
def told(experiment):
    tuned = experiment.tune()
    evaluation = experiment.evaluate(tuned.params)
    return evaluation, report_html(experiment, evaluation, tuned=tuned)


def text_of(page):
    """Return what the page says, without its scripts and markup."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_it_tells_the_numbers_of_the_evaluation(experiment, told):
    evaluation, page = told
    text = text_of(page)
    for method, value in evaluation.accuracy.items():
        assert f"{round(value * evaluation.n)} of {evaluation.n} {value:.2%}" in text, method
    low, high = evaluation.delta_ci95
    assert f"{100 * evaluation.delta:+.2f} points, 95 % interval {100 * low:+.2f} to {100 * high:+.2f}" in text
    assert f"Fixed (base wrong, ResMem right) {evaluation.fixed} Broken" in text
    assert f"{evaluation.mcnemar_p:.2g}" in text
    for name in ("nll", "brier", "ece"):
        before, after = (getattr(evaluation.calibration[method], name) for method in ("base", "resmem"))
        assert f"{before:.4f} {after:.4f} {after - before:+.4f}" in text
    assert str(experiment.verdict(evaluation, on_validation=True)) in text
    for c in evaluation.per_class:
        assert f"{c.name} {c.n} {c.base:.1%} {c.resmem:.1%} {100 * c.gain:+.1f}" in text


def test_it_tells_every_setting_and_the_software(experiment, told):
    evaluation, page = told
    text = text_of(page)
    params = evaluation.params
    for name, value in {
        "Dataset": "digits",
        "Digest of the data": experiment.dataset.fingerprint,
        "Backbone": "linear",
        "Seed": 0,
        "Index": "exact",
        f"Recall@{params.k} of the index": "100.0%",
        "k, neighbours": params.k,
        "Temperature of the base model": f"{params.temperature:.6g}",
        "epochs": experiment.base.recipe.epochs,
        "numpy": np.__version__,
    }.items():
        assert f"{name} {value}" in text


def test_the_same_setting_is_chosen_or_set_by_hand(experiment, told):
    tuned = experiment.tune()
    evaluation, page = told
    assert "on the validation split" in text_of(page)
    assert BY_HAND not in page
    assert "--tune" in page
    assert BY_HAND in report_html(experiment, evaluation)
    by_hand = report_html(experiment, experiment.evaluate(replace(tuned.params, k=33)), tuned=tuned)
    assert BY_HAND in by_hand
    assert "--k=33" in by_hand
    assert "--tune" not in by_hand


def test_the_command_writes_a_report_of_the_same_numbers(experiment, tmp_path, capsys):
    params = Params(7, 0.7312345678901234, 1.25)
    command = report_command(experiment, params, on_validation=False).split()
    assert command[:3] == ["python", "-m", "resmem_core"]
    assert command[-1] == "--output=report.html"
    file = tmp_path / "report.html"
    assert main([*command[3:-1], f"--output={file}"]) == 0
    capsys.readouterr()
    first, second = (
        re.sub("Reported on .*? UTC", "", text_of(page))
        for page in (file.read_text(), report_html(experiment, experiment.evaluate(params)))
    )
    assert first == second


def test_points_of_both_outcomes_come_with_their_memories(experiment, told):
    evaluation, page = told
    text = text_of(page)
    assert f"{POINTS_SHOWN} of {evaluation.fixed}, drawn at random" in text
    assert f"{evaluation.broken} of {evaluation.broken}, drawn at random" in text
    rows = [int(row) for row in re.findall(r"Test point #(\d+)", text)]
    assert {str(evaluation.outcome[row]) for row in rows} == {"fixed", "broken"}
    assert len(rows) == len(set(rows)) == POINTS_SHOWN + evaluation.broken
    shown = page.count('<img class="example" src="data:image/png;base64,')
    assert shown == len(rows) * (1 + min(6, evaluation.params.k))
    assert page.count('alt="test point') + page.count('alt="training point') == shown


def test_an_outcome_without_points_says_so(experiment):
    evaluation = experiment.evaluate(experiment.tune().params)
    resmem = evaluation.judged.resmem
    mended = np.where(evaluation.outcome == "broken", evaluation.labels, resmem.predictions)
    judged = evaluation.judged._replace(resmem=resmem._replace(predictions=mended))
    assert "No test point is broken." in text_of(report_html(experiment, replace(evaluation, judged=judged)))


def test_edited_memory_is_told_point_by_point(experiment):
    edited = experiment.edited(experiment.edits.forget([3, 5]).relabel(8, 1))
    text = text_of(report_html(edited, edited.evaluate(Params(5, 0.5))))
    assert "Memory was edited : 2 points forgotten, 1 relabelled" in text
    assert "Training point 5 forgotten" in text
    assert "Training point 8 held as 1" in text
    assert f"Training points, in memory {len(experiment.memory) - 2:,}" in text


def test_every_figure_has_a_name_a_title_and_a_description(experiment, told):
    figures = report_figures(experiment, told[0])
    assert len({shown.name for shown in figures}) == len(figures) >= 6
    assert all(shown.title and shown.alt and shown.text for shown in figures)
    for shown in figures:
        assert f'data-name="resmem-{shown.name}"' in told[1]


@pytest.fixture
def evil(tmp_path):
    """Return an experiment without images whose classes and file are called like markup."""
    path = tmp_path / "<img src=x onerror=alert(1)>.npz"
    arrays = dict(np.load(BytesIO(example_file(".npz"))))
    np.savez(path, **{**arrays, "class_names": np.array([EVIL, "=1", "a & b"])})
    return prepare(ExperimentConfig(f"arrays:{path}"))


def test_what_a_user_names_is_text_and_nothing_else(evil):
    page = report_html(evil, evil.evaluate(Params(5, 0.5)))
    assert "<script>window.pwned" not in page
    assert "<img src=x" not in page
    assert '"onload="' not in page
    assert EVIL in text_of(page)
    assert "<img src=x onerror=alert(1)>.npz" in text_of(page)
    assert "<img class" not in page  # without images points go by name
    assert "Test point #" in page
