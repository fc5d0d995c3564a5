"""A frozen encoder as the base model of an experiment on labelled texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from resmem_core.common.progress import Progress, about
from resmem_core.common.runner import Task
from resmem_core.common.store import Entry, digest_key, save_array
from resmem_core.common.types import ReadableRows
from resmem_core.data.base import LABELLED, PARTS
from resmem_core.data.text_rows import TextReader
from resmem_core.data.types import Examples
from resmem_core.models.fitted import ExampleFitting
from resmem_core.models.types import Shape

VERSION = 1  # of the steps below; raise it when one of them would give other tokens


@dataclass(eq=False, kw_only=True)
class LabelledFitting(ExampleFitting):
    """A network on labelled texts, which are cut into its tokens once."""

    kind: ClassVar[str] = LABELLED

    @property
    def shape(self) -> Shape:
        """That of a token."""
        return ()

    def inputs(self, part: str) -> ReadableRows:
        """Return the tokens of a part, (N, L) of int32, memory-mapped."""
        return self._tokens(part).array("tokens")

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the model, and of texts that it does not read to their end."""
        n_cut = sum(self._tokens(part).info["n_cut"] for part in PARTS)
        n = sum(len(getattr(self.dataset, part)) for part in PARTS)
        longest = self._reader.longest
        cut = f"{n_cut:,} of {n:,} texts have more than {longest} tokens; what comes after them is not read"
        return (*super().notes, *([cut] if n_cut else []))

    @property
    def _reader(self) -> TextReader:
        reader = self._network.reader
        assert reader is not None  # every network on labelled texts has one
        return reader

    def _tokens(self, part: str) -> Entry:
        reader, examples = self._reader, getattr(self.dataset, part)

        def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
            tokens, n_cut = reader.read(_texts(examples), about(progress, part))
            save_array(directory, "tokens", tokens)
            return {"n_cut": n_cut}

        read = digest_key({"reader": reader.definition})
        key = {"dataset": self.dataset.fingerprint, "reader": read, "part": part, "version": VERSION}
        return self.runner.run(Task("tokens", key, build))


def _texts(examples: Examples) -> list[str]:
    assert examples.texts is not None  # the dataset's kind sees to it
    return [str(text) for text in examples.texts]
