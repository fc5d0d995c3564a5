"""What was tried on this machine and what came of it, in an SQLite file that outlives the server.

One row is one setting of one experiment; trying it again replaces the row. Transactions are short and wait for each
other, so any number of processes may write. Runs on private data, such as uploads, are kept as well, but listed only
to those who name it: the name is all it takes to open it.
"""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock

from resmem_core.common.errors import StoreError
from resmem_core.common.store import Store, digest_key
from resmem_core.data import DATASETS
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.experiment.prepare import SETTING, Experiment
from resmem_core.experiment.text_config import LanguageConfig
from resmem_core.memory.types import Params

if TYPE_CHECKING:
    from resmem_core.evaluation.text_evaluate import LanguageEvaluation
    from resmem_core.experiment.text_prepare import LanguageExperiment

T = TypeVar("T")
FILE = "runs.sqlite"
APPLICATION = 0x5265734D  # "ResM": marks the file as ours
SCHEMA = 3  # of the table; a file with a later one is left alone
_SPOILED = {"imbalance": 1.0, "label_noise": 0.0}  # columns that came with schema 2, and what held before
_OF_TEXT = {"tokenizer": "", "vocabulary": 0}  # with schema 3
_OF_IMAGES = {**_SPOILED, "normalize": None, "edits": ""}  # what stands in these for text
_TEXT_SETTING = tuple(f.name for kind in (LanguageConfig, Params) for f in fields(kind))
WAIT = 10.0  # seconds for other processes' transactions
_SQL_TYPES = {"str": "TEXT NOT NULL", "int": "INTEGER NOT NULL", "float": "REAL NOT NULL", "bool": "INTEGER NOT NULL"}


@dataclass(frozen=True)
class Run:
    """One setting of one experiment, and its results on the test split.

    Attributes
    ----------
    id : str
        Digest of the setting.
    recorded : str
        When, UTC, ISO 8601.
    dataset, backbone, seed, index, epochs, limit_train, imbalance, label_noise, normalize, edits
        As in `ExperimentConfig`; of text the last four are those of clean data.
    tokenizer, vocabulary
        As in `LanguageConfig`; "" and 0 where the data are no text.
    k, sigma, temperature
        As in `Params`.
    tuned : bool
        Whether these three were chosen on the validation split, rather than by hand.
    weights : str
        Where the base model came from: `BaseModel.origin`.
    n_memory, n_test : int
        Points, or tokens, in memory and judged.
    base, resmem : float
        Accuracies, 0 to 1.
    delta, delta_low, delta_high : float
        Gain of ResMem over base, and its 95 % interval.
    fixed, broken : int
        Test points that memory made right, and wrong.
    nll_base, nll_resmem, brier_base, brier_resmem, ece_base, ece_resmem : float
        As in `metrics.Calibration`; of base at the same temperature, but on text at 1, where ResMem's are smoothed.
    """

    id: str
    recorded: str
    dataset: str
    backbone: str
    seed: int
    index: str
    epochs: int | None
    limit_train: int | None
    imbalance: float
    label_noise: float
    normalize: bool | None
    edits: str
    tokenizer: str
    vocabulary: int
    k: int
    sigma: float
    temperature: float
    tuned: bool
    weights: str
    n_memory: int
    n_test: int
    base: float
    resmem: float
    delta: float
    delta_low: float
    delta_high: float
    fixed: int
    broken: int
    nll_base: float
    nll_resmem: float
    brier_base: float
    brier_resmem: float
    ece_base: float
    ece_resmem: float

    @classmethod
    def of(
        cls,
        experiment: Experiment | LanguageExperiment,
        params: Params,
        evaluation: Evaluation | LanguageEvaluation,
        *,
        tuned: bool,
    ) -> Run:
        """Return what is to be remembered of an evaluation on the test split."""
        setting = {
            **experiment.config.as_dict(),
            "k": params.k,
            "sigma": params.sigma,
            "temperature": params.temperature,
        }
        before, after = evaluation.calibration["base"], evaluation.calibration["resmem"]
        low, high = evaluation.delta_ci95
        return cls(
            id=digest_key({k: v for k, v in setting.items() if k not in _SPOILED or v != _SPOILED[k]}),
            recorded=datetime.now(UTC).isoformat(timespec="seconds"),
            **{**_OF_TEXT, **_OF_IMAGES, **setting},
            tuned=tuned,
            weights=experiment.origin,
            n_memory=experiment.n_memory,
            n_test=evaluation.n,
            base=evaluation.accuracy["base"],
            resmem=evaluation.accuracy["resmem"],
            delta=evaluation.delta,
            delta_low=low,
            delta_high=high,
            fixed=evaluation.fixed,
            broken=evaluation.broken,
            nll_base=before.nll,
            nll_resmem=after.nll,
            brier_base=before.brier,
            brier_resmem=after.brier,
            ece_base=before.ece,
            ece_resmem=after.ece,
        )

    @property
    def is_text(self) -> bool:
        """Whether the next token was predicted."""
        return self.tokenizer != ""

    @property
    def setting(self) -> dict[str, Any]:
        """What `Settings`, or `Language` if it is text, needs to show it again."""
        return {name: getattr(self, name) for name in (_TEXT_SETTING if self.is_text else SETTING)}


_COLUMNS = tuple(field.name for field in fields(Run))
_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)
_CREATE = "CREATE TABLE runs ({})".format(
    ", ".join(
        f'"{field.name}" {_SQL_TYPES.get(str(field.type), "INTEGER")}' + (" PRIMARY KEY" if field.name == "id" else "")
        for field in fields(Run)
    )
)


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
        experiment: Experiment | LanguageExperiment,
        params: Params,
        evaluation: Evaluation | LanguageEvaluation,
        *,
        tuned: bool,
    ) -> None:
        """Remember an evaluation on the test split; where that fails, warn.

        Parameters
        ----------
        experiment : Experiment or LanguageExperiment
        params : Params
        evaluation : Evaluation or LanguageEvaluation
            Of `experiment` at `params`.
        tuned : bool
            Whether `params` were chosen on the validation split. Once said of a setting, it stays so.
        """
        values = astuple(Run.of(experiment, params, evaluation, tuned=tuned))
        places = ", ".join("?" * len(values))
        renewed = ", ".join(f'"{name}" = excluded."{name}"' for name in _COLUMNS if name != "tuned")
        try:
            self._run(
                lambda connection: connection.execute(
                    f"INSERT INTO runs ({_NAMES}) VALUES ({places}) ON CONFLICT (id) DO UPDATE SET {renewed}, "
                    "tuned = max(tuned, excluded.tuned)",
                    values,
                )
            )
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
            rows = connection.execute(f"SELECT {_NAMES} FROM runs ORDER BY recorded DESC, rowid DESC")
            return tuple(_run_of(row) for row in rows)

        secret = {loader.name for loader in DATASETS if loader.private}
        return tuple(
            run
            for run in self._run(read, "BEGIN")
            if dataset in (None, run.dataset)
            and backbone in (None, run.backbone)
            and (run.dataset in private or run.dataset.partition(":")[0] not in secret)
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
        """Forget every run on a dataset.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
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
            for name, value in {**(_SPOILED if version == 1 else {}), **_OF_TEXT}.items():
                column = f'"{name}" {_SQL_TYPES[type(value).__name__]}'
                connection.execute(f"ALTER TABLE runs ADD COLUMN {column} DEFAULT {value!r}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
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


def _run_of(row: tuple[Any, ...]) -> Run:
    values = dict(zip(_COLUMNS, row, strict=True))
    for name in ("tuned", "normalize"):
        values[name] = None if values[name] is None else bool(values[name])
    return Run(**values)
