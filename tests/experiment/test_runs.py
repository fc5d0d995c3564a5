"""The list of runs: what is kept, who sees it, and what happens to a file that is no good."""

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from resmem_core.cli.settings import Language, Settings
from resmem_core.common.errors import StoreError
from resmem_core.common.store import Store
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.experiment.config import ExperimentConfig, LanguageConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.experiment.runs import APPLICATION, SCHEMA, Run, Runs
from resmem_core.experiment.text_prepare import prepare_language
from resmem_core.memory.types import Params

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return prepare(ExperimentConfig(), store=Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def judged(experiment):
    params = Params(5, 0.5, 2.0)
    return params, experiment.evaluate(params)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """Return a small experiment with text, a setting, and what comes of it."""
    folder = tmp_path_factory.mktemp("letters")
    for number in range(12):
        (folder / f"{number}.txt").write_text(f"{number}: the red fox follows a small boat home. " * 10)
    config = LanguageConfig(f"text:{folder}", "gru-small", tokenizer="characters", vocabulary=512, epochs=1)
    found = prepare_language(config, store=Store(tmp_path_factory.mktemp("store")))
    params = Params(3, 0.5)
    return found, params, found.evaluate(params)


@pytest.fixture
def runs(tmp_path):
    return Runs(Store(tmp_path))


def of(experiment, **config):
    """The experiment as it would be under another name."""
    changed = replace(experiment.config)
    for name, value in config.items():
        object.__setattr__(changed, name, value)
    return replace(experiment, config=changed)


def as_it_was(run):
    """The run as earlier versions kept it, with nothing of its rivals."""
    of_rivals = ("rivals", "best_rival", "against_rival")
    return replace(run, results={name: value for name, value in run.results.items() if name not in of_rivals})


def earlier(path, schema, rows):
    """Write a list as versions with a column for each field did."""
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as connection:
        names = ", ".join(f'"{name}"' for name in rows[0])
        connection.execute(f"CREATE TABLE runs ({names})")
        places = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO runs VALUES ({places})", [tuple(row.values()) for row in rows])
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {schema}")


class TestWhatIsKept:
    def test_results_and_setting(self, runs, experiment, judged):
        params, evaluation = judged
        runs.record(experiment, params, evaluation, tuned=False)
        (run,) = Runs(Store(runs.path.parents[2])).list()
        assert run == replace(Run.of(experiment, params, evaluation, tuned=False), recorded=run.recorded)
        assert not run.is_text
        got, setting = run.results, run.setting
        assert (got["base"], got["resmem"]) == (evaluation.accuracy["base"], evaluation.accuracy["resmem"])
        assert (got["delta_low"], got["delta_high"]) == evaluation.delta_ci95
        assert got["delta"] == pytest.approx((got["fixed"] - got["broken"]) / got["n_test"])
        assert got["ece_resmem"] == evaluation.calibration["resmem"].ece != got["ece_base"]
        for metric, values in evaluation.metrics.items():
            assert {method: got[f"{metric}_{method}"] for method in values} == values
        assert (got["n_memory"], got["n_test"], got["weights"]) == (904, 640, "shipped")
        assert (setting["normalize"], setting["epochs"], run.tuned) == (None, None, False)
        assert run.as_dict() == {"id": run.id, "recorded": run.recorded, "tuned": False, **setting, **got}

    def test_it_can_be_shown_again(self, runs, experiment, judged):
        shown = of(experiment, normalize=False, epochs=3, index="annoy", edits="a" * 24)
        runs.record(shown, *judged, tuned=True)
        settings = Settings(**runs.list()[0].setting)
        assert settings.experiment() == shown.config
        assert settings.params(Params(1, 1.0)) == judged[0]
        assert runs.list()[0].tuned is True

    def test_corrupted_data_is_another_setting(self, runs, experiment, judged):
        for config in ({}, {"imbalance": 10.0}, {"label_noise": 0.2}):
            runs.record(of(experiment, **config), *judged, tuned=False)
        listed = [(run.setting["imbalance"], run.setting["label_noise"]) for run in runs.list()]
        assert listed == [(1.0, 0.2), (10.0, 0.0), (1.0, 0.0)]
        assert Settings(**runs.list()[0].setting).label_noise == 0.2

    def test_text_is_kept_as_well(self, runs, spoken):
        experiment, params, evaluation = spoken
        runs.record(experiment, params, evaluation, tuned=True)
        (run,) = runs.list()
        assert run.is_text
        got = run.results
        assert (run.dataset, run.backbone, got["weights"]) == (experiment.config.dataset, "gru-small", "trained here")
        assert (got["n_memory"], got["n_test"]) == (experiment.n_memory, evaluation.n)
        assert got["delta"] == pytest.approx((got["fixed"] - got["broken"]) / got["n_test"])
        assert got["nll_resmem"] == pytest.approx(np.log(evaluation.perplexity["resmem"]))
        shown = Language(**run.setting)
        assert shown.experiment() == experiment.config
        assert shown.params(Params(1, 1.0)) == params
        runs.record(of(experiment, vocabulary=600), params, evaluation, tuned=True)
        assert [run.setting["vocabulary"] for run in runs.list()] == [600, 512]

    def test_a_clean_setting_has_the_name_it_always_had(self, experiment, judged):
        assert Run.of(experiment, Params(1, 0.5), judged[1], tuned=True).id == "ee2d6f03c88f1a13f98c7487"

    @pytest.mark.parametrize("schema", [1, 2, 3])
    def test_a_list_of_an_earlier_version_is_kept(self, runs, experiment, judged, schema):
        old = as_it_was(Run.of(experiment, judged[0], judged[1], tuned=True))
        columns = {**old.as_dict(), "weights": "shipped"}
        for name in ("imbalance", "label_noise") if schema == 1 else ():
            del columns[name]
        if schema == 3:
            columns |= {"tokenizer": "", "vocabulary": 0}
        earlier(runs.path, schema, [columns])
        assert runs.list() == (old,)
        runs.record(of(experiment, seed=1), *judged, tuned=False)
        runs.record(experiment, *judged, tuned=False)
        assert sorted((run.setting["seed"], run.setting["imbalance"], run.tuned) for run in runs.list()) == [
            (0, 1.0, True),
            (1, 1.0, False),
        ]
        assert runs.set_aside() == ()

    def test_text_in_a_list_of_an_earlier_version_is_kept(self, runs, spoken):
        experiment, params, evaluation = spoken
        old = as_it_was(Run.of(experiment, params, evaluation, tuned=True))
        filled = {"imbalance": 1.0, "label_noise": 0.0, "normalize": None, "edits": ""}
        earlier(runs.path, 3, [{**old.as_dict(), **filled}])
        assert runs.list() == (old,)
        assert Language(**runs.list()[0].setting).experiment() == experiment.config

    def test_an_earlier_version_with_other_columns_is_set_aside(self, runs):
        earlier(runs.path, 2, [{"id": "a", "recorded": "b"}])
        with pytest.warns(UserWarning, match="was set aside as"):
            assert runs.list() == ()

    def test_what_is_no_finite_number_is_none_in_json(self, runs, experiment, judged):
        with mock.patch.object(Evaluation, "delta_ci95", (float("nan"), float("inf"))):
            runs.record(experiment, judged[0], replace(judged[1]), tuned=False)
        (run,) = runs.list()
        assert (run.as_dict()["delta_low"], run.as_dict()["delta_high"]) == (None, None)

    def test_the_same_setting_is_one_row_and_stays_chosen_on_validation(self, runs, experiment, judged):
        for tuned in (False, True, False):
            runs.record(experiment, *judged, tuned=tuned)
        (run,) = runs.list()
        assert run.tuned
        runs.record(experiment, replace(judged[0], k=6), judged[1], tuned=False)
        runs.record(of(experiment, seed=1), *judged, tuned=False)
        assert len(runs.list()) == 3
        assert runs.list()[0].setting["seed"] == 1

    def test_filters_and_deletion(self, runs, experiment, judged):
        for dataset, backbone in (("digits", "linear"), ("digits", "small-cnn"), ("folder:/a", "linear")):
            runs.record(of(experiment, dataset=dataset, backbone=backbone), *judged, tuned=False)
        assert {run.backbone for run in runs.list(dataset="digits")} == {"linear", "small-cnn"}
        assert {run.dataset for run in runs.list(backbone="linear")} == {"digits", "folder:/a"}
        runs.delete(runs.list(dataset="digits", backbone="linear")[0].id)
        runs.delete("no such run")
        assert len(runs.list()) == 2
        runs.forget("folder:/a")
        assert [run.backbone for run in runs.list()] == ["small-cnn"]

    def test_runs_on_private_data_are_for_those_who_name_it(self, runs, experiment, judged):
        mine, other = (f"upload:{digit * 32}" for digit in "ab")
        for dataset in (mine, other, "digits"):
            runs.record(of(experiment, dataset=dataset), *judged, tuned=False)
        assert [run.dataset for run in runs.list()] == ["digits"]
        assert {run.dataset for run in runs.list(private={mine})} == {"digits", mine}
        assert runs.list(dataset=other, private={mine}) == ()
        runs.record(of(experiment, dataset=f"{mine}?logits=raw"), *judged, tuned=False)
        assert (len(runs.list()), len(runs.list(private={mine}))) == (1, 3)

    def test_nothing_is_made_by_looking(self, tmp_path):
        runs = Runs(Store(tmp_path / "nowhere"))
        assert runs.list() == runs.set_aside() == ()
        runs.delete("a")
        runs.forget("digits")
        assert not (tmp_path / "nowhere").exists()

    def test_clearing_the_store_keeps_them(self, runs, experiment, judged):
        runs.record(experiment, *judged, tuned=False)
        Store(runs.path.parents[2]).clear()
        assert len(runs.list()) == 1


def foreign(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE shopping (what TEXT)")


def of_another_application(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1")
        connection.execute("PRAGMA application_id = 7")


def cut_short(path):
    with sqlite3.connect(path) as connection:
        connection.executescript(
            f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {SCHEMA}; CREATE TABLE runs (a TEXT);"
        )
        connection.executemany("INSERT INTO runs VALUES (?)", [("x" * 500,)] * 100)
    path.write_bytes(path.read_bytes()[:9000])


class TestFilesThatAreNoGood:
    @pytest.mark.parametrize(
        "damage",
        [lambda path: path.write_bytes(b"not a database" * 99), foreign, of_another_application, cut_short],
        ids=["text", "foreign", "another application", "cut short"],
    )
    @pytest.mark.parametrize("first", ["list", "record"])
    def test_are_set_aside_and_told(self, runs, experiment, judged, damage, first):
        runs.path.parent.mkdir(parents=True)
        damage(runs.path)
        content = runs.path.read_bytes()
        with pytest.warns(UserWarning, match="was set aside as"):
            runs.record(experiment, *judged, tuned=False) if first == "record" else runs.list()
        (aside,) = runs.set_aside()
        assert aside.read_bytes() == content
        runs.record(experiment, *judged, tuned=False)
        assert len(runs.list()) == 1
        assert runs.set_aside() == (aside,)

    def test_an_empty_file_is_a_new_list(self, runs, experiment, judged):
        runs.path.parent.mkdir(parents=True)
        runs.path.touch()
        assert runs.list() == ()
        runs.record(experiment, *judged, tuned=False)
        assert len(runs.list()) == 1
        assert runs.set_aside() == ()

    def test_a_later_version_is_left_alone(self, runs, experiment, judged):
        runs.record(experiment, *judged, tuned=False)
        with sqlite3.connect(runs.path) as connection:
            connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
        before = runs.path.read_bytes()
        with pytest.raises(StoreError, match="later version"):
            runs.list()
        with pytest.warns(UserWarning, match="not listed among the experiments.*later version"):
            runs.record(experiment, *judged, tuned=False)
        assert runs.path.read_bytes() == before
        assert runs.set_aside() == ()

    def test_a_failure_to_write_is_a_warning(self, tmp_path, experiment, judged):
        (tmp_path / "own").write_text("a file where a folder should be")
        with pytest.warns(UserWarning, match="could not write"):
            Runs(Store(tmp_path)).record(experiment, *judged, tuned=False)

    def test_a_lock_that_stays_is_a_warning(self, runs, experiment, judged, monkeypatch):
        monkeypatch.setattr("resmem_core.experiment.runs.WAIT", 0.05)
        runs.record(experiment, *judged, tuned=False)
        with sqlite3.connect(runs.path, isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.warns(UserWarning, match="locked"):
                runs.record(experiment, *judged, tuned=False)
            other.execute("ROLLBACK")
        assert len(runs.list()) == 1


WRITER = """
import sys
from dataclasses import replace
from types import SimpleNamespace
from resmem_core.experiment import runs as module
from resmem_core.experiment.runs import Run, Runs
from resmem_core.common.store import Store

template = Run("x", "x", False, {"dataset": "x", "backbone": "x"}, {})
runs = Runs(Store(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    Run.of = classmethod(lambda cls, *a, tuned: replace(template, id=f"{sys.argv[2]}-{number}"))
    runs.record(None, None, None, tuned=False)
"""


@pytest.mark.parametrize("content", [None, b"not a database" * 99], ids=["new", "damaged"])
def test_processes_that_write_at_once_lose_nothing(tmp_path, content):
    runs = Runs(Store(tmp_path))
    if content is not None:
        runs.path.parent.mkdir(parents=True)
        runs.path.write_bytes(content)
    writers = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WRITER, str(tmp_path), name],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for name in "ab"
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout.readline() == b"ready\n"
    for writer in writers:
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    errors = [writer.communicate(timeout=120)[1] for writer in writers]
    assert errors == [b"", b""]
    assert {run.id for run in runs.list()} == {f"{name}-{number}" for name in "ab" for number in range(40)}
    assert len(runs.set_aside()) == (content is not None)
