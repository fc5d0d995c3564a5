"""What a base model of language is: a network, a tokenizer where it brings its own, and the recipe that trains it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from resmem_core.common.registry import Registry, parse

if TYPE_CHECKING:
    from resmem_core.data.tokenizers import Tokenizer
    from resmem_core.models.token_blocks import LanguageNetwork


@dataclass(frozen=True)
class LanguageRecipe:
    """How a network learns to predict the next token, by AdamW.

    Attributes
    ----------
    epochs : int
        Passes over the training text.
    batch_size : int
        Windows per step, each as long as the network's context.
    learning_rate : float
        Peak of the schedule, which is "one-cycle".
    weight_decay : float
        Decoupled from the gradient (Loshchilov and Hutter, ICLR 2019).
    dropout : float
        Share of the activations that is dropped, 0 or more, below 1.
    clip : float
        The gradient's norm is cut down to this.
    """

    epochs: int
    batch_size: int = 16
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    dropout: float = 0.1
    clip: float = 1.0

    def as_dict(self) -> Mapping[str, Any]:
        """Return the fields as plain values, for manifests and keys."""
        return dict(self.__dict__)


class LanguageBackbone(ABC):
    """One base model that users pick by name, or one kind that takes an argument (`hf:NAME_OR_PATH`).

    Attributes
    ----------
    name : str
        What users type before any colon.
    summary : str
        One line for listings.
    argument : str or None
        What stands after the colon, as listings call it; None where nothing does.
    frozen : bool
        Whether it is taken as it is, and nothing is trained.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    argument: ClassVar[str | None] = None
    frozen: ClassVar[bool] = False

    def unavailable(self, argument: str | None) -> str | None:
        """Return why it cannot be used now, or None. Quick: it looks, and loads nothing."""
        return None

    def tokenizer(self, argument: str | None) -> Tokenizer | None:
        """Return the tokenizer that it was trained with; None if one is to be trained on the corpus.

        Raises
        ------
        UnavailableError
            If it is not on this machine and cannot be fetched.
        """
        return None

    @abstractmethod
    def network(self, n_classes: int, argument: str | None) -> LanguageNetwork:
        """Return a network for `n_classes` tokens, freshly initialised (from torch's global generator) unless frozen.

        Raises
        ------
        UnavailableError
            If weights are needed, not on this machine, and cannot be fetched.
        InvalidParameterError
            If they cannot serve as a base model.
        """

    @abstractmethod
    def recipe(self, n_tokens: int) -> LanguageRecipe | None:
        """Return how it is trained on so many tokens, unless the user says otherwise; None if frozen."""


LANGUAGE_BACKBONES: Registry[LanguageBackbone] = Registry("language backbone", "resmem_core.models.families")


def parse_backbone(spec: str) -> tuple[LanguageBackbone, str | None]:
    """Return the base model that `spec`, "NAME" or "NAME:ARGUMENT", names, and what stands after its colon.

    Raises
    ------
    InvalidParameterError
        If the name is unknown, or an argument is missing or not taken.
    """
    return parse(LANGUAGE_BACKBONES, spec)
