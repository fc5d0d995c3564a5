"""Tasks of the pipeline, each declared where it belongs, and the one runner that asks the store for what they make."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from resmem_core.common.errors import UnavailableError
from resmem_core.common.progress import Progress, silent
from resmem_core.common.store import Entry, Store, digest_file, digest_key

CODE = ("resmem_core.evaluation", "resmem_core.memory", "resmem_core.analysis", "resmem_core.common.vector_loops")
_IMPORT = re.compile(r"^\s*(?:from|import) (resmem_core[\w.]*)(?: import ([\w, ]+))?", re.MULTILINE)


class NeedsPreparing(UnavailableError):
    """Something that takes long is missing, such as weights, and the caller asked not to wait for it."""


@dataclass(frozen=True)
class Task:
    """One step of the pipeline: what it makes, what that depends on, and how.

    Attributes
    ----------
    kind : str
        What it makes; the name of a folder of the store.
    key : mapping
        Plain values: everything that shapes it, such as names of the entries it is made from and its own constants.
    build : callable
        Writes files into the folder it is given, telling a progress callback, and may return what to remember.
    code : str
        The module whose code shapes it, too, with all that this imports from `CODE`: a digest of it joins the key, so
        that what was made by other code is made anew. Empty where that would cost hours, as of weights: there the key
        has a version, raised by whoever changes what the code gives.
    long : bool
        Whether it takes longer than somebody who looks at a page may be left to wait.
    by_blocks : bool
        Whether it is done by blocks of rows, none of which needs what came of another: such work could be shared out.
    missing : str
        What to say where it is not there.
    """

    kind: str
    key: Mapping[str, Any]
    build: Callable[[Path, Progress], Mapping[str, Any] | None]
    code: str = ""
    long: bool = False
    by_blocks: bool = False
    missing: str = ""

    @property
    def full_key(self) -> dict[str, Any]:
        """The key under which the store keeps it."""
        return {**self.key, "code": code_of(self.code)} if self.code else dict(self.key)


@dataclass(frozen=True)
class Runner:
    """Does tasks, each once: nothing else asks the store for what they make.

    Attributes
    ----------
    store : Store
        This machine's unless given.
    may_wait : bool
        Whether to do what takes long.
    progress : callable
        Told by every task; may raise `Cancelled`.
    """

    store: Store = field(default_factory=Store)
    may_wait: bool = True
    progress: Progress = silent

    def telling(self, progress: Progress | None) -> Runner:
        """Return a runner whose tasks tell somebody else, where there is one."""
        return self if progress is None else replace(self, progress=progress)

    def found(self, task: Task) -> Entry | None:
        """Return what the task makes if it is there."""
        return self.store.find(task.kind, task.full_key)

    def check(self, task: Task) -> None:
        """Do nothing where `run` would not be kept waiting for long, or may be.

        Raises
        ------
        NeedsPreparing
            If what the task makes is missing, takes long, and waiting for it is not wanted.
        """
        if task.long and not self.may_wait and self.found(task) is None:
            raise NeedsPreparing(task.missing or f"the {task.kind} is not there yet")

    def run(self, task: Task) -> Entry:
        """Return what the task makes, making it first where it is missing.

        Raises
        ------
        NeedsPreparing
            As `check`.
        StoreError
            If the store cannot be written.
        """
        self.check(task)
        return self.store.get_or_build(
            task.kind, task.full_key, lambda folder: task.build(folder, self.progress), self.progress
        )

    def work_folder(self, task: Task) -> Path:
        """Return the folder where unfinished work on the task is kept."""
        return self.store.work_folder(task.kind, task.full_key)


@cache
def code_of(module: str) -> str:
    """Return a digest of the source of a module and of all that it imports, at any depth, from `CODE`."""
    seen: dict[str, str] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        file = _file_of(name) if name not in seen else None
        if file is None:
            continue
        seen[name] = digest_file(file)
        for source, names in _IMPORT.findall(file.read_text()):
            found = [source, *(f"{source}.{part.strip()}" for part in names.split(",") if part.strip())]
            todo += [other for other in found if other.startswith(CODE)]
    return digest_key(seen)


def _file_of(name: str) -> Path | None:
    """Return the file of a module; None where the name is that of something in one."""
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    return None if spec is None or spec.origin is None else Path(spec.origin)
