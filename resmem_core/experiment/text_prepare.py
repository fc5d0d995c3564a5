"""Text x tokenizer x base model x seed -> a trained, embedded and searched experiment, through the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resmem_core.common.progress import Progress, Step, about, silent
from resmem_core.common.store import Entry, Store, digest_arrays, digest_file, digest_key
from resmem_core.data.base import PARTS
from resmem_core.data.contexts import Context, context_of
from resmem_core.data.text import Ids, Stream
from resmem_core.data.text_loading import Corpus, load_corpus
from resmem_core.data.tokenizers import TOKENIZERS, Tokenizer, excerpts, limited, load_tokenizer, tokenized
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.experiment import Prepared
from resmem_core.memory.explain import Explanation, explain
from resmem_core.memory.generation import Generated, generate
from resmem_core.memory.residuals import auto_sigma
from resmem_core.memory.rows import Points
from resmem_core.memory.search import Search, neighbors_of
from resmem_core.memory.types import Memory, Params, Queries
from resmem_core.models.fitted import NeedsPreparing
from resmem_core.models.shipped import WEIGHTS
from resmem_core.models.text_base import parse_backbone
from resmem_core.models.types import HeadLogits

if TYPE_CHECKING:
    from resmem_core.memory.indexes import Index
    from resmem_core.models.token_blocks import LanguageNetwork

K_MAX = 128
MOST = {"validation": 20_000, "test": 50_000}  # tokens judged of each part: enough for intervals, and soon done
TOKENIZER = "tokenizer.json"
VERSION = 1  # of the steps below; raise it when one of them would give other numbers


@dataclass(frozen=True, eq=False)
class LanguageExperiment(Prepared):
    """An experiment on the next token of a text: memory has a row for each token of train.

    Attributes
    ----------
    config : ExperimentConfig
    corpus : Corpus
    tokenizer : Tokenizer
    streams : dict of Stream
        The tokens of each part.
    notes : tuple of str
        What a user should know of the text and of what is done with it.
    origin : str
        Where the base model came from: "trained here" or "given".
    training : mapping
        What training told: losses, seconds.
    """

    config: ExperimentConfig
    corpus: Corpus
    tokenizer: Tokenizer
    streams: dict[str, Stream]
    notes: tuple[str, ...]
    origin: str
    training: Mapping[str, Any]
    _model: _Model
    _search: Search

    default_k = 32

    @property
    def dataset_name(self) -> str:
        """The text, as users name it."""
        return self.config.dataset

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
        params : Params
        smoothing : float, optional
            `smoothing(params)` unless given.
        """
        embedding = self._model.embed(context)[None]
        found = self._opened_index.search(embedding.astype(np.float32), self.check(params).k)
        asked = Queries(HeadLogits(embedding, self._head.layer), np.array([-1]), found)
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

    @property
    def _head(self) -> HeadLogits:
        assert isinstance(self.memory.logits, HeadLogits)
        return self.memory.logits

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
        return generate(
            lambda written: self.explain(written, params, eps),
            prompt,
            n,
            with_memory=with_memory,
            temperature=temperature,
            seed=seed,
        )


class _Model:
    """The base model of an experiment: its weights, and what it says of each part, through the store."""

    def __init__(
        self,
        config: ExperimentConfig,
        corpus: Corpus,
        *,
        store: Store,
        device: str,
        may_wait: bool,
        progress: Progress,
    ) -> None:
        self.config = config
        self.backbone, self.argument = parse_backbone(config.backbone)
        self.store = store
        self.device = device
        self.may_wait = may_wait
        self.progress = progress
        self.tokenizer = self._tokenizer(corpus)
        self.notes: list[str] = list(corpus.notes)
        self.streams = {part: self._stream(getattr(corpus, part), part) for part in PARTS}
        self._corpus = corpus.fingerprint

    def _tokenizer(self, corpus: Corpus) -> Tokenizer:
        own = self.backbone.tokenizer(self.argument)
        if own is not None:
            return own
        kind = TOKENIZERS.get(self.config.tokenizer)

        def build(directory: Path) -> None:
            self.progress(Step("Training the tokenizer", 0, 0))
            made = kind.train([d.text for d in corpus.train], self.config.vocabulary, self.progress)
            made.save(directory / TOKENIZER)

        key = {
            "corpus": corpus.fingerprint,
            "tokenizer": self.config.tokenizer,
            "vocabulary": self.config.vocabulary,
            "version": VERSION,
        }
        entry = self.store.get_or_build("tokenizer", key, build, self.progress)
        return load_tokenizer(entry.path / TOKENIZER)

    def _stream(self, documents: Any, part: str) -> Stream:
        stream = tokenized(self.tokenizer, documents, about(self.progress, part))
        most = self.config.limit_train if part == "train" else min(MOST[part], len(stream))
        if most is None or most == len(stream):
            return stream
        if part == "train":
            return limited(stream, most, self.config.seed)
        some = excerpts(stream, most, self.config.seed)
        self.notes.append(
            f"{len(some):,} of {len(stream):,} {part} tokens are judged: stretches of {len(some.names)} of "
            f"{len(stream.names)} documents or passages, each read as if its text began there"
        )
        return some

    @cached_property
    def _identity(self) -> dict[str, Any]:
        train = self.streams["train"]
        return {
            "corpus": self._corpus,
            "tokenizer": self.tokenizer.fingerprint,
            "train": digest_arrays(train.ids, train.starts),
            "backbone": self.config.backbone,
            "seed": self.config.seed,
            "version": VERSION,
        }

    @cached_property
    def network(self) -> LanguageNetwork:
        """The base model, with its weights, in evaluation mode."""
        from resmem_core.models.training import load_weights

        network = self._new_network()
        if self.trained is not None:
            load_weights(network, self.trained.path / WEIGHTS)
        network.to(self._on)
        network.eval()
        return network

    def _new_network(self) -> LanguageNetwork:
        from resmem_core.models.text_training import new_language_network

        return new_language_network(self.backbone, self.argument, self.tokenizer.size, self.config.seed)

    @cached_property
    def _on(self) -> Any:
        from resmem_core.models.training import choose_device

        return choose_device(self.device)

    @cached_property
    def trained(self) -> Entry | None:
        """The weights, trained first where they are missing; None where the model is taken as it is."""
        from resmem_core.models import text_training as training

        recipe = self.backbone.recipe(len(self.streams["train"]))
        if recipe is None:
            return None
        if self.config.epochs is not None:
            recipe = replace(recipe, epochs=self.config.epochs)
        key = {**self._identity, "recipe": dict(recipe.as_dict()), "training": training.VERSION}
        if not self.may_wait and self.store.find("language-weights", key) is None:
            raise NeedsPreparing(
                f"there are no weights for {self.config.backbone} on {self.config.dataset} "
                f"(seed {self.config.seed}) yet"
            )
        checkpoint = self.store.work_folder("language-weights", key) / "checkpoint.safetensors"

        def build(directory: Path) -> Mapping[str, Any]:
            from resmem_core.models.training import save_weights

            network = self._new_network()
            history = training.train_language(
                network,
                self.streams["train"],
                recipe,
                bos=self.tokenizer.bos,
                seed=self.config.seed,
                device=self._on,
                checkpoint=checkpoint,
                progress=self.progress,
            )
            save_weights(network, directory / WEIGHTS)
            checkpoint.unlink(missing_ok=True)
            return {"losses": [round(loss, 4) for loss in history.losses], "seconds": round(history.seconds, 1)}

        return self.store.get_or_build("language-weights", key, build, self.progress)

    @cached_property
    def identity(self) -> str:
        """Digest that everything made with the embeddings is keyed by."""
        if self.trained is not None:
            weights = digest_file(self.trained.path / WEIGHTS)
        else:
            arrays = digest_arrays(*(value.cpu().numpy() for value in self.network.state_dict().values()))
            told = {"context_length": self.network.context_length, "definition": self.network.definition}
            weights = digest_key({"weights": arrays, **told})
        streams = {part: digest_arrays(s.ids, s.starts) for part, s in self.streams.items()}
        return digest_key({**self._identity, "weights": weights, "streams": streams})

    def embeddings(self, part: str) -> np.ndarray:
        """Return the embedding that predicts each token of a part, (N, D) of float16, memory-mapped."""
        from resmem_core.models import text_embedding as embedding

        key = {"model": self.identity, "part": part, "version": embedding.VERSION}
        if not self.may_wait and self.store.find("language-embeddings", key) is None:
            raise NeedsPreparing(f"the {part} part of {self.config.dataset!r} is not embedded yet")
        work = self.store.work_folder("language-embeddings", key)

        def build(directory: Path) -> None:
            embedding.embed_stream(
                self.network,
                self.streams[part],
                bos=self.tokenizer.bos,
                file=directory / "embeddings.npy",
                work=work,
                device=self._on,
                progress=about(self.progress, part),
            )

        return self.store.get_or_build("language-embeddings", key, build, self.progress).array("embeddings")

    def embed(self, context: Ids) -> np.ndarray:
        """Return the embedding after a context, (D,) of float16."""
        from resmem_core.models.text_embedding import hidden_of

        return hidden_of(self.network, context, bos=self.tokenizer.bos, device=self._on)

    def read(self, context: Ids) -> Ids:
        """Return the end of a context that `embed` looks at."""
        from resmem_core.models.text_embedding import read_of

        return read_of(context, self.network.context_length)


def prepare_language(
    config: ExperimentConfig,
    *,
    store: Store | None = None,
    device: str = "auto",
    may_wait: bool = True,
    progress: Progress = silent,
) -> LanguageExperiment:
    """Load, cut into tokens, train, embed, index and search, taking from the store whatever is there already.

    Parameters
    ----------
    config : ExperimentConfig
    store : Store, optional
        This machine's unless given.
    device : str
        "auto", or a torch device.
    may_wait : bool
        Whether to do what takes long: train, embed, and search where there is much to search.
    progress : callable
        Told of every stage; may raise `Cancelled`, after which the next call goes on from where it was.

    Raises
    ------
    NeedsPreparing
        If something that takes long is missing and `may_wait` is False.
    ResMemError
        If text or weights cannot be had.
    """
    from resmem_core.models.token_blocks import output_layer

    store = store if store is not None else Store()
    corpus = load_corpus(config.dataset, seed=config.seed, progress=progress)
    model = _Model(config, corpus, store=store, device=device, may_wait=may_wait, progress=progress)
    embeddings = {part: model.embeddings(part) for part in PARTS}
    search = Search(
        vectors=lambda part: Points(embeddings[part]),
        sizes={part: len(vectors) for part, vectors in embeddings.items()},
        key={"embeddings": model.identity, "normalize": False, "version": VERSION},
        index_name=config.index,
        seed=config.seed,
        k_max=min(K_MAX, len(embeddings["train"])),
        store=store,
        progress=progress,
    )
    if not may_wait and search.is_large and search.found() is None:
        raise NeedsPreparing(f"the neighbours of {config.dataset!r} are not found yet")
    index, reason = search.index()
    neighbors = search.neighbors(index)
    streams = model.streams

    layer = output_layer(model.network)

    def queries(part: str) -> Queries:
        stream, logits = streams[part], HeadLogits(embeddings[part], layer)
        return Queries(logits, stream.ids, neighbors_of(neighbors, part), stream.blocks)

    validation = queries("validation")
    return LanguageExperiment(
        config=config,
        corpus=corpus,
        tokenizer=model.tokenizer,
        streams=streams,
        notes=tuple(model.notes),
        memory=Memory(HeadLogits(embeddings["train"], layer), streams["train"].ids),
        validation=validation,
        test=queries("test"),
        sigma_scale=auto_sigma(validation.neighbors.distances[:, 0]),
        index=index,
        index_reason=reason,
        index_facts=neighbors.info,
        origin="given" if model.trained is None else "trained here",
        training={} if model.trained is None else model.trained.info,
        _model=model,
        _store=store,
        _neighbors=neighbors,
        _search=search,
    )
