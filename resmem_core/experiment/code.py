"""The lines of Python that give what a page shows: users copy them."""

from __future__ import annotations

from resmem_core.memory.types import Params

_FIGURES = """\
result = experiment.evaluate(params)  # on the test split
print(result.n, "test {unit}, gain", result.delta, "within", result.delta_ci95)
for method, accuracy in result.accuracy.items():
    print({figures})
"""
_OF_EXAMPLES = _FIGURES.format(unit="points", figures="method, accuracy")
_OF_TEXT = _FIGURES.format(unit="tokens", figures="method, accuracy, result.perplexity.get(method)")

OF_VALUES = """\
result = experiment.evaluate(params)  # on the test split
for measure, by_method in result.measures.items():
    print(measure, by_method)
print("RMSE saved:", result.against("base").rmse, "within", result.against("base").rmse_ci95)
"""


def experiment_code(construction: str, params: Params | None, work: str | None, *, of_text: bool) -> str:
    """Return the lines that open an experiment and do something with it.

    Parameters
    ----------
    construction : str
        The expression that makes its configuration.
    params : Params or None
        The setting; None: the choice on validation.
    work : str or None
        The lines that do something with `experiment` and `params`; None: print the figures on test.
    of_text : bool
        Whether its dataset is text.
    """
    config, prepare = ("LanguageConfig", "prepare_language") if of_text else ("ExperimentConfig", "prepare")
    names = [config, prepare] if params is None else [config, "Params", prepare]
    setting = "experiment.tune().params  # chosen on validation" if params is None else repr(params)
    if work is None:
        work = _OF_TEXT if of_text else _OF_EXAMPLES
    return f"""\
from resmem_core import {", ".join(names)}

config = {construction}
experiment = {prepare}(config)  # trains where that is not done yet
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
for row, weight in zip(asked.ids, asked.weights):
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
