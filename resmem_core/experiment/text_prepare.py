"""Text x tokenizer x base model x seed -> a trained, embedded and searched experiment, through the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, Step, about, silent
from resmem_core.common.store import Entry, Store, digest_arrays, digest_file, digest_key
from resmem_core.common.types import check_k
from resmem_core.data.base import PARTS, TEXT
from resmem_core.data.text import Ids, Stream
from resmem_core.data.text_loading import Corpus, load_corpus
from resmem_core.data.tokenizers import TOKENIZERS, Tokenizer, excerpts, limited, load_tokenizer, tokenized
from resmem_core.evaluation.text_evaluate import LanguageEvaluation, evaluate_language
from resmem_core.evaluation.text_tuning import LanguageTuned, choose_smoothing, tune_language
from resmem_core.experiment.text_config import LanguageConfig
from resmem_core.memory.generation import Generated, generate
from resmem_core.memory.residuals import auto_sigma
from resmem_core.memory.search import Search, key_of, neighbors_of, recall
from resmem_core.memory.text_explain import Context, TokenExplanation, context_of, explain_token
from resmem_core.memory.types import Params, TokenMemory, TokenQueries
from resmem_core.models import backbone_of
from resmem_core.models.fitted import NeedsPreparing
from resmem_core.models.shipped import WEIGHTS

if TYPE_CHECKING:
    from resmem_core.memory.indexes import Index
    from resmem_core.models.token_blocks import LanguageNetwork

K_MAX = 128
MOST = {"validation": 20_000, "test": 50_000}  # tokens judged of each part: enough for intervals, and soon done
TOKENIZER = "tokenizer.json"
VERSION = 1  # of the steps below; raise it when one of them would give other numbers


@dataclass(frozen=True, eq=False)
class LanguageExperiment:
    """Everything ResMem needs for the next token, prepared once: k, sigma and temperature are free from here on.

    Attributes
    ----------
    config : LanguageConfig
    corpus : Corpus
    tokenizer : Tokenizer
    streams : dict of Stream
        The tokens of each part.
    notes : tuple of str
        What a user should know of the text and of what is done with it.
    memory : TokenMemory
        One row for each token of train.
    validation, test : TokenQueries
        One for each token, with its `k_max` nearest rows of memory.
    sigma_scale : float
        `auto_sigma` of the distances from validation to memory.
    index : str
        Name of the index that found the neighbours.
    index_reason : str or None
        Why it was chosen, where that was left to measurement.
    index_facts : mapping
        How it is set: see `Index.facts`.
    origin : str
        Where the base model came from: "trained here" or "given".
    training : mapping
        What training told: losses, seconds.
    """

    config: LanguageConfig
    corpus: Corpus
    tokenizer: Tokenizer
    streams: dict[str, Stream]
    notes: tuple[str, ...]
    memory: TokenMemory
    validation: TokenQueries
    test: TokenQueries
    sigma_scale: float
    index: str
    index_reason: str | None
    index_facts: Mapping[str, Any]
    origin: str
    training: Mapping[str, Any]
    _model: _Model
    _store: Store
    _neighbors: Entry
    _search: Search

    @property
    def k_max(self) -> int:
        """The largest k there are neighbours for."""
        return self.test.neighbors.k

    @property
    def n_memory(self) -> int:
        """How many tokens memory holds."""
        return len(self.memory)

    @property
    def context_length(self) -> int:
        """How many tokens the base model reads at most."""
        return self._model.network.context_length

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The text of each token there is, C of them."""
        return tuple(self.tokenizer.pieces(np.arange(self.tokenizer.size, dtype=np.int32)))

    @cached_property
    def train_counts(self) -> np.ndarray:
        """How often each token occurs in memory, (C,)."""
        return np.bincount(self.memory.labels, minlength=self.tokenizer.size)

    @cached_property
    def _opened_index(self) -> Index:
        return self._search.opened(self.index)

    def default_params(self) -> Params:
        """Return a sensible setting that nothing was tuned for."""
        return Params(min(32, self.k_max), self.sigma_scale, 1.0)

    def check(self, params: Params) -> Params:
        """Return `params`.

        Raises
        ------
        InvalidParameterError
            If k exceeds the neighbours kept.
        """
        if check_k(params.k) > self.k_max:
            raise InvalidParameterError(
                f"k={params.k} must lie between 1 and {self.k_max}, the neighbours kept per token"
            )
        return params

    def tune(self, objective: str = "accuracy", *, may_wait: bool = True, progress: Progress = silent) -> LanguageTuned:
        """Return the settings of ResMem and of kNN-LM chosen on validation; computed once and kept in the store.

        Parameters
        ----------
        objective : {"accuracy", "perplexity"}
            What they are chosen for.
        may_wait : bool
            Whether to choose them now, where that was not done yet.
        progress : callable

        Raises
        ------
        NeedsPreparing
            If they are missing and `may_wait` is False.
        """
        key = {**key_of(self._neighbors, VERSION), "objective": objective}

        def build(directory: Path) -> Mapping[str, Any]:
            return tune_language(
                self.memory, self.validation, self.sigma_scale, objective=objective, progress=progress
            ).as_dict()

        if not may_wait and self._store.find("language-tuning", key) is None:
            raise NeedsPreparing(f"the setting of {self.config.dataset!r} is not chosen yet")
        return LanguageTuned.from_dict(self._store.get_or_build("language-tuning", key, build, progress).info)

    def smoothing(self, params: Params, objective: str = "accuracy") -> float:
        """Return the smoothing constant that validation gives a setting."""
        tuned = self.tune(objective)
        return tuned.smoothing if params == tuned.params else choose_smoothing(self.memory, self.validation, params)

    def evaluate(self, params: Params, objective: str = "accuracy", progress: Progress = silent) -> LanguageEvaluation:
        """Judge the methods on the test split; smoothing and all of kNN-LM's numbers are chosen on validation."""
        return evaluate_language(
            self.memory,
            self.test,
            self.check(params),
            self.smoothing(params, objective),
            self.tune(objective).rival,
            self.train_counts,
            self.class_names,
            progress=progress,
        )

    def explain(self, context: Ids, params: Params, smoothing: float | None = None) -> TokenExplanation:
        """Take apart the prediction after any context; of a long one the end is read: see `embedding.read_of`.

        Parameters
        ----------
        context : ndarray of int32
            May be empty: the beginning of a document.
        params : Params
        smoothing : float, optional
            `smoothing(params)` unless given.
        """
        embedding = self._model.embed(context)
        found = self._opened_index.search(embedding[None].astype(np.float32), self.check(params).k)
        return explain_token(
            self.memory,
            embedding,
            found,
            params,
            context=self._model.read(context),
            label=None,
            smoothing=self.smoothing(params) if smoothing is None else smoothing,
        )

    def explain_test(self, row: int, params: Params, smoothing: float | None = None) -> TokenExplanation:
        """Take apart the prediction of a token of the test split.

        Raises
        ------
        InvalidParameterError
            If there is no such token.
        """
        if not 0 <= row < len(self.test):
            raise InvalidParameterError(f"row={row} must be a whole number from 0 to {len(self.test) - 1}")
        query = self.test.take(np.array([row]))
        return explain_token(
            self.memory,
            query.embeddings[0],
            query.neighbors,
            self.check(params),
            context=self._model.read(self.streams["test"].before(row)),
            label=int(query.labels[0]),
            smoothing=self.smoothing(params) if smoothing is None else smoothing,
        )

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

    def recall(self, k: int) -> float:
        """Return the index's recall@k, against exact search on a sample of test tokens."""
        return recall(self.index, self._neighbors, k)


class _Model:
    """The base model of an experiment: its weights, and what it says of each part, through the store."""

    def __init__(
        self,
        config: LanguageConfig,
        corpus: Corpus,
        *,
        store: Store,
        device: str,
        may_wait: bool,
        progress: Progress,
    ) -> None:
        self.config = config
        self.backbone, self.argument = backbone_of(config.backbone, TEXT)
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
        from resmem_core.models.token_blocks import LanguageNetwork
        from resmem_core.models.training import new_network

        network = new_network(self.backbone, (), self.tokenizer.size, self.config.seed, self.argument)
        assert isinstance(network, LanguageNetwork)
        return network

    @cached_property
    def _on(self) -> Any:
        from resmem_core.models.training import choose_device

        return choose_device(self.device)

    @cached_property
    def trained(self) -> Entry | None:
        """The weights, trained first where they are missing; None where the model is taken as it is."""
        from resmem_core.models import training

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
            from resmem_core.models.token_batches import TokenBatches

            network = self._new_network()
            history = training.train(
                network,
                TokenBatches(self.streams["train"], self.tokenizer.bos, network.context_length),
                recipe,
                seed=self.config.seed,
                device=self._on,
                checkpoint=checkpoint,
                progress=self.progress,
            )
            training.save_weights(network, directory / WEIGHTS)
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
    config: LanguageConfig,
    *,
    store: Store | None = None,
    device: str = "auto",
    may_wait: bool = True,
    progress: Progress = silent,
) -> LanguageExperiment:
    """Load, cut into tokens, train, embed, index and search, taking from the store whatever is there already.

    Parameters
    ----------
    config : LanguageConfig
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
        vectors=lambda part: np.asarray(embeddings[part], np.float32),
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

    def queries(part: str) -> TokenQueries:
        stream = streams[part]
        return TokenQueries(embeddings[part], stream.ids, stream.blocks, neighbors_of(neighbors, part))

    validation = queries("validation")
    return LanguageExperiment(
        config=config,
        corpus=corpus,
        tokenizer=model.tokenizer,
        streams=streams,
        notes=tuple(model.notes),
        memory=TokenMemory(embeddings["train"], streams["train"].ids, output_layer(model.network)),
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
