"""What makes an experiment the one it is: fields with defaults, as options of the command line and as code."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, fields
from typing import Any

from resmem_core.common.errors import InvalidParameterError
from resmem_core.data import dataset_title, parse_spec
from resmem_core.data.base import EMBEDDINGS, FEATURES, IMAGE, LABELLED, TEXT
from resmem_core.data.corruption import check_imbalance, check_label_noise
from resmem_core.data.tokenizers import TOKENIZERS, check_vocabulary
from resmem_core.experiment.code import experiment_code
from resmem_core.memory.edits import check_reference
from resmem_core.memory.indexes import AUTO, INDEXES
from resmem_core.memory.types import Params
from resmem_core.models import backbone_of, network_of

PRECOMPUTED = "precomputed"  # backbone of a dataset that brings its own embeddings and logits
OWN = "own"  # tokenizer of a base model that brings one
BACKBONE = {  # unless another is chosen
    IMAGE: "linear",
    EMBEDDINGS: PRECOMPUTED,
    FEATURES: "linear",
    LABELLED: "tfidf",
    TEXT: "transformer-small",
}
OF_EXAMPLES = tuple(kind for kind in BACKBONE if kind != TEXT)
TEXT_DATASET = "python-docs"  # likewise
# Values that follow from other fields and need not be told; linear is told, as it always was: ids depend on it.
_IMPLIED = {"backbone": (BACKBONE[EMBEDDINGS], BACKBONE[TEXT], BACKBONE[LABELLED]), "tokenizer": (OWN,)}


def _only(default: Any, *kinds: str) -> Any:
    """Declare a field that applies to datasets of these kinds only."""
    return field(default=default, metadata={"kinds": kinds})


@dataclass(frozen=True)
class ExperimentConfig:
    """A dataset, a base model, and how both are used; which fields apply follows from the dataset's kind.

    Attributes
    ----------
    dataset : str
        A name, with its argument after a colon where it takes one ("folder:PATH", "text:PATH").
    backbone : str
        A base model ("small-cnn", "hf:PATH"). Empty: `BACKBONE` of the dataset's kind.
    seed : int
        Of the split, of the initial weights and of the order of training.
    index : str
        A name, or "auto": the one that answers soonest, by measurement.
    epochs : int or None
        None: as the backbone's recipe says.
    limit_train : int or None
        Train on, and remember, only so many examples; of text, tokens.
    imbalance : float
        Largest class over smallest class in train, at least 1: a long tail of rare classes, drawn from the seed.
    label_noise : float
        Share of the training labels that are replaced at random, 0 to 0.95.
    normalize : bool or None
        Scale embeddings to length 1. None: chosen on validation.
    edits : str
        Reference of the edits made to memory (`Edits.save`). Empty: memory as it came.
    tokenizer : str
        Kind of tokenizer, trained on the train part; "own" where the base model brings one.
    vocabulary : int
        How many tokens it has at most; of characters there are as many as the text has.

    Raises
    ------
    InvalidParameterError
        If a value is not possible, or does not go with the others or with the dataset's kind.
    """

    dataset: str = "digits"
    backbone: str = ""
    seed: int = 0
    index: str = "exact"
    epochs: int | None = None
    limit_train: int | None = None
    imbalance: float = _only(1.0, *OF_EXAMPLES)
    label_noise: float = _only(0.0, *OF_EXAMPLES)
    normalize: bool | None = None
    edits: str = _only("", *OF_EXAMPLES)
    tokenizer: str = _only("bpe", TEXT)
    vocabulary: int = _only(2048, TEXT)

    def __post_init__(self) -> None:
        kind = self.kind
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name not in fields_of(kind) and value != f.default:
                raise InvalidParameterError(
                    f"{f.name}={value!r} does not go with {self.dataset!r}, which is of kind {kind}; leave it out, or "
                    f"choose a dataset of kind {' or '.join(f.metadata['kinds'])}"
                )
        if not self.backbone:
            self._set("backbone", BACKBONE[kind])
        if kind == TEXT:
            self._check_text()
        else:
            self._check_examples(kind)
        if self.index != AUTO:
            INDEXES.get(self.index)
        for name in ("epochs", "limit_train"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidParameterError(f"{name}={value} must be at least 1")
        if not 0 <= self.seed < 2**31:
            raise InvalidParameterError(f"seed={self.seed} must lie between 0 and {2**31 - 1}")

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_examples(self, kind: str) -> None:
        if kind != EMBEDDINGS and self.backbone == PRECOMPUTED:
            raise InvalidParameterError(
                f"backbone={PRECOMPUTED!r} needs a dataset with embeddings and logits (arrays:PATH), not "
                f"{self.dataset!r}"
            )
        if self.backbone != PRECOMPUTED:
            backbone_of(self.backbone, kind)
        check_imbalance(self.imbalance)
        check_label_noise(self.label_noise)
        self._set("imbalance", float(self.imbalance))  # 10 and 10.0 are one experiment
        self._set("label_noise", float(self.label_noise))
        check_reference(self.edits)

    def _check_text(self) -> None:
        backbone, _ = network_of(self.backbone, TEXT)
        if backbone.frozen:
            self._set("tokenizer", OWN)
            self._set("vocabulary", ExperimentConfig.vocabulary)
        elif self.tokenizer == OWN:
            raise InvalidParameterError(
                f"tokenizer={OWN!r} needs a base model that brings one (hf:PATH), not {self.backbone!r}; choose one "
                f"of: {', '.join(TOKENIZERS.names())}"
            )
        else:
            TOKENIZERS.get(self.tokenizer)
        check_vocabulary(self.vocabulary)

    @property
    def kind(self) -> str:
        """The kind of the dataset: of images, embeddings, features, labelled texts or text."""
        return parse_spec(self.dataset)[0].kind

    @property
    def title(self) -> str:
        """What it is called for people: its base model and its dataset."""
        return f"{self.backbone} on {dataset_title(self.dataset)}"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that apply as plain values."""
        return {name: getattr(self, name) for name in fields_of(self.kind)}

    def told(self) -> dict[str, Any]:
        """Return the fields that say which experiment it is: those that differ from the defaults."""
        defaults = {f.name: f.default for f in fields(self)}
        return {
            name: value
            for name, value in self.as_dict().items()
            if value not in (defaults[name], *_IMPLIED.get(name, ()))
        }

    def options(self) -> list[str]:
        """Return what differs from the defaults as options of the command line."""
        options = []
        for name, value in self.told().items():
            option = name.replace("_", "-")
            if isinstance(value, bool):
                options.append(f"--{'' if value else 'no-'}{option}")
            else:
                options.append(f"--{option}={value}")
        return options

    def command(self, name: str, *options: str) -> str:
        """Return the command line that runs a command, with options of its own, on this experiment."""
        return shlex.join(["python", "-m", "resmem_core", name, *self.options(), *options])

    def construction(self) -> str:
        """Return the expression that makes this object."""
        made_by = LanguageConfig if self.kind == TEXT else ExperimentConfig
        return f"{made_by.__name__}({', '.join(f'{name}={value!r}' for name, value in self.told().items())})"

    def code(self, params: Params | None = None, work: str | None = None) -> str:
        """Return the lines of Python that open this experiment and do `work`: see `code.experiment_code`."""
        return experiment_code(self.construction(), params, work, of_text=self.kind == TEXT)


def fields_of(kind: str) -> tuple[str, ...]:
    """Return the fields of `ExperimentConfig` that apply to a dataset of this kind."""
    return tuple(f.name for f in fields(ExperimentConfig) if kind in f.metadata.get("kinds", (kind,)))


def LanguageConfig(  # noqa: N802 - a public name, under which configurations of text are made
    dataset: str = TEXT_DATASET,
    backbone: str = "",
    seed: int = 0,
    index: str = "exact",
    epochs: int | None = None,
    limit_train: int | None = None,
    tokenizer: str = ExperimentConfig.tokenizer,
    vocabulary: int = ExperimentConfig.vocabulary,
    normalize: bool | None = None,
) -> ExperimentConfig:
    """Return the configuration of an experiment on text: see `ExperimentConfig`.

    Raises
    ------
    InvalidParameterError
        If the dataset is no text, and as `ExperimentConfig`.
    """
    parse_spec(dataset, text=True)
    return ExperimentConfig(
        *(dataset, backbone, seed, index, epochs, limit_train),
        normalize=normalize,
        tokenizer=tokenizer,
        vocabulary=vocabulary,
    )
