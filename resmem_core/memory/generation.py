"""Text written token by token, with memory or without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import FloatArray
from resmem_core.data.text import Ids
from resmem_core.memory.explain import Explanation
from resmem_core.memory.residuals import probabilities


@dataclass(frozen=True, eq=False)
class Generated:
    """One token that was written.

    Attributes
    ----------
    token : int
    probability : float
        Which the distribution it was taken from gave it, before any sampling temperature.
    base_choice : int
        What the base model alone finds likeliest in its place.
    explanation : Explanation
        Of the prediction.
    """

    token: int
    probability: float
    base_choice: int
    explanation: Explanation


def generate(
    explain: Callable[[Ids], Explanation],
    prompt: Ids,
    n: int,
    *,
    with_memory: bool,
    temperature: float = 0.0,
    seed: int = 0,
) -> Iterator[Generated]:
    """Yield `n` tokens that go on from `prompt`, each as soon as it is chosen.

    Parameters
    ----------
    explain : callable
        Takes the prediction after a context apart.
    prompt : ndarray of int32, shape (L,)
    n : int
        At least 1.
    with_memory : bool
        Whether to choose from ResMem's final probabilities, or from the base model's at T = 1.
    temperature : float
        Of the sampling, not of the algorithm: probabilities are taken to the power 1 / temperature. 0 takes the
        likeliest token (with memory: the one of the largest score, before smoothing).
    seed : int
        Of the sampling.

    Raises
    ------
    InvalidParameterError
        If `n` or `temperature` is out of range.
    """
    if n < 1:
        raise InvalidParameterError(f"n={n} must be at least 1 token")
    if not (np.isfinite(temperature) and temperature >= 0):
        raise InvalidParameterError(f"temperature={temperature} must be a finite number of at least 0")
    rng, written = np.random.default_rng(seed), np.asarray(prompt, np.int32)
    for _ in range(n):
        found = explain(written)
        p = found.final if with_memory else found.base_alone
        greedy = found.prediction if with_memory else int(p.argmax())
        token = greedy if temperature == 0 else _drawn(p, temperature, rng)
        yield Generated(token, float(p[token]), int(found.base_alone.argmax()), found)
        written = np.append(written, np.int32(token))


def _drawn(p: FloatArray, temperature: float, rng: np.random.Generator) -> int:
    with np.errstate(divide="ignore"):
        weights = probabilities(np.maximum(np.log(p), -1e4), temperature)
    return int(rng.choice(len(p), p=weights / weights.sum()))
