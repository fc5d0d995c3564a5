"""Base model, soft kNN, kNN-LM and ResMem on the same tokens: how often each is right, and how surprised it is.

Shapes: M tokens, C vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, about, silent
from resmem_core.common.types import NLL_FLOOR, BoolArray, FloatArray, IntArray
from resmem_core.evaluation import metrics
from resmem_core.evaluation.evaluate import METHODS
from resmem_core.evaluation.metrics import Calibration, ClassResult, Confidence, GroupResult, block_intervals
from resmem_core.evaluation.text_judging import Judged, judge
from resmem_core.memory.interpolation import OfVote, Rival, interpolate
from resmem_core.memory.types import Params, TokenMemory, TokenQueries

LIKELIHOODS = ("base", "interpolation", "resmem")  # methods whose perplexity is finite
FREQUENCIES = (1, 10, 100, 1000)  # where bands of the right token's count in train begin
RANKS = (2, 5, 17)  # where bands of the first right neighbour's rank begin
TOP = 5
FIFTHS = (0.2, 0.4, 0.6, 0.8)

Interval = tuple[float, float]


@dataclass(frozen=True)
class TokenGroup(GroupResult):
    """What memory does to a group of tokens; `gain_ci95` is of a paired bootstrap over documents.

    Attributes
    ----------
    interpolation : float
        Accuracy of kNN-LM.
    perplexity : dict of float
        By method, one of `LIKELIHOODS`.
    """

    interpolation: float
    perplexity: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields and the gain as plain values, for JSON."""
        return {**super().as_dict(), "gain_ci95": _ends(self.gain_ci95), "perplexity": _finite(self.perplexity)}


@dataclass(frozen=True)
class Comparison:
    """ResMem beside another method, by paired bootstraps over documents.

    Attributes
    ----------
    gain : float
        ResMem's accuracy less the other's.
    gain_ci95 : tuple of float
    perplexity_ratio : float
        ResMem's perplexity by the other's: below 1, ResMem is less surprised.
    perplexity_ratio_ci95 : tuple of float
    """

    gain: float
    gain_ci95: Interval
    perplexity_ratio: float
    perplexity_ratio_ci95: Interval

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for JSON."""
        return {
            "gain": self.gain,
            "gain_ci95": _ends(self.gain_ci95),
            "perplexity_ratio": _number(self.perplexity_ratio),
            "perplexity_ratio_ci95": _ends(self.perplexity_ratio_ci95),
        }


@dataclass(frozen=True, eq=False)
class LanguageEvaluation:
    """What one setting does to the tokens of one part.

    Intervals are of bootstraps that draw whole documents, as the tokens of a text are not independent. They are NaN
    where there is one document only.

    Attributes
    ----------
    params : Params
        Of ResMem, and k and sigma of soft kNN alone.
    smoothing : float
        eps: what is called ResMem's probability is 1 - eps times its scores, projected onto the simplex, plus eps times
        the base model's probabilities at temperature 1.
    rival : Rival
        kNN-LM's own setting.
    n, n_documents : int
        Tokens judged, and the documents they are of.
    accuracy, accuracy_top5 : dict of float
        Share of the tokens that are first, or among the first five, by method, one of `METHODS`.
    accuracy_ci95, accuracy_top5_ci95 : dict of tuple
    perplexity : dict of float
        exp of the mean negative log-likelihood, of "base" (at temperature 1), "interpolation", "resmem" (smoothed) and
        "resmem_projected" (not smoothed: infinite as soon as one token is given probability 0).
    perplexity_ci95 : dict of tuple
        Of the first three.
    n_impossible : int
        How many tokens the projected scores give probability 0.
    versus : dict of Comparison
        ResMem beside "base" and "interpolation".
    fixed, broken, both_right, both_wrong : int
        Counts of tokens by outcome.
    mcnemar_p : float
        Exact p-value of fixed against broken. It takes tokens for independent, and so is too small.
    predictions : dict of ndarray, each of shape (M,)
        By method.
    probabilities : dict of ndarray, each of shape (M,)
        Of the right token, by method of `LIKELIHOODS`.
    outcome : ndarray of str, shape (M,)
        One of `metrics.OUTCOMES` for each token.
    first_right : ndarray of int64, shape (M,)
        Rank of the first neighbour that holds the right token, 1 for the nearest; 0 where none of the k does.
    nearest : ndarray of float32, shape (M,)
        Distance of the nearest neighbour.
    labels : ndarray of int32, shape (M,)
    documents : ndarray of int, shape (M,)
    confidence : dict of Confidence
        "base" (at temperature 1) and "resmem" (smoothed), by token.
    by_frequency : list of TokenGroup
        By how often the right token occurs in train.
    by_neighbor : list of TokenGroup
        By `first_right`.
    by_distance : list of TokenGroup
        By fifths of `nearest`.
    class_names : tuple of str, length C
    """

    params: Params
    smoothing: float
    rival: Rival
    n: int
    n_documents: int
    accuracy: dict[str, float]
    accuracy_ci95: dict[str, Interval]
    accuracy_top5: dict[str, float]
    accuracy_top5_ci95: dict[str, Interval]
    perplexity: dict[str, float]
    perplexity_ci95: dict[str, Interval]
    n_impossible: int
    versus: dict[str, Comparison]
    fixed: int
    broken: int
    both_right: int
    both_wrong: int
    mcnemar_p: float
    predictions: dict[str, IntArray]
    probabilities: dict[str, FloatArray]
    outcome: np.ndarray
    first_right: IntArray
    nearest: FloatArray
    labels: IntArray
    documents: IntArray
    confidence: dict[str, Confidence]
    by_frequency: list[TokenGroup]
    by_neighbor: list[TokenGroup]
    by_distance: list[TokenGroup]
    class_names: tuple[str, ...]

    @property
    def delta(self) -> float:
        """Accuracy of ResMem less that of the base model."""
        return self.versus["base"].gain

    @property
    def delta_ci95(self) -> Interval:
        """Its interval."""
        return self.versus["base"].gain_ci95

    @cached_property
    def per_class(self) -> list[ClassResult]:
        """What memory does to each token that occurs; the intervals take tokens for independent."""
        return metrics.per_class(self.labels, self.right("base"), self.right("resmem"), self.class_names)

    def right(self, method: str) -> BoolArray:
        """Return which tokens a method of `METHODS` gets right, (M,)."""
        return self.predictions[method] == self.labels

    @cached_property
    def calibration(self) -> dict[str, Calibration]:
        """How well the probabilities of base and ResMem match the tokens."""
        return {method: of.calibration() for method, of in self.confidence.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values, for JSON; what is no finite number is None."""
        return {
            "k": self.params.k,
            "sigma": self.params.sigma,
            "temperature": self.params.temperature,
            "smoothing": self.smoothing,
            "lambda": self.rival.weight,
            "knn_lm": {"k": self.rival.k, "sigma": self.rival.sigma, "lambda": self.rival.weight},
            "n_documents": self.n_documents,
            "accuracy": self.accuracy,
            "accuracy_ci95": {method: _ends(ends) for method, ends in self.accuracy_ci95.items()},
            "accuracy_top5": self.accuracy_top5,
            "accuracy_top5_ci95": {method: _ends(ends) for method, ends in self.accuracy_top5_ci95.items()},
            "perplexity": _finite(self.perplexity),
            "perplexity_ci95": {method: _ends(ends) for method, ends in self.perplexity_ci95.items()},
            "n_impossible": self.n_impossible,
            "delta": self.delta,
            "delta_ci95": _ends(self.delta_ci95),
            "versus": {method: comparison.as_dict() for method, comparison in self.versus.items()},
            "fixed": self.fixed,
            "broken": self.broken,
            "both_right": self.both_right,
            "both_wrong": self.both_wrong,
            "mcnemar_p": self.mcnemar_p,
            "by_frequency": [group.as_dict() for group in self.by_frequency],
            "by_neighbor": [group.as_dict() for group in self.by_neighbor],
            "by_distance": [group.as_dict() for group in self.by_distance],
            "per_class": [
                {"name": c.name, "n": c.n, "base": c.base, "resmem": c.resmem, "gain_ci95": list(c.gain_ci95)}
                for c in self.per_class
            ],
            "calibration": {
                **{method: asdict(values) for method, values in self.calibration.items()},
                "nll_floor": NLL_FLOOR,
            },
        }


def evaluate_language(
    memory: TokenMemory,
    queries: TokenQueries,
    params: Params,
    smoothing: float,
    rival: Rival,
    train_counts: IntArray,
    class_names: tuple[str, ...],
    *,
    progress: Progress = silent,
) -> LanguageEvaluation:
    """Judge the four methods on `queries`, over the whole vocabulary.

    Parameters
    ----------
    memory : TokenMemory
    queries : TokenQueries
        M tokens.
    params : Params
    smoothing : float
        eps, 0 to 1, from `tune_language` or `choose_smoothing` on the validation part.
    rival : Rival
        kNN-LM's setting, from `tune_language`.
    train_counts : ndarray of int, shape (C,)
        How often each token occurs in train.
    class_names : tuple of str, length C
    progress : callable
        May raise `Cancelled`.

    Raises
    ------
    InvalidParameterError
        If `smoothing` is out of range, there are no tokens, or shapes disagree.
    """
    if not 0 <= smoothing <= 1:
        raise InvalidParameterError(f"smoothing={smoothing!r} must be a number between 0 and 1")
    if not len(train_counts) == len(class_names) == memory.output.n_classes:
        raise InvalidParameterError(
            f"{len(train_counts)} counts and {len(class_names)} names do not match a vocabulary of "
            f"{memory.output.n_classes} tokens"
        )
    judged = judge(memory, queries, params, progress=about(progress, "ResMem"))
    mixed = interpolate(memory, queries, rival, progress=about(progress, "kNN-LM"))
    voted = interpolate(memory, queries, Rival(params.k, params.sigma, 1.0), progress=about(progress, "soft kNN"))
    table = _Table.of(judged, mixed, voted, judged.nll(smoothing), queries.documents)
    accuracy, accuracy_ci95, top5, top5_ci95, perplexity, perplexity_ci95 = table.figures()
    first_right, nearest = _first_right(memory, queries, params.k), queries.neighbors.distances[:, 0]
    predictions = {
        "base": judged.base.predictions,
        "knn": voted.predictions,
        "interpolation": mixed.predictions,
        "resmem": judged.resmem.predictions,
    }
    outcome = metrics.outcomes(*(predictions[method] == queries.labels for method in ("base", "resmem")))
    fixed, broken, both_right, both_wrong = (int((outcome == name).sum()) for name in metrics.OUTCOMES)
    return LanguageEvaluation(
        params=params,
        smoothing=smoothing,
        rival=rival,
        n=len(queries),
        n_documents=len(np.unique(queries.documents)),
        accuracy=accuracy,
        accuracy_ci95=accuracy_ci95,
        accuracy_top5=top5,
        accuracy_top5_ci95=top5_ci95,
        perplexity={**perplexity, "resmem_projected": _perplexity(judged.nll(0.0))},
        perplexity_ci95=perplexity_ci95,
        n_impossible=int((judged.resmem.own == 0).sum()),
        versus={method: table.against(method) for method in ("base", "interpolation")},
        fixed=fixed,
        broken=broken,
        both_right=both_right,
        both_wrong=both_wrong,
        mcnemar_p=metrics.mcnemar_p(fixed, broken),
        predictions=predictions,
        probabilities={method: np.exp(-table.column(f"nll {method}")) for method in LIKELIHOODS},
        outcome=outcome,
        first_right=first_right,
        nearest=nearest,
        labels=queries.labels,
        documents=queries.documents,
        confidence=judged.confidence(queries.labels, smoothing),
        by_frequency=list(table.groups(_bands(train_counts[queries.labels], FREQUENCIES, "{}+"))),
        by_neighbor=list(table.groups(_ranks(first_right, params.k))),
        by_distance=list(table.groups(_fifths(nearest))),
        class_names=class_names,
    )


def _first_right(memory: TokenMemory, queries: TokenQueries, k: int) -> IntArray:
    """Return the rank of the first neighbour of k that holds the right token, or 0, (M,)."""
    found = memory.labels[queries.neighbors.indices[:, :k]] == queries.labels[:, None]
    return np.where(found.any(axis=1), found.argmax(axis=1) + 1, 0)


@dataclass(frozen=True, eq=False)
class _Table:
    """What all figures are sums of: a row for each token, with its document."""

    columns: dict[str, int]
    values: FloatArray  # (M, J), of float64; the first column counts tokens
    documents: IntArray

    @classmethod
    def of(cls, judged: Judged, mixed: OfVote, voted: OfVote, nll: FloatArray, documents: IntArray) -> _Table:
        ranks = dict(zip(METHODS, (judged.base.ranks, voted.ranks, mixed.ranks, judged.resmem.ranks), strict=True))
        losses = dict(zip(LIKELIHOODS, (-judged.base.log_own, -mixed.log_own, nll), strict=True))
        by_name: dict[str, np.ndarray] = {"n": np.ones(len(documents))}
        by_name |= {f"top1 {method}": values == 0 for method, values in ranks.items()}
        by_name |= {f"top5 {method}": values < TOP for method, values in ranks.items()}
        by_name["top5 knn"] = (voted.ranks < TOP) & np.isfinite(voted.log_own)  # votes can be for fewer than five
        by_name |= {f"nll {method}": values for method, values in losses.items()}
        table = np.stack([values.astype(np.float64) for values in by_name.values()], axis=1)
        return cls({name: i for i, name in enumerate(by_name)}, table, documents)

    def column(self, name: str) -> FloatArray:
        """Return one number of each token, (M,)."""
        return self.values[:, self.columns[name]]

    def figures(self) -> tuple[dict[str, Any], ...]:
        """Return accuracy, top-5 accuracy and perplexity by method, each followed by its intervals."""

        def means(sums: FloatArray) -> FloatArray:
            of_all = sums / sums[:, :1]
            first = self.columns[f"nll {LIKELIHOODS[0]}"]
            return np.concatenate([of_all[:, :first], np.exp(of_all[:, first:])], axis=1)

        with np.errstate(over="ignore"):
            values = means(self.values.sum(axis=0, keepdims=True))[0]
        ends = block_intervals(self.values, self.documents, means)
        return tuple(
            {method: of(self.columns[f"{what} {method}"]) for method in methods}
            for what, methods in (("top1", METHODS), ("top5", METHODS), ("nll", LIKELIHOODS))
            for of in (lambda i: float(values[i]), lambda i: _interval(ends[i]))
        )

    def against(self, method: str) -> Comparison:
        """Compare ResMem with another method."""
        gain = self.column("top1 resmem") - self.column(f"top1 {method}")
        loss = self.column("nll resmem") - self.column(f"nll {method}")

        def differences(sums: FloatArray) -> FloatArray:
            return np.stack([sums[:, 1] / sums[:, 0], np.exp(sums[:, 2] / sums[:, 0])], axis=1)

        ends = block_intervals(np.stack([self.column("n"), gain, loss], axis=1), self.documents, differences)
        return Comparison(float(gain.mean()), _interval(ends[0]), _perplexity(loss), _interval(ends[1]))

    def groups(self, named: Iterator[tuple[str, BoolArray]]) -> Iterator[TokenGroup]:
        """Yield what memory does to each group of tokens that holds any, from names and members, (M,)."""
        base, resmem = (self.column(f"top1 {method}") > 0 for method in ("base", "resmem"))
        for name, members in named:
            if not members.any():
                continue
            of_group = self.values[members].mean(axis=0)
            sums = np.stack([members, resmem & members, base & members], axis=1).astype(np.float64)
            ends = block_intervals(sums, self.documents, lambda s: (s[:, 1:2] - s[:, 2:]) / s[:, :1])
            yield TokenGroup(
                name=name,
                n=int(members.sum()),
                base=float(of_group[self.columns["top1 base"]]),
                resmem=float(of_group[self.columns["top1 resmem"]]),
                fixed=int((members & resmem & ~base).sum()),
                broken=int((members & base & ~resmem).sum()),
                gain_ci95=_interval(ends[0]),
                interpolation=float(of_group[self.columns["top1 interpolation"]]),
                perplexity={m: _perplexity(of_group[self.columns[f"nll {m}"]]) for m in LIKELIHOODS},
            )


def _bands(values: IntArray, begins: tuple[int, ...], last: str, first: int = 0) -> Iterator[tuple[str, BoolArray]]:
    """Yield bands of whole numbers from `first` on, each with its members; `last` names what begins at the last."""
    for low, after in zip((first, *begins), (*begins, None), strict=True):
        if after is None:
            yield last.format(low), values >= low
        else:
            yield str(low) if after == low + 1 else f"{low}-{after - 1}", (values >= low) & (values < after)


def _ranks(first_right: IntArray, k: int) -> Iterator[tuple[str, BoolArray]]:
    begins = tuple(rank for rank in RANKS if rank <= k)
    yield from _bands(first_right, begins, f"{{}}-{k}" if (1, *begins)[-1] < k else "{}", first=1)
    yield "none", first_right == 0


def _fifths(distances: FloatArray) -> Iterator[tuple[str, BoolArray]]:
    """Yield five groups about equal in size, the nearest first; equal distances are never parted."""
    of_fifth = np.searchsorted(np.quantile(distances, FIFTHS), distances, side="left")
    for fifth in np.unique(of_fifth):
        members = of_fifth == fifth
        yield f"{distances[members].min():.3g} to {distances[members].max():.3g}", members


def _perplexity(nll: float | FloatArray) -> float:
    """Return exp of the mean negative log-likelihood, infinite where that is beyond what a float holds."""
    with np.errstate(over="ignore"):
        return float(np.exp(np.mean(nll)))


def _interval(ends: FloatArray) -> Interval:
    return float(ends[0]), float(ends[1])


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _ends(interval: Interval) -> list[float | None]:
    return [_number(end) for end in interval]


def _finite(values: dict[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in values.items()}
