"""What the page "Language" can be told."""

from __future__ import annotations

from dataclasses import dataclass, fields

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.forms import Form, between, one_of, positive, setting, whole
from resmem_core.experiment.text_config import LanguageConfig
from resmem_core.memory.types import Params

VIEWS = ("inside", "walk", "generate", "gain")
OBJECTIVES = ("accuracy", "perplexity")
MOST_TYPED = 4_000  # characters of a text: it is in the address
MOST_TOKENS = 200  # that are generated
MOST_SHOWN = 64  # contexts
LEAST_AROUND, MOST_AROUND = 5, 200  # tokens of each


@dataclass(frozen=True)
class Language(Form):
    """What is shown: an experiment with text, a setting of the three numbers, and a place to look at.

    None stands for a choice left to the data: the setting chosen on validation, or a position in test.
    """

    dataset: str = setting(LanguageConfig.dataset, str, "text: python-docs, text:PATH or hf:NAME")
    backbone: str = setting(LanguageConfig.backbone, str, "base model")
    seed: int = setting(0, whole(0, 2**31 - 1), "seed of the cut into parts and of the training")
    index: str = setting(LanguageConfig.index, str, "nearest-neighbour index: exact, annoy, or auto")
    epochs: int | None = setting(None, whole(1), "passes over the training text; default: the base model's recipe")
    limit_train: int | None = setting(None, whole(1), "train on, and remember, only so many tokens")
    tokenizer: str = setting(LanguageConfig.tokenizer, str, "what a token is: bpe, characters or words")
    vocabulary: int = setting(LanguageConfig.vocabulary, whole(2), "how many tokens there are at most")
    objective: str = setting("accuracy", one_of(OBJECTIVES), "what is chosen for on validation: accuracy or perplexity")
    k: int | None = setting(None, whole(1), "number of neighbours")
    sigma: float | None = setting(None, positive, "bandwidth, in units of the embedding distance")
    temperature: float | None = setting(None, positive, "divides the base model's logits")
    view: str = setting("inside", one_of(VIEWS), f"which view: {', '.join(VIEWS)}")
    context: str | None = setting(None, str, "a text, of which the next token is predicted")
    point: int | None = setting(None, whole(0), "row of the test text: the token that is predicted")
    shown: int = setting(8, whole(1, MOST_SHOWN), "retrieved contexts shown")
    around: int = setting(30, whole(LEAST_AROUND, MOST_AROUND), "tokens shown of each before the one that came next")
    followed: int | None = setting(None, whole(0), "list only contexts that this token followed: its id")
    prompt: str = setting("The ", str, "a text to go on from")
    tokens: int = setting(60, whole(1, MOST_TOKENS), "how many tokens are written")
    heat: float = setting(0.0, between(0, 2), "sampling temperature; 0: always the likeliest token")
    draw: int = setting(0, whole(0, 2**31 - 1), "seed of the sampling")

    def experiment(self) -> LanguageConfig:
        """Return the part that says which experiment it is.

        Raises
        ------
        InvalidParameterError
            If its fields do not go together, or a name is unknown.
        """
        return LanguageConfig(**{f.name: getattr(self, f.name) for f in fields(LanguageConfig)})

    def params(self, chosen: Params) -> Params:
        """Return k, sigma and temperature, with those of `chosen` where they are left to the data."""
        return Params(self.k or chosen.k, self.sigma or chosen.sigma, self.temperature or chosen.temperature)

    def check(self) -> None:
        """Do nothing where the experiment is a possible one, and its texts fit into an address.

        Raises
        ------
        InvalidParameterError
            If they do not, and as `experiment`.
        """
        self.experiment()
        for text in (self.context or "", self.prompt):
            if len(text) > MOST_TYPED:
                raise InvalidParameterError(
                    f"a text of {len(text):,} characters is too long for an address: {MOST_TYPED:,} is the most"
                )
