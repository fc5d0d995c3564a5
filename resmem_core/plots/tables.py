"""Results -> tables, ready for CSV and Parquet. A row is a test point, or a group of them; names are written out."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.files import write_whole
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.metrics import GroupResult

if TYPE_CHECKING:
    from resmem_core.data.types import Examples
    from resmem_core.experiment.prepare import Experiment

# A spreadsheet takes text that begins like this for a formula. The apostrophe is here so that a name of a person's own
# that begins with one is told from one that was given it.
_FORMULA = re.compile(r"^(?=['\s=+\-@＝＋－＠])")


def example_table(experiment: Experiment, evaluation: Evaluation) -> pd.DataFrame:
    """Return what each of M test points is, what the methods say of it, and its nearest memory.

    Parameters
    ----------
    experiment : Experiment
    evaluation : Evaluation
        Of the experiment's test split.

    Returns
    -------
    DataFrame with M rows
        `row` in the test split, `name` and `label` (classes are given by name); the class that `base`, `knn`,
        `interpolation` and `resmem` predict; `outcome`; of base and ResMem, `_confidence` in the class predicted and
        `_label_probability`, that of the true class (ResMem's scores are projected onto the probability simplex and
        smoothed); `nearest_distance` (in units of the embedding), `nearest_id` (row in memory) and `nearest_label` of
        the nearest memory; then, called `metadata_COLUMN`, what else its owner's file says of the point.
    """
    test, names = experiment.test, np.array(evaluation.class_names, dtype=object)
    nearest = test.neighbors.indices[:, 0]
    return pd.DataFrame(
        {
            **row_columns(experiment.dataset.test),
            "label": names[evaluation.labels],
            **{method: names[predicted] for method, predicted in evaluation.predictions.items()},
            "outcome": evaluation.outcome.astype(object),
            **{f"{method}_confidence": values.largest for method, values in evaluation.confidence.items()},
            **{f"{method}_label_probability": values.own for method, values in evaluation.confidence.items()},
            "nearest_distance": test.neighbors.distances[:, 0],
            "nearest_id": nearest,
            "nearest_label": names[experiment.memory.labels[nearest]],
            **metadata_columns(experiment.dataset.test),
        }
    )


def row_columns(examples: Examples) -> dict[str, Any]:
    """Return the columns that every table of examples begins with: their `row`, and their `name`."""
    rows = np.arange(len(examples))
    called = rows if examples.names is None else examples.names
    return {"row": rows, "name": called.astype(str).astype(object)}


def metadata_columns(examples: Examples) -> Mapping[Any, Any]:
    """Return the columns that it ends with, what else its owner's file says, called `metadata_COLUMN`."""
    metadata = examples.metadata
    return {} if metadata is None else dict(metadata.to_pandas().astype(object).add_prefix("metadata_"))


def method_table(evaluation: Evaluation) -> pd.DataFrame:
    """Return how good each of the four methods is, at which setting, and what ResMem gains over it.

    Returns
    -------
    DataFrame with a row a method
        `method`; its setting, `k`, `sigma`, `temperature` and `lambda`, of which it has some; `accuracy` from
        `accuracy_low` to `accuracy_high`; whether it is the `best_rival`; then, of ResMem less this method, `gain` from
        `gain_low` to `gain_high` (95 % paired interval), how many points are `fixed` and `broken`, and `mcnemar_p`.
    """
    settings = {**evaluation.rivals.by_method(), "resmem": asdict(evaluation.params)}
    rows = []
    for method, accuracy in evaluation.accuracy.items():
        low, high = evaluation.accuracy_ci95[method]
        setting = {name: settings[method].get(name) for name in ("k", "sigma", "temperature", "lambda")}
        row = {"method": method, **setting, "accuracy": accuracy, "accuracy_low": low, "accuracy_high": high}
        row["best_rival"] = method == evaluation.best_rival
        if method in evaluation.versus:
            of = evaluation.versus[method]
            row |= {"gain": of.gain, "gain_low": of.gain_ci95[0], "gain_high": of.gain_ci95[1]}
            row |= {"fixed": of.fixed, "broken": of.broken, "mcnemar_p": of.mcnemar_p}
        rows.append(row)
    return pd.DataFrame(rows).astype(dict.fromkeys(("k", "fixed", "broken"), "Int64"))  # some methods have none


def class_table(evaluation: Evaluation) -> pd.DataFrame:
    """Return what memory does to each class that occurs: a `group_table` whose groups are called `class`.

    Besides, the accuracies of the rivals in it, `knn` and `interpolation`.
    """
    of_rivals = {method: evaluation.right(method) for method in ("knn", "interpolation")}
    rows = [evaluation.labels == label for label in np.unique(evaluation.labels)]
    rivals = [{method: float(right[members].mean()) for method, right in of_rivals.items()} for members in rows]
    return group_table("class", evaluation.per_class, rivals)


def group_table(kind: str, groups: Sequence[GroupResult], more: Sequence[Mapping[str, Any]] = ()) -> pd.DataFrame:
    """Return what memory does to each group of points.

    Parameters
    ----------
    kind : str
        What a group is called ("class").
    groups : sequence of GroupResult
    more : sequence of mapping, optional
        Further columns, a mapping a group.

    Returns
    -------
    DataFrame with a row a group
        Its name, the further columns, `n` (its points), accuracy of `base` and `resmem`, `gain` from `gain_low` to
        `gain_high` (95 % paired interval), and how many points were `fixed` and `broken`.
    """
    return pd.DataFrame(
        [
            {
                kind: g.name,
                **extra,
                "n": g.n,
                "base": g.base,
                "resmem": g.resmem,
                "gain": g.gain,
                "gain_low": g.gain_ci95[0],
                "gain_high": g.gain_ci95[1],
                "fixed": g.fixed,
                "broken": g.broken,
            }
            for g, extra in zip(groups, more or [{}] * len(groups), strict=True)
        ]
    )


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as its file's extension says, whole or not at all; see `table_bytes`.

    Raises
    ------
    InvalidParameterError
        If the extension is none of `FORMATS`.
    OSError
        If the file cannot be written.
    """
    write_whole(path, table_bytes(frame, extension_of(path)))


def extension_of(path: Path) -> str:
    """Return the key of `FORMATS` that a file's extension names, in either case.

    Raises
    ------
    InvalidParameterError
        If it names none.
    """
    extension = path.suffix.lower()
    if extension not in FORMATS:
        raise InvalidParameterError(
            f"{str(path)!r} is not the name of a table's file; end it with one of: {', '.join(FORMATS)}"
        )
    return extension


def table_bytes(frame: pd.DataFrame, extension: str) -> bytes:
    """Return the content of a file that holds `frame`, in the format of a key of `FORMATS`.

    Parquet holds every value as it is. In CSV, text that a spreadsheet could take for a formula (it begins with =, +,
    -, @ or white space) is written after an apostrophe, and so is text that begins with an apostrophe: dropping one
    leading apostrophe gives every text back as it was. All text is quoted, so that no separator in it begins another
    cell.
    """
    return FORMATS[extension](frame)


def _csv(frame: pd.DataFrame) -> bytes:
    text = frame.select_dtypes(exclude="number").map(_harmless)
    harmless = frame.assign(**text).rename(columns=_harmless)
    return harmless.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").encode()


def _harmless(value: object) -> object:
    return _FORMULA.sub("'", value) if isinstance(value, str) else value


FORMATS: Mapping[str, Callable[[pd.DataFrame], bytes]] = {
    ".csv": _csv,
    ".parquet": partial(pd.DataFrame.to_parquet, index=False, engine="pyarrow"),
}
