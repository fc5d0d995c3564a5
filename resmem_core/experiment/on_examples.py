"""What experiments on examples share, whatever is predicted: embeddings, memory edits, results that are kept."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from resmem_core.common.progress import Progress
from resmem_core.common.runner import Task
from resmem_core.common.store import Entry
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.data.types import Dataset
from resmem_core.experiment.experiment import Part, Searched
from resmem_core.memory.edits import Edits, edited_queries
from resmem_core.memory.indexes import exact
from resmem_core.memory.rows import Points
from resmem_core.memory.types import Neighbors
from resmem_core.models.fitted import BaseModel


@dataclass(frozen=True, eq=False, kw_only=True)
class OnExamples(Searched):
    """An experiment on examples: images, embeddings that came with the data, or features.

    Attributes
    ----------
    edits : Edits
        What was changed in memory by hand.
    original : OnExamples
        The experiment with memory as it came; itself, where nothing was changed.
    """

    dataset: Dataset
    base: BaseModel
    edits: Edits = field(default_factory=Edits)
    _original: Self | None = None

    @property
    def original(self) -> Self:
        """The experiment with memory as it came."""
        return self._original or self

    @property
    def facts(self) -> dict[str, Any]:
        """What every result is told with, as plain values."""
        return {**super().facts, "edits": self.edits.as_dict()}

    def embeddings(self, part: str) -> FloatArray:
        """Return the embeddings of a part between which distances are measured, (N, D)."""
        return np.asarray(points(self.base, part, self.normalize))

    @abstractmethod
    def _edited_memory(self, edits: Edits) -> Any:
        """Return memory as it came with its points changed, none of them left out."""

    def edited(self, edits: Edits) -> Self:
        """Return the experiment with these edits, in place of any it has; nothing is trained or chosen anew.

        Points that lose a neighbour are searched anew, exactly; row numbers stay those of the training split.

        Raises
        ------
        InvalidParameterError
            If a row or class does not exist, or nothing would be left in memory.
        """
        original = self.original
        edits.check(self.dataset)
        if not len(edits):
            return original
        n_train = len(self.dataset.train)

        def without(part: str) -> Any:
            def search(rows: IntArray, remaining: IntArray, k: int) -> Neighbors:
                memory, asked = (points(original.base, of, original.normalize) for of in ("train", part))
                index = exact.ExactIndex(memory.at(remaining), seed=original.config.seed, rows=remaining)
                return index.search(asked.at(rows), k)

            queries: Any = getattr(original, part)
            return edited_queries(queries, edits, n_train, search)

        changed = {
            "config": replace(original.config, edits=edits.reference(self.dataset)),
            "memory": original._edited_memory(edits),
            "validation": without("validation"),
            "test": without("test"),
            "edits": edits,
            "_original": original,
        }
        return replace(original, **changed)

    def keep(
        self,
        kind: str,
        key: Mapping[str, Any],
        build: Callable[[Path, Progress], Mapping[str, Any] | None],
        *,
        code: str,
        long: bool,
        embeddings_only: bool = False,
        progress: Progress | None = None,
    ) -> Entry:
        """Return what was made of this experiment from the store, making it first where it is missing.

        Parameters
        ----------
        kind, key, build, code, long
            As in `Task`; what it depends on of the experiment is added to the key.
        embeddings_only : bool
            Whether it depends on the embeddings alone, and neither on neighbours nor on memory edits.
        progress : callable, optional
            That of preparing unless given.

        Raises
        ------
        NeedsPreparing
            If it is missing, takes long, and the experiment was prepared not to wait.
        """
        made_from: dict[str, Any] = {"neighbors": self._neighbors.path.name, "edits": self.config.edits}
        if embeddings_only:
            made_from = {"embeddings": self.base.identity, "normalize": self.normalize}
        missing = f"the {kind} of {self.config.dataset!r} is not there yet"
        task = Task(kind, {**made_from, **key}, build, code=code, long=long, missing=missing)
        return self._runner.telling(progress).run(task)


def points(base: BaseModel, part: str, normalize: bool) -> Points:
    """Return the points of a part between which distances are measured.

    Where embeddings are more precise than float32, train's mean is taken off them first, which changes no distance.
    """
    precise = np.result_type(*(embedded.embeddings for embedded in base.parts.values())) == np.float64
    center = Points(base.parts["train"].embeddings, normalize=normalize).center() if precise else None
    return Points(base.parts[part].embeddings, normalize=normalize, center=center)


def parts_of(base: BaseModel, dataset: Dataset) -> dict[str, Part]:
    """Return what is known of each part that a base model was asked about."""
    examples = {part: getattr(dataset, part) for part in base.parts}
    return {
        part: Part(embedded.embeddings, embedded.logits, examples[part].labels, examples[part].groups)
        for part, embedded in base.parts.items()
    }
