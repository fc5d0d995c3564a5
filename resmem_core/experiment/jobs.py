"""Long work in a process of its own, watched and cancelled through a file.

Whoever does it, from the command line or from the page, keeps a small status file up to date and holds
a lock. So any page sees the work of any process, a reload loses nothing, and the server stays free for others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from resmem_core.common.errors import Cancelled, ResMemError
from resmem_core.common.files import write_json
from resmem_core.common.progress import Progress, Step
from resmem_core.common.store import Store, is_locked
from resmem_core.experiment.config import ExperimentConfig

WRITE_EVERY = 0.3  # seconds
SOONEST = 2.0  # seconds after which a pace can be told
START_GRACE = 60.0  # seconds until a new process must have taken its lock
STARTING = "Starting: loading PyTorch"
LOG, CANCEL = "log.txt", "cancel"


@dataclass(frozen=True)
class Status:
    """How a job stands.

    Attributes
    ----------
    state : str
        "running", "done", "failed" or "cancelled".
    stage, message : str
        What is being done, and a detail; the reason where it failed.
    done, total : int
        Units of this stage; `total` is 0 where it is not known.
    seconds : float
        Since this stage began.
    before : int
        Units that were done when it began, as where it goes on with what was cancelled.
    updated : float
        When this was written, in seconds since 1970.
    """

    state: str
    stage: str = ""
    message: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    before: int = 0
    updated: float = field(default_factory=time.time)

    @property
    def fraction(self) -> float:
        """Share of this stage that is done, 0 where it is not known."""
        return self.done / self.total if self.total else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds this stage will still take at its pace so far, where that can be told."""
        done = self.done - self.before
        if done <= 0 or not self.total or self.seconds < SOONEST:
            return None
        return self.seconds / done * (self.total - self.done)


@dataclass(frozen=True, eq=False)
class Job:
    """A command at work on one experiment, such as its preparation.

    Attributes
    ----------
    command : str
        Of the command line; what it finds is kept in the store.
    options : tuple of str
        Those of its own ("--method=tsne").
    store : Store
        This machine's unless given.
    """

    config: ExperimentConfig
    command: str = "train"
    options: tuple[str, ...] = ()
    store: Store = field(default_factory=Store, kw_only=True)

    @property
    def _folder(self) -> Path:
        key = {"command": self.command, "options": list(self.options), "experiment": self.config.options()}
        return self.store.work_folder("job", key)

    @property
    def _lock(self) -> Path:
        return self._folder / "running.lock"

    def _write(self, status: Status) -> None:
        write_json(self._folder / "status.json", asdict(status))

    def status(self) -> Status | None:
        """Return how the job stands; None if it was never started. A process that died counts as failed."""
        try:
            status = Status(**json.loads((self._folder / "status.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        starting = status.stage == STARTING and time.time() - status.updated < START_GRACE
        if status.state == "running" and not starting and not is_locked(self._lock):
            log = (self._folder / LOG).read_text(errors="replace").strip() if (self._folder / LOG).exists() else ""
            last = log.splitlines()[-1] if log else "the process ended before it was done"
            return replace(status, state="failed", message=last)
        return status

    @property
    def running(self) -> bool:
        """Whether a process is at it now, or is just starting."""
        status = self.status()
        return status is not None and status.state == "running"

    @property
    def cancelling(self) -> bool:
        """Whether a process is at it that was asked to stop."""
        return (self._folder / CANCEL).exists() and self.running

    def start(self) -> None:
        """Start a process for the job unless one is at it already."""
        if self.running:
            return
        (self._folder / CANCEL).unlink(missing_ok=True)
        self._write(Status("running", STARTING))
        asked = ["resmem_core", self.command, *self.config.options(), *self.options]
        process = in_background(asked, self._folder / LOG, RESMEM_CACHE=str(self.store.root.resolve()))
        if hasattr(os, "setpriority"):
            with suppress(OSError):  # it may have ended already
                os.setpriority(os.PRIO_PROCESS, process.pid, 10)  # pages come first

    def cancel(self) -> None:
        """Ask the process to stop; it does at its next report, and keeps its last checkpoint."""
        (self._folder / CANCEL).touch()

    @contextmanager
    def reporting(self, inner: Progress) -> Iterator[Progress]:
        """Do the work under the job's lock: reports go to `inner` and to the status file, and heed `cancel`.

        Where another process is at the same job already, its reports stand and only `inner` is told.
        """
        lock = FileLock(self._lock)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield inner
            return
        try:
            status = self.status()
            if status is None or status.stage != STARTING:  # else it may have been asked to stop already
                (self._folder / CANCEL).unlink(missing_ok=True)
            yield self._reporter(inner)
            self._write(Status("done"))
        except (Cancelled, KeyboardInterrupt):
            self._write(Status("cancelled"))
            raise
        except ResMemError as error:
            self._write(Status("failed", message=str(error)))
            raise
        finally:
            lock.release()

    def _reporter(self, inner: Progress) -> Progress:
        stage, began, before, written = "", 0.0, 0, 0.0

        def report(step: Step) -> None:
            nonlocal stage, began, before, written
            inner(step)
            now = time.monotonic()
            if step.stage != stage:
                stage, began, before, written = step.stage, now, step.done, 0.0
            if now - written < WRITE_EVERY:
                return
            written = now
            if (self._folder / CANCEL).exists():
                raise Cancelled("cancelled; what was finished is kept, and the next start goes on from there")
            self._write(Status("running", step.stage, step.message, step.done, step.total, now - began, before))

        return report


def in_background(
    module: Sequence[str], log: Path, folder: Path | None = None, **environment: str
) -> subprocess.Popen[bytes]:
    """Start a Python module with its arguments, from another folder where one is given; what it says goes to `log`."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    with log.open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, **environment},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            process_group=0,  # Ctrl-C here is not meant for it
        )
