"""Text x tokenizer x base model x seed -> a trained, embedded and searched experiment, through the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from resmem_core.common.progress import Progress, silent
from resmem_core.common.runner import Runner
from resmem_core.common.store import Store
from resmem_core.data.base import PARTS
from resmem_core.data.contexts import Context, context_of
from resmem_core.data.text import Ids, Stream
from resmem_core.data.text_loading import Corpus, load_corpus
from resmem_core.data.tokenizers import Tokenizer
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.experiment import Part, Prepared, remembered
from resmem_core.experiment.scaling import scaling
from resmem_core.memory.explain import Explanation, explain
from resmem_core.memory.generation import Generated, generate
from resmem_core.memory.rows import Points
from resmem_core.memory.search import Search
from resmem_core.memory.types import Params, Queries
from resmem_core.models.fitted_text import TextFitting
from resmem_core.models.types import HeadLogits

if TYPE_CHECKING:
    from resmem_core.memory.indexes import Index

K_MAX = 128
VERSION = 1  # of the steps below; raise it when one of them would give other numbers


@dataclass(frozen=True, eq=False)
class LanguageExperiment(Prepared):
    """An experiment on the next token of a text: memory has a row for each token of train.

    Attributes
    ----------
    streams : dict of Stream
        The tokens of each part.
    """

    corpus: Corpus
    tokenizer: Tokenizer
    streams: dict[str, Stream]
    _model: TextFitting
    _search: Search

    default_k = 32

    @property
    def facts(self) -> dict[str, Any]:
        """What every result is told with, as plain values."""
        return {
            **super().facts,
            "tokenizer": self.config.tokenizer,
            "vocabulary": self.tokenizer.size,
            "context_length": self.context_length,
            "documents": {part: len(stream.names) for part, stream in self.streams.items()},
            "leakage": self.corpus.leakage.as_dict(),
        }

    @property
    def context_length(self) -> int:
        """How many tokens the base model reads at most."""
        return self._model.network.context_length

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The text of each token there is, C of them."""
        return tuple(self.tokenizer.pieces(np.arange(self.tokenizer.size, dtype=np.int32)))

    @cached_property
    def _opened_index(self) -> Index:
        return self._search.opened(self.index)

    def explain(self, context: Ids, params: Params, smoothing: float | None = None) -> Explanation:
        """Take apart the prediction after any context; of a long one the end is read: see `embedding.read_of`.

        Parameters
        ----------
        context : ndarray of int32
            May be empty: the beginning of a document.
        smoothing : float, optional
            `smoothing(params)` unless given.
        """
        embedding = self._model.embed(context)[None]
        found = self._opened_index.search(Points(embedding, normalize=self.normalize), self.check(params).k)
        assert isinstance(self.memory.logits, HeadLogits)
        asked = Queries(HeadLogits(embedding, self.memory.logits.layer), np.array([-1]), found)
        eps = self.smoothing(params) if smoothing is None else smoothing
        return replace(explain(self.memory, asked, 0, params, eps), context=self._model.read(context))

    def explain_test(self, row: int, params: Params, smoothing: float | None = None) -> Explanation:
        """Take apart the prediction of a token of the test split.

        Raises
        ------
        InvalidParameterError
            If there is no such token.
        """
        eps = self.smoothing(params) if smoothing is None else smoothing
        found = explain(self.memory, self.test, row, self.check(params), eps)
        return replace(found, context=self._model.read(self.streams["test"].before(row)))

    def context(self, row: int, query: Ids | None = None, *, before: int = 40, after: int = 12) -> Context:
        """Return the place in the training text that a row of memory remembers: see `context_of`."""
        return context_of(self.streams["train"], self.tokenizer, row, query, before=before, after=after)

    def generate(
        self,
        prompt: Ids,
        n: int,
        params: Params,
        *,
        with_memory: bool,
        temperature: float = 0.0,
        seed: int = 0,
        smoothing: float | None = None,
    ) -> Iterator[Generated]:
        """Yield tokens that go on from `prompt`: see `generation.generate`."""
        eps = self.smoothing(params) if smoothing is None else smoothing
        explained = partial(self.explain, params=params, smoothing=eps)
        return generate(explained, prompt, n, with_memory=with_memory, temperature=temperature, seed=seed)


def prepare_language(
    config: ExperimentConfig,
    *,
    store: Store | None = None,
    device: str = "auto",
    may_wait: bool = True,
    progress: Progress = silent,
) -> LanguageExperiment:
    """Prepare an experiment on text, which is cut into tokens first: parameters and errors are those of `prepare`."""
    from resmem_core.models.token_blocks import output_layer

    runner = Runner(store if store is not None else Store(), may_wait, progress)
    corpus = load_corpus(config.dataset, seed=config.seed, progress=progress)
    model = TextFitting(
        corpus=corpus,
        spec=config.backbone,
        tokens=config.tokenizer,
        vocabulary=config.vocabulary,
        limit_train=config.limit_train,
        seed=config.seed,
        epochs=config.epochs,
        device=device,
        runner=runner,
    )
    embeddings = {part: model.embeddings(part) for part in PARTS}

    def searching(normalize: bool) -> Search:
        return Search(
            vectors=lambda part: Points(embeddings[part], normalize=normalize),
            sizes={part: len(vectors) for part, vectors in embeddings.items()},
            key={"embeddings": model.identity, "normalize": normalize, "version": VERSION},
            index_name=config.index,
            seed=config.seed,
            k_max=min(K_MAX, len(embeddings["train"])),
            runner=runner,
        )

    layer, streams = output_layer(model.network), model.streams
    parts = {
        part: Part(embeddings[part], HeadLogits(embeddings[part], layer), stream.ids, stream.blocks)
        for part, stream in streams.items()
    }
    chosen = scaling(config.normalize, model.backbone.normalize, searching, parts)
    search = searching(chosen.normalize)
    return LanguageExperiment(
        **remembered(config, search, parts),
        **chosen._asdict(),
        origin="given" if model.weights is None else "trained here",
        training={} if model.weights is None else model.weights.info,
        notes=tuple(model.notes),
        corpus=corpus,
        tokenizer=model.tokenizer,
        streams=streams,
        _model=model,
        _search=search,
    )
