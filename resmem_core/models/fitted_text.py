"""The base model of an experiment on text: tokens, weights, and what it says of every part and of any context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from resmem_core.common.progress import Progress, Step, about
from resmem_core.common.runner import Task
from resmem_core.common.store import Entry, digest_arrays, digest_file, digest_key
from resmem_core.data.base import PARTS, TEXT
from resmem_core.data.text import Document, Ids, Stream
from resmem_core.data.text_loading import Corpus
from resmem_core.data.tokenizers import TOKENIZERS, Tokenizer, excerpts, limited, load_tokenizer, tokenized
from resmem_core.models.fitted import Fitting
from resmem_core.models.shipped import WEIGHTS

if TYPE_CHECKING:
    from resmem_core.models.token_batches import TokenBatches
    from resmem_core.models.token_blocks import LanguageNetwork

MOST = {"validation": 20_000, "test": 50_000}  # tokens judged of each part: enough for intervals, and soon done
TOKENIZER = "tokenizer.json"
VERSION = 1  # of the steps below; raise it when one of them would give other numbers


@dataclass(eq=False, kw_only=True)
class TextFitting(Fitting):
    """A backbone on a text cut into tokens: its weights, and what it says of every part with them.

    Attributes
    ----------
    tokens : str
        Kind of tokenizer, trained on the train part, where the backbone does not bring one.
    vocabulary : int
        How many tokens it has at most.
    limit_train : int or None
        Train on only so many tokens.
    streams : dict of Stream
        The tokens of each part.
    notes : list of str
        What a user should know of the text and of what is done with it.
    """

    corpus: Corpus
    tokens: str
    vocabulary: int
    limit_train: int | None

    kind: ClassVar[str] = TEXT

    def __post_init__(self) -> None:
        super().__post_init__()
        self.tokenizer = self._tokenizer()
        self.notes = list(self.corpus.notes)
        self.streams = {part: self._stream(getattr(self.corpus, part), part) for part in PARTS}

    def _tokenizer(self) -> Tokenizer:
        own = self.backbone.tokenizer(self.argument)
        if own is not None:
            return own
        kind = TOKENIZERS.get(self.tokens)

        def build(directory: Path, progress: Progress) -> None:
            progress(Step("Training the tokenizer", 0, 0))
            made = kind.train([d.text for d in self.corpus.train], self.vocabulary, progress)
            made.save(directory / TOKENIZER)

        key = {
            "corpus": self.corpus.fingerprint,
            "tokenizer": self.tokens,
            "vocabulary": self.vocabulary,
            "version": VERSION,
        }
        return load_tokenizer(self.runner.run(Task("tokenizer", key, build)).path / TOKENIZER)

    def _stream(self, documents: Sequence[Document], part: str) -> Stream:
        stream = tokenized(self.tokenizer, documents, about(self.runner.progress, part))
        most = self.limit_train if part == "train" else min(MOST[part], len(stream))
        if most is None or most == len(stream):
            return stream
        if part == "train":
            return limited(stream, most, self.seed)
        some = excerpts(stream, most, self.seed)
        self.notes.append(
            f"{len(some):,} of {len(stream):,} {part} tokens are judged: stretches of {len(some.names)} of "
            f"{len(stream.names)} documents or passages, each read as if its text began there"
        )
        return some

    @cached_property
    def _identity(self) -> dict[str, Any]:
        train = self.streams["train"]
        return {
            "corpus": self.corpus.fingerprint,
            "tokenizer": self.tokenizer.fingerprint,
            "train": digest_arrays(train.ids, train.starts),
            "backbone": self.spec,
            "seed": self.seed,
            "version": VERSION,
        }

    @cached_property
    def network(self) -> LanguageNetwork:
        """The base model, with its weights, in evaluation mode."""
        from resmem_core.models.training import load_weights

        network = self._new_network()
        self.notes += filter(None, [network.about])
        if self.weights is not None:
            load_weights(network, self.weights.path / WEIGHTS)
        return network.to(self.on).eval()

    def _new_network(self) -> LanguageNetwork:
        from resmem_core.models.token_blocks import LanguageNetwork

        network = self.new_network((), self.tokenizer.size)
        assert isinstance(network, LanguageNetwork)
        return network

    @cached_property
    def weights(self) -> Entry | None:
        """The weights, trained first where they are missing; None where the model is taken as it is."""
        from resmem_core.models.training import VERSION as TRAINING

        recipe = self.recipe_for(len(self.streams["train"]))
        if recipe is None:
            return None
        key = {**self._identity, "recipe": recipe.as_dict(), "training": TRAINING}
        return self.trained("language-weights", key, self.corpus.name, recipe, self._begin)

    def _begin(self) -> tuple[LanguageNetwork, TokenBatches]:
        from resmem_core.models.token_batches import TokenBatches

        network = self._new_network()
        return network, TokenBatches(self.streams["train"], self.tokenizer.bos, network.context_length)

    @cached_property
    def identity(self) -> str:
        """Digest that everything made with the embeddings is keyed by."""
        if self.weights is not None:
            weights = digest_file(self.weights.path / WEIGHTS)
        else:
            arrays = digest_arrays(*(value.cpu().numpy() for value in self.network.state_dict().values()))
            told = {"context_length": self.network.context_length, "definition": self.network.definition}
            weights = digest_key({"weights": arrays, **told})
        streams = {part: digest_arrays(s.ids, s.starts) for part, s in self.streams.items()}
        return digest_key({**self._identity, "weights": weights, "streams": streams})

    def embeddings(self, part: str) -> np.ndarray:
        """Return the embedding that predicts each token of a part, (N, D) of float16, memory-mapped."""
        from resmem_core.models import text_embedding as embedding

        def build(directory: Path, progress: Progress) -> None:
            embedding.embed_stream(
                self.network,
                self.streams[part],
                bos=self.tokenizer.bos,
                file=directory / "embeddings.npy",
                work=self.runner.work_folder(task),
                device=self.on,
                progress=about(progress, part),
            )

        task = Task(
            "language-embeddings",
            {"model": self.identity, "part": part, "version": embedding.VERSION},
            build,
            long=True,
            by_blocks=True,
            missing=f"the {part} part of {self.corpus.name!r} is not embedded yet",
        )
        return self.runner.run(task).array("embeddings")

    def embed(self, context: Ids) -> np.ndarray:
        """Return the embedding after a context, (D,) of float16."""
        from resmem_core.models.text_embedding import hidden_of

        return hidden_of(self.network, context, bos=self.tokenizer.bos, device=self.on)

    def read(self, context: Ids) -> Ids:
        """Return the end of a context that `embed` looks at."""
        from resmem_core.models.text_embedding import read_of

        return read_of(context, self.network.context_length)
