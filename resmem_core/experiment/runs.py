"""The run history of this machine, in an SQLite file that outlives the server.

One row is one setting of one experiment; trying it again replaces the row. Setting and results are JSON, so that a new
field or metric needs no new schema. Transactions are short and wait for each other, so any number of processes may
write. Runs on private data, such as uploads, are kept as well, but listed only to those who name it: the name is all it
takes to open it.
"""

from __future__ import annotations

import json
import sqlite3
import warnings
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock

from resmem_core.common.errors import StoreError
from resmem_core.common.store import Store, digest_key
from resmem_core.data import DATASETS
from resmem_core.data.types import VALUES
from resmem_core.evaluation.metrics import for_json
from resmem_core.evaluation.values import ValueEvaluation
from resmem_core.memory.types import Params

if TYPE_CHECKING:
    from resmem_core.evaluation.evaluate import Evaluation
    from resmem_core.experiment.experiment import Searched

T = TypeVar("T")
FILE = "runs.sqlite"
APPLICATION = 0x5265734D  # "ResM": marks the file as ours
SCHEMA = 4  # of the table; a file with a later one is left alone
WAIT = 10.0  # seconds for other processes' transactions
_CLEAN = {"imbalance": 1.0, "label_noise": 0.0}  # told in a run's id only where they differ
_USUAL_TEXT = {"normalize": None}  # likewise, of text
_CREATE = """CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY, recorded TEXT NOT NULL, dataset TEXT NOT NULL, backbone TEXT NOT NULL,
    tuned INTEGER NOT NULL, setting TEXT NOT NULL, results TEXT NOT NULL)"""
_COLUMNS = "id, recorded, dataset, backbone, tuned, setting, results"


@dataclass(frozen=True)
class Run:
    """One setting of one experiment, and its results on the test split.

    Attributes
    ----------
    id : str
        Digest of the setting.
    recorded : str
        When, UTC, ISO 8601.
    tuned : bool
        Whether k, sigma and temperature were chosen on the validation split, rather than by hand.
    setting : mapping
        The fields of the experiment's configuration, and of `Params`.
    results : mapping
        `weights` (where the base model came from), `n_memory` and `n_test` (points, or tokens). Of classes, the
        accuracies `base` and `resmem` (0 to 1), the gain `delta` from `delta_low` to `delta_high` (95 % interval), the
        counts `fixed` and `broken`, `METRIC_METHOD` ("nll_resmem") of every metric that was registered and each method
        it knows, and, as `evaluate --json` has them, `rivals` (their settings), `best_rival` and `against_rival`;
        earlier versions kept none of these three. Of values, `task` ("values"), `gamma`, `METRIC_METHOD` ("rmse_base"),
        `rivals`, and, as `evaluate --json` has it, `versus` (what ResMem gains over base and over kNN).
    """

    id: str
    recorded: str
    tuned: bool
    setting: Mapping[str, Any]
    results: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        experiment: Searched,
        params: Params,
        evaluation: Evaluation | ValueEvaluation,
        *,
        tuned: bool,
    ) -> Run:
        """Return what is to be remembered of an evaluation on the test split."""
        setting = {**experiment.config.as_dict(), **{name: getattr(params, name) for name in _PARAMS}}
        found = _of_values(evaluation) if isinstance(evaluation, ValueEvaluation) else _of_classes(evaluation)
        return cls(
            id=id_of(setting),
            recorded=datetime.now(UTC).isoformat(timespec="seconds"),
            tuned=tuned,
            setting=setting,
            results={
                "weights": experiment.origin,
                "n_memory": experiment.n_memory,
                "n_test": evaluation.n,
                **found,
            },
        )

    @property
    def dataset(self) -> str:
        """The dataset, as `ExperimentConfig` names it."""
        return str(self.setting["dataset"])

    @property
    def backbone(self) -> str:
        """The base model, as `ExperimentConfig` names it."""
        return str(self.setting["backbone"])

    @property
    def is_text(self) -> bool:
        """Whether the next token was predicted."""
        return "tokenizer" in self.setting

    @property
    def of_values(self) -> bool:
        """Whether values were predicted, and their errors are its results."""
        return self.results.get("task") == VALUES

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON; what is no finite number is None."""
        return for_json({"id": self.id, "recorded": self.recorded, "tuned": self.tuned, **self.setting, **self.results})

    def _row(self) -> tuple[Any, ...]:
        written = (json.dumps(dict(values)) for values in (self.setting, self.results))
        return (self.id, self.recorded, self.dataset, self.backbone, self.tuned, *written)

    @classmethod
    def _of_row(cls, row: tuple[Any, ...]) -> Run:
        run, recorded, _, _, tuned, setting, results = row
        return cls(run, recorded, bool(tuned), json.loads(setting), json.loads(results))


def _of_classes(evaluation: Evaluation) -> dict[str, Any]:
    low, high = evaluation.delta_ci95
    return {
        "base": evaluation.accuracy["base"],
        "resmem": evaluation.accuracy["resmem"],
        "delta": evaluation.delta,
        "delta_low": low,
        "delta_high": high,
        "fixed": evaluation.fixed,
        "broken": evaluation.broken,
        **_by_method(evaluation.metrics),
        "rivals": evaluation.rivals.by_method(),
        "best_rival": evaluation.best_rival,
        "against_rival": for_json(asdict(evaluation.against_rival)),
    }


def _of_values(evaluation: ValueEvaluation) -> dict[str, Any]:
    told = evaluation.as_dict()
    shared = {name: told[name] for name in ("gamma", "rivals", "versus")}
    return {"task": VALUES, **for_json(_by_method(evaluation.measures)), **shared}


def _by_method(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    return {f"{metric}_{method}": value for metric, values in metrics.items() for method, value in values.items()}


def id_of(setting: Mapping[str, Any]) -> str:
    """Return the digest that a setting goes by."""
    untold = _USUAL_TEXT if "tokenizer" in setting else _CLEAN
    return digest_key({name: value for name, value in setting.items() if name not in untold or value != untold[name]})


class _Unusable(Exception):
    """The file is damaged, or something else's."""


class Runs:
    """The runs of one machine.

    Parameters
    ----------
    store : Store, optional
        This machine's unless given.
    """

    def __init__(self, store: Store | None = None) -> None:
        self._store = store if store is not None else Store()

    @property
    def path(self) -> Path:
        """The file."""
        return self._store.own_path("runs") / FILE

    def record(
        self,
        experiment: Searched,
        params: Params,
        evaluation: Evaluation | ValueEvaluation,
        *,
        tuned: bool,
    ) -> None:
        """Remember an evaluation on the test split; where that fails, warn.

        Parameters
        ----------
        evaluation : Evaluation or ValueEvaluation
            Of `experiment` at `params`.
        tuned : bool
            Whether `params` were chosen on the validation split. Once said of a setting, it stays so.
        """
        row = Run.of(experiment, params, evaluation, tuned=tuned)._row()
        try:
            self._run(lambda connection: _write(connection, row))
        except StoreError as error:
            warnings.warn(f"the result is not listed among the experiments: {error}", stacklevel=2)

    def list(
        self, *, dataset: str | None = None, backbone: str | None = None, private: Collection[str] = ()
    ) -> tuple[Run, ...]:
        """Return the runs, the latest first.

        Parameters
        ----------
        dataset, backbone : str, optional
            List only those on these.
        private : collection of str
            The private datasets ("upload:ID") whose runs may be shown; those on others are left out.

        Raises
        ------
        StoreError
            If they cannot be read.
        """
        if not self.path.exists():
            return ()

        def read(connection: sqlite3.Connection) -> tuple[Run, ...]:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM runs ORDER BY recorded DESC, rowid DESC")
            return tuple(Run._of_row(row) for row in rows)

        secret = {loader.name for loader in DATASETS if loader.private}
        return tuple(
            run
            for run in self._run(read, "BEGIN")
            if dataset in (None, run.dataset)
            and backbone in (None, run.backbone)
            and (run.dataset.partition("?")[0] in private or run.dataset.partition(":")[0] not in secret)
        )

    def delete(self, run: str) -> None:
        """Forget the run with this id, if there is one.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        if self.path.exists():
            self._run(lambda connection: connection.execute("DELETE FROM runs WHERE id = ?", (run,)))

    def forget(self, dataset: str) -> None:
        """Forget every run on a dataset; errors as `delete`."""
        if self.path.exists():
            self._run(lambda connection: connection.execute("DELETE FROM runs WHERE dataset = ?", (dataset,)))

    def set_aside(self) -> tuple[Path, ...]:
        """Return the files that were found damaged, or something else's, and renamed."""
        return tuple(sorted(self.path.parent.glob(f"{FILE}.set-aside-*")))

    def _run(self, work: Callable[[sqlite3.Connection], T], begin: str = "BEGIN IMMEDIATE") -> T:
        """Do `work` in one transaction; a file that cannot be used is set aside first."""
        try:
            try:
                return self._attempt(work, begin)
            except _Unusable as problem:
                self._put_aside(str(problem))
                return self._attempt(work, begin)
        except (sqlite3.Error, _Unusable) as error:
            raise StoreError(
                f"{self.path} could not be used: {error}; free some space there, or set RESMEM_CACHE to a folder that "
                "can be written"
            ) from error

    def _attempt(self, work: Callable[[sqlite3.Connection], T], begin: str = "BEGIN IMMEDIATE") -> T:
        with (
            self._store.own_folder("runs"),
            closing(sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)) as connection,
        ):
            try:
                connection.execute(begin)
                self._check(connection)
                result = work(connection)
                connection.execute("COMMIT")
            except sqlite3.OperationalError:
                raise  # no room, no permission, or locked for too long: nothing is wrong with the file
            except sqlite3.DatabaseError as error:
                raise _Unusable(str(error)) from error
            return result

    @staticmethod
    def _check(connection: sqlite3.Connection) -> None:
        """Make the table in a fresh file, or bring an older one up to date; refuse a file with anything else in it."""
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if application == APPLICATION and version == SCHEMA:
            return
        if application == APPLICATION and 1 <= version < SCHEMA:
            try:
                _renew(connection)
            except (LookupError, TypeError) as error:
                raise _Unusable(f"its table has other columns than schema {version}: {error!r}") from error
            return
        if application == APPLICATION and version > SCHEMA:
            raise StoreError(f"it was written by a later version of this software (schema {version}, not {SCHEMA})")
        if application or version or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise _Unusable(f"it is not a list of runs (application {application}, schema {version})")
        connection.execute(_CREATE)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")

    def _put_aside(self, problem: str) -> None:
        """Rename the file, unless another process has done so."""
        with self._store.own_folder("runs") as folder, FileLock(folder / f".{FILE}.lock"):
            try:
                self._attempt(_check_whole)
            except _Unusable:
                stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
                aside = folder / f"{FILE}.set-aside-{stamp}"
                self.path.replace(aside)
                journal = self.path.with_name(f"{FILE}-journal")
                if journal.exists():  # it would be rolled into the new file
                    journal.replace(aside.with_name(f"{aside.name}-journal"))
                warnings.warn(f"{self.path} was set aside as {aside.name}: {problem}", stacklevel=4)


def _check_whole(connection: sqlite3.Connection) -> None:
    if (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise _Unusable(found)


def _write(connection: sqlite3.Connection, row: tuple[Any, ...]) -> None:
    connection.execute(
        f"INSERT INTO runs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "recorded = excluded.recorded, setting = excluded.setting, results = excluded.results, "
        "tuned = max(tuned, excluded.tuned)",
        row,
    )


# Schemas 1 to 3 had a column for each field. Those of the setting; 2 brought _CLEAN, 3 what text has.
_OF_ALL = ("dataset", "backbone", "seed", "index", "epochs", "limit_train", "normalize")
_OF_IMAGES, _OF_TEXT = ("imbalance", "label_noise", "edits"), ("tokenizer", "vocabulary")
_PARAMS = ("k", "sigma", "temperature")


def _renew(connection: sqlite3.Connection) -> None:
    """Bring the table of an earlier schema up to date."""
    found = connection.execute("SELECT * FROM runs ORDER BY rowid")
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, values, strict=True)) for values in found]
    connection.execute("DROP TABLE runs")
    connection.execute(_CREATE)
    for row in rows:
        row = {**_CLEAN, **row}
        row["normalize"] = None if row["normalize"] is None else bool(row["normalize"])
        own = (*_OF_ALL, *(_OF_TEXT if row.get("tokenizer") else _OF_IMAGES), *_PARAMS)
        others = {"id", "recorded", "tuned", *_OF_ALL, *_OF_TEXT, *_OF_IMAGES, *_PARAMS}
        results = {name: value for name, value in row.items() if name not in others}
        setting = {name: row[name] for name in own}
        _write(connection, Run(row["id"], row["recorded"], bool(row["tuned"]), setting, results)._row())
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
