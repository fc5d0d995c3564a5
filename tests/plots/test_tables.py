import csv
import io
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError
from resmem_core.evaluation.metrics import GroupResult
from resmem_core.memory.types import Params
from resmem_core.plots.tables import (
    FORMATS,
    class_table,
    example_table,
    group_table,
    method_table,
    table_bytes,
    write_table,
)


@pytest.fixture(scope="module")
def evaluation(experiment):
    return experiment.evaluate(Params(5, 0.5, 2.0))


class TestExamples:
    def test_rows_say_what_explaining_says_and_columns_add_up_to_the_evaluation(self, experiment, evaluation):
        table = example_table(experiment, evaluation)
        assert len(table) == evaluation.n
        names = experiment.dataset.class_names
        for row in (0, 17, 200):
            told, explanation = table.iloc[row], experiment.explain(row, evaluation.params)
            assert told["row"] == row
            assert told["name"] == experiment.dataset.test.names[row]
            assert told["label"] == names[explanation.label]
            assert told["base"] == names[explanation.base_prediction]
            assert told["resmem"] == names[explanation.prediction]
            assert told["nearest_id"] == explanation.ids[0]
            assert told["nearest_label"] == names[explanation.labels[0]]
            assert told["nearest_distance"] == pytest.approx(explanation.distances[0])
            assert told["base_confidence"] == pytest.approx(explanation.base_alone.max(), abs=1e-5)
            assert told["base_label_probability"] == pytest.approx(explanation.base_alone[explanation.label], abs=1e-5)
        for method, accuracy in evaluation.accuracy.items():
            assert (table[method] == table["label"]).mean() == pytest.approx(accuracy)
        counts = table["outcome"].value_counts()
        assert (counts["fixed"], counts["both right"]) == (evaluation.fixed, evaluation.counts["both right"])
        nll = -np.log(np.maximum(table["resmem_label_probability"], 1e-6)).mean()
        assert nll == pytest.approx(evaluation.calibration["resmem"].nll, rel=1e-4)

    def test_memory_that_was_relabelled_is_told_so_and_nameless_examples_go_by_their_row(self, experiment, evaluation):
        nearest = int(experiment.test.neighbors.indices[0, 0])
        other = (int(experiment.memory.labels[nearest]) + 1) % 10
        edited = experiment.edited(experiment.edits.relabel(nearest, other))
        table = example_table(edited, edited.evaluate(Params(5, 0.5)))
        assert table["nearest_label"][0] == experiment.dataset.class_names[other]
        data = experiment.dataset
        nameless = replace(experiment, dataset=replace(data, test=replace(data.test, names=None)))
        assert example_table(nameless, evaluation)["name"][3] == "3"


def test_classes_have_the_numbers_of_the_evaluation_and_groups_columns_of_their_own(evaluation):
    table = class_table(evaluation)
    assert table["n"].sum() == evaluation.n
    assert table["fixed"].sum() == evaluation.fixed
    assert table["broken"].sum() == evaluation.broken
    np.testing.assert_allclose(table["gain"], table["resmem"] - table["base"])
    assert (table["gain_low"] <= table["gain_high"]).all()
    assert list(table["class"]) == list(evaluation.class_names)
    for method in ("knn", "interpolation"):
        assert (table["n"] * table[method]).sum() == pytest.approx(evaluation.right(method).sum())
    right = np.array([True, False])
    groups = [GroupResult.of(name, right, right) for name in "ab"]
    table = group_table("slice", groups, [{"from": 0.0}, {"from": 1.0}])
    assert list(table)[:3] == ["slice", "from", "n"]
    assert list(table["from"]) == [0.0, 1.0]


def test_methods_have_their_settings_and_what_resmem_gains_over_them(evaluation):
    table = method_table(evaluation).set_index("method")
    assert table["accuracy"].to_dict() == evaluation.accuracy
    np.testing.assert_allclose(table["gain"][:-1], (table["accuracy"]["resmem"] - table["accuracy"])[:-1], atol=1e-12)
    told, rival = evaluation.as_dict(), table.loc[evaluation.best_rival]
    assert table.index[table["best_rival"]].tolist() == [told["best_rival"]]
    assert [rival["gain_low"], rival["gain_high"]] == told["against_rival"]["gain_ci95"]
    assert (rival["fixed"], rival["mcnemar_p"]) == (told["against_rival"]["fixed"], told["against_rival"]["mcnemar_p"])
    for method, setting in told["rivals"].items():
        assert {name: table.loc[method, name] for name in setting if name != "lambda_perplexity"} == {
            name: value for name, value in setting.items() if name != "lambda_perplexity"
        }
    assert (table.loc["resmem", "k"], table.loc["resmem", "temperature"]) == (5, 2.0)
    assert table.loc["resmem", ["gain", "fixed", "mcnemar_p"]].isna().all()


class TestFiles:
    @pytest.mark.parametrize("extension", [".csv", ".parquet", ".CSV"])
    def test_values_come_back(self, tmp_path, experiment, evaluation, extension):
        frame, path = example_table(experiment, evaluation), tmp_path / f"table{extension}"
        write_table(frame, path)
        dtypes = dict.fromkeys(("name", "label", "outcome", *evaluation.predictions, "nearest_label"), str)
        back = pd.read_parquet(path) if extension == ".parquet" else pd.read_csv(path, dtype=dtypes)
        assert list(back) == list(frame)
        for name in frame:
            if frame[name].dtype.kind == "f":
                np.testing.assert_allclose(back[name], frame[name], rtol=1e-6)
            else:
                assert back[name].tolist() == frame[name].tolist()
        assert [file.name for file in tmp_path.iterdir()] == [path.name]

    @pytest.mark.parametrize("name", ["table.xlsx", "table", ".csv"])
    def test_other_files_are_refused_with_what_to_do(self, tmp_path, name):
        with pytest.raises(InvalidParameterError, match=rf"{name}.*\.csv, \.parquet"):
            write_table(pd.DataFrame({"a": [1]}), tmp_path / name)
        assert list(tmp_path.iterdir()) == []

    def test_what_cannot_be_written_is_named_and_what_was_there_stays(self, tmp_path, monkeypatch):
        one, path = pd.DataFrame({"a": [1]}), tmp_path / "table.csv"
        with pytest.raises(FileNotFoundError, match=str(tmp_path / "none" / "table.csv")):
            write_table(one, tmp_path / "none" / "table.csv")
        write_table(one, path)
        before = path.read_bytes()
        monkeypatch.setattr(Path, "write_bytes", Mock(side_effect=OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            write_table(2 * one, path)
        assert path.read_bytes() == before


def cells(frame):
    """Return the rows of the CSV file, header and all, as text."""
    return list(csv.reader(io.StringIO(table_bytes(frame, ".csv").decode(), newline="")))


class TestSpreadsheets:
    @pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\n=1", "＝1", "=HYPERLINK(1)"])
    def test_no_text_begins_like_a_formula(self, name):
        (header,), (value,) = cells(pd.DataFrame({name: [name]}))
        assert header == value == f"'{name}"

    def test_numbers_stay_numbers(self):
        content = table_bytes(pd.DataFrame({"a": [-1.5], "b": [-2], "c": ["-2"]}), ".csv").decode()
        assert content == '"a","b","c"\n-1.5,-2,"\'-2"\n'

    @given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))))
    def test_dropping_one_apostrophe_gives_every_text_back(self, texts):
        frame = pd.DataFrame({"n": range(len(texts)), "text": np.array(texts, dtype=object)})
        written = [row[1] for row in cells(frame)[1:]]
        assert [text.removeprefix("'") for text in written] == texts
        assert not any(text.lstrip()[:1] in tuple("=+-@") for text in written if text)

    def test_parquet_holds_them_as_they_are_and_every_format_takes_an_empty_table(self):
        frame = pd.DataFrame({"a": ["=1", "'x"]})
        assert pd.read_parquet(io.BytesIO(table_bytes(frame, ".parquet")))["a"].tolist() == ["=1", "'x"]
        assert all(table_bytes(frame[:0], extension) for extension in FORMATS)
