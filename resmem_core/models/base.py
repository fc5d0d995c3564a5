"""What a base model is that users pick by name: a network and its recipe, or an estimator of scikit-learn's kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from resmem_core.common.arguments import Argument
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.registry import Registry, parse
from resmem_core.common.store import digest_key
from resmem_core.data.base import IMAGE, file_state, user_path
from resmem_core.models.types import Recipe, Shape

if TYPE_CHECKING:
    from resmem_core.data.tokenizers import Tokenizer
    from resmem_core.models.blocks import Network


class Family(ABC):
    """What users pick by name, or one kind that takes an argument (`hf:NAME_OR_PATH`).

    Attributes
    ----------
    name : str
        What users type before any colon.
    summary : str
        One line for listings.
    argument : str or None
        What stands after the colon, as listings call it ("PATH"); None where nothing does.
    kinds : tuple of str
        What it looks at: images, text, a table of features.
    normalize : bool
        Whether its embeddings are usually scaled to length 1 before distances are taken: so they are where neither the
        user nor validation says otherwise.
    """

    name: str
    summary: str
    argument: ClassVar[str | None] = None
    kinds: ClassVar[tuple[str, ...]] = (IMAGE,)
    normalize: ClassVar[bool] = True

    def of(self, kind: str) -> Family:
        """Return what it is for data of this kind, one of `kinds`: by default itself."""
        return self

    def unavailable(self, argument: str | None = None) -> str | None:
        """Return why it cannot be used now, or None. Quick: it looks, and loads nothing."""
        return None

    def stamp(self, argument: str | None) -> str:
        """Return what changes when the file or folder does that `argument` names, unread; "" where it names none."""
        path = user_path(Argument.split(argument or "")[0])
        try:
            if not argument or not path.exists():
                return ""
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            return digest_key({str(file.relative_to(path)): file_state(file) for file in files if file.is_file()})
        except OSError:  # a name too long for a path
            return ""


class Backbone(Family):
    """A network in two parts, and how it is trained.

    Attributes
    ----------
    frozen : bool
        Whether its trunk stays as it is: a head is trained on features that the trunk gives once, or nothing at all.
    """

    frozen: ClassVar[bool] = False

    def tokenizer(self, argument: str | None) -> Tokenizer | None:
        """Return the tokenizer that it was trained with; None if one is to be trained on the text.

        Raises
        ------
        UnavailableError
            If it is not on this machine and cannot be fetched.
        """
        return None

    @abstractmethod
    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> Network:
        """Return a network for such examples, freshly initialised (from torch's global generator) unless frozen.

        Of the kind text it is a `LanguageNetwork`, and the classes are tokens.

        Raises
        ------
        UnavailableError
            If weights are needed, not on this machine, and cannot be fetched.
        InvalidParameterError
            If it cannot look at such examples, or its weights cannot serve as a base model.
        """

    @abstractmethod
    def recipe(self, n_train: int) -> Recipe | None:
        """Return how it is trained on `n_train` images or tokens, unless the user says otherwise; None: not at all."""


class Estimator(Family):
    """An estimator in scikit-learn's grammar: what it is given is its embedding, so distances are between inputs."""

    normalize: ClassVar[bool] = False

    @abstractmethod
    def estimator(self, task: str, argument: str | None, seed: int) -> Any:
        """Return it, not yet fitted.

        Parameters
        ----------
        task : str
            Whether it tells classes, or values: `CLASSES` or `VALUES` of `data.types`.

        Raises
        ------
        InvalidParameterError
            If there is no such estimator, or it does not take the parameters that `argument` gives, or is for the other
            task.
        UnavailableError
            If a package is missing.
        """


BACKBONES: Registry[Family] = Registry("backbone", "resmem_core.models.families")


def backbone_of(spec: str, kind: str) -> tuple[Family, str | None]:
    """Return what "NAME" or "NAME:ARGUMENT" names for data of that kind, and what stands after its colon.

    Raises
    ------
    InvalidParameterError
        If the name is unknown, an argument is missing or not taken, or it is for data of another kind.
    """
    backbone, argument = parse(BACKBONES, spec)
    if kind not in backbone.kinds:
        able = ", ".join(sorted(item.name for item in BACKBONES if kind in item.kinds))
        raise InvalidParameterError(
            f"backbone {spec!r} goes with data of kind {' or '.join(backbone.kinds)}, but the dataset is of kind "
            f"{kind}; choose another dataset, or one of: {able}"
        )
    return backbone.of(kind), argument


def network_of(spec: str, kind: str) -> tuple[Backbone, str | None]:
    """Return the same where it must be a network.

    Raises
    ------
    InvalidParameterError
        As `backbone_of`, or if it is an estimator.
    """
    backbone, argument = backbone_of(spec, kind)
    if not isinstance(backbone, Backbone):
        raise InvalidParameterError(f"backbone {spec!r} is no network; choose another")
    return backbone, argument
