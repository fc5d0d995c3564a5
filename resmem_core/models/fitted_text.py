"""The base model of an experiment on text: its tokenizer, its weights, and what it says of every part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resmem_core.common.progress import Progress, Step, about
from resmem_core.common.runner import Runner, Task
from resmem_core.common.store import Entry, digest_arrays, digest_file, digest_key
from resmem_core.data.base import PARTS, TEXT
from resmem_core.data.text import Ids, Stream
from resmem_core.data.text_loading import Corpus
from resmem_core.data.tokenizers import TOKENIZERS, Tokenizer, excerpts, limited, load_tokenizer, tokenized
from resmem_core.models import backbone_of
from resmem_core.models.fitted import CHECKPOINT
from resmem_core.models.shipped import WEIGHTS

if TYPE_CHECKING:
    from resmem_core.models.token_blocks import LanguageNetwork

MOST = {"validation": 20_000, "test": 50_000}  # tokens judged of each part: enough for intervals, and soon done
TOKENIZER = "tokenizer.json"
VERSION = 1  # of the steps below; raise it when one of them would give other numbers


class TextModel:
    """A base model of the next token on one text: finds or trains its weights, and embeds every part with them.

    Parameters
    ----------
    corpus : Corpus
    backbone : str
        A name, with its argument after a colon where it takes one.
    tokenizer : str
        Kind of the tokenizer, trained on the train part where the backbone brings none.
    vocabulary : int
        How many tokens it has at most.
    seed : int
        Of the initial weights, of the order of training, and of what is left out.
    epochs, limit_train : int or None
        None: as the backbone's recipe says; all tokens.
    device : str
        "auto", or a torch device.
    runner : Runner
    """

    def __init__(
        self,
        corpus: Corpus,
        backbone: str,
        *,
        tokenizer: str,
        vocabulary: int,
        seed: int,
        epochs: int | None,
        limit_train: int | None,
        device: str,
        runner: Runner,
    ) -> None:
        self.spec = backbone
        self.backbone, self.argument = backbone_of(backbone, TEXT)
        self.seed = seed
        self.epochs = epochs
        self.device = device
        self.runner = runner
        self.corpus = corpus
        self.tokenizer = self._tokenizer(tokenizer, vocabulary)
        self.notes: list[str] = list(corpus.notes)
        self.streams = {part: self._stream(part, limit_train) for part in PARTS}

    def _tokenizer(self, name: str, vocabulary: int) -> Tokenizer:
        own = self.backbone.tokenizer(self.argument)
        if own is not None:
            return own
        kind = TOKENIZERS.get(name)

        def build(directory: Path, progress: Progress) -> None:
            progress(Step("Training the tokenizer", 0, 0))
            made = kind.train([d.text for d in self.corpus.train], vocabulary, progress)
            made.save(directory / TOKENIZER)

        key = {"corpus": self.corpus.fingerprint, "tokenizer": name, "vocabulary": vocabulary, "version": VERSION}
        return load_tokenizer(self.runner.run(Task("tokenizer", key, build)).path / TOKENIZER)

    def _stream(self, part: str, limit_train: int | None) -> Stream:
        stream = tokenized(self.tokenizer, getattr(self.corpus, part), about(self.runner.progress, part))
        most = limit_train if part == "train" else min(MOST[part], len(stream))
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
        if self.trained is not None:
            load_weights(network, self.trained.path / WEIGHTS)
        network.to(self._on)
        network.eval()
        return network

    def _new_network(self) -> LanguageNetwork:
        from resmem_core.models.token_blocks import LanguageNetwork
        from resmem_core.models.training import new_network

        network = new_network(self.backbone, (), self.tokenizer.size, self.seed, self.argument)
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
        if self.epochs is not None:
            recipe = replace(recipe, epochs=self.epochs)

        def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
            from resmem_core.models.token_batches import TokenBatches

            network, checkpoint = self._new_network(), self.runner.work_folder(task) / CHECKPOINT
            history = training.train(
                network,
                TokenBatches(self.streams["train"], self.tokenizer.bos, network.context_length),
                recipe,
                seed=self.seed,
                device=self._on,
                checkpoint=checkpoint,
                progress=progress,
            )
            training.save_weights(network, directory / WEIGHTS)
            checkpoint.unlink(missing_ok=True)
            return {"losses": [round(loss, 4) for loss in history.losses], "seconds": round(history.seconds, 1)}

        task = Task(
            "language-weights",
            {**self._identity, "recipe": dict(recipe.as_dict()), "training": training.VERSION},
            build,
            long=True,
            missing=f"there are no weights for {self.spec} on {self.corpus.name} (seed {self.seed}) yet",
        )
        return self.runner.run(task)

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

        def build(directory: Path, progress: Progress) -> None:
            embedding.embed_stream(
                self.network,
                self.streams[part],
                bos=self.tokenizer.bos,
                file=directory / "embeddings.npy",
                work=self.runner.work_folder(task),
                device=self._on,
                progress=about(progress, part),
            )

        task = Task(
            "language-embeddings",
            {"model": self.identity, "part": part, "version": embedding.VERSION},
            build,
            long=True,
            missing=f"the {part} part of {self.corpus.name!r} is not embedded yet",
        )
        return self.runner.run(task).array("embeddings")

    def embed(self, context: Ids) -> np.ndarray:
        """Return the embedding after a context, (D,) of float16."""
        from resmem_core.models.text_embedding import hidden_of

        return hidden_of(self.network, context, bos=self.tokenizer.bos, device=self._on)

    def read(self, context: Ids) -> Ids:
        """Return the end of a context that `embed` looks at."""
        from resmem_core.models.text_embedding import read_of

        return read_of(context, self.network.context_length)
