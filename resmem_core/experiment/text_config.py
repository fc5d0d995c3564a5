"""What makes a language experiment the one it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resmem_core.common.errors import InvalidParameterError
from resmem_core.data.base import TEXT
from resmem_core.data.loading import parse_spec
from resmem_core.data.tokenizers import TOKENIZERS, check_vocabulary
from resmem_core.experiment.config import Config
from resmem_core.memory.indexes import AUTO, INDEXES
from resmem_core.memory.types import Params
from resmem_core.models import backbone_of

OWN = "own"
VOCABULARY = 2048


FIGURES = """\
result = experiment.evaluate(params)  # on the test split
print(result.n, "test tokens, gain", result.delta, "within", result.delta_ci95)
for method, accuracy in result.accuracy.items():
    print(method, accuracy, result.perplexity.get(method))
"""


@dataclass(frozen=True)
class LanguageConfig(Config):
    """A text, a tokenizer and a base model of the next token.

    Attributes
    ----------
    dataset : str
        A text dataset, with its argument after a colon where it takes one ("text:PATH").
    backbone : str
        A language model ("transformer-small", "hf:PATH").
    seed : int
        Of the cut into train, validation and test, of the initial weights and of the order of training.
    index : str
        A name, or "auto": the one that answers soonest, by measurement.
    epochs : int or None
        None: as the model's recipe says.
    limit_train : int or None
        Train on, and remember, only so many tokens.
    tokenizer : str
        Kind of tokenizer, trained on the train part; "own" where the base model brings one.
    vocabulary : int
        How many tokens it has at most; of characters there are as many as the text has.
    """

    dataset: str = "python-docs"
    backbone: str = "transformer-small"
    tokenizer: str = "bpe"
    vocabulary: int = VOCABULARY

    implied: ClassVar[tuple[str, ...]] = (OWN,)
    always_told: ClassVar[tuple[str, ...]] = ("dataset",)  # the command line's default is a dataset of images

    def __post_init__(self) -> None:
        parse_spec(self.dataset, text=True)
        if not self.backbone:
            object.__setattr__(self, "backbone", "transformer-small")
        backbone, _ = backbone_of(self.backbone, TEXT)
        if backbone.frozen:
            object.__setattr__(self, "tokenizer", OWN)
            object.__setattr__(self, "vocabulary", VOCABULARY)
        elif self.tokenizer == OWN:
            raise InvalidParameterError(
                f"tokenizer={OWN!r} needs a base model that brings one (hf:PATH), not {self.backbone!r}; choose one "
                f"of: {', '.join(TOKENIZERS.names())}"
            )
        else:
            TOKENIZERS.get(self.tokenizer)
        check_vocabulary(self.vocabulary)
        if self.index != AUTO:
            INDEXES.get(self.index)
        self.check_numbers()

    def code(self, params: Params | None = None, work: str = FIGURES) -> str:
        """Return lines of Python that open this experiment, at `params` or the choice on validation, and do `work`."""
        setting = "experiment.tune().params  # chosen on validation" if params is None else repr(params)
        imported = "LanguageConfig, prepare_language" if params is None else "LanguageConfig, Params, prepare_language"
        return f"""\
from resmem_core import {imported}

config = {self.construction()}
experiment = prepare_language(config)  # trains where that is not done yet
params = {setting}
{work}"""


def point_code(point: int) -> str:
    """Return the lines that take the prediction of a test token apart."""
    return _taken_apart(f"experiment.explain_test({point}, params)")


def context_code(text: str) -> str:
    """Return the lines that take the prediction after a text apart."""
    return _taken_apart(f"experiment.explain(experiment.tokenizer.encode({text!r}), params)")


def _taken_apart(asked: str) -> str:
    return f"""\
asked = {asked}
names = experiment.class_names
print("base:", repr(names[asked.base_prediction]), "ResMem:", repr(names[asked.prediction]))
for row, weight in zip(asked.rows, asked.weights):
    found = experiment.context(int(row), asked.context)
    print(f"{{weight:.3f}} {{found.document}}: {{found.before + found.match!r}} -> {{found.token!r}}")
"""


def generate_code(prompt: str, n: int, temperature: float, seed: int) -> str:
    """Return the lines that go on with a text, without memory and with it."""
    return f"""\
prompt = experiment.tokenizer.encode({prompt!r})
for with_memory in (False, True):
    written = experiment.generate(
        prompt, {n}, params, with_memory=with_memory, temperature={temperature:g}, seed={seed}
    )
    print(experiment.tokenizer.decode([step.token for step in written]))
"""
