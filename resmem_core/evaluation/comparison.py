"""Two predictors on the same test points: who is right where the other is wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.mapped import row_blocks
from resmem_core.common.types import BoolArray, IntArray
from resmem_core.data.types import Examples
from resmem_core.evaluation import metrics
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.metrics import GroupResult
from resmem_core.evaluation.values import ValueEvaluation, ValueGain


def same_points(a: Examples, b: Examples) -> bool:
    """Tell whether two test splits hold the same points in order, by labels and, where both have them, images."""
    if a is b:
        return True
    if not np.array_equal(a.labels, b.labels):
        return False
    if a.images is None or b.images is None:
        return True
    same_shape = a.images.shape == b.images.shape
    return same_shape and all(np.array_equal(a.images[rows], b.images[rows]) for rows in row_blocks(a.images))


@dataclass(frozen=True, eq=False)
class Comparison:
    """ResMem in two settings or two experiments, A and B, on the same M test points.

    Attributes
    ----------
    labels : ndarray of int64, shape (M,)
    a_right, b_right : ndarray of bool, shape (M,)
        Whether ResMem is right.
    class_names : tuple of str, length C
    groups : ndarray of int, shape (M,), or None
        As in `Queries`.
    """

    labels: IntArray
    a_right: BoolArray
    b_right: BoolArray
    class_names: tuple[str, ...]
    groups: IntArray | None = None

    @classmethod
    def of(cls, a: Evaluation, b: Evaluation) -> Comparison:
        """Compare two evaluations.

        Raises
        ------
        InvalidParameterError
            If they do not judge the same points.
        """
        if a.class_names != b.class_names or not np.array_equal(a.labels, b.labels):
            raise InvalidParameterError(
                f"two evaluations of {a.n} and {b.n} test points with other labels cannot be compared point by point; "
                "take two experiments on the same test split"
            )
        return cls(a.labels, a.right("resmem"), b.right("resmem"), a.class_names, a.groups)

    @cached_property
    def only_a(self) -> IntArray:
        """Rows that only A gets right."""
        return np.flatnonzero(self.a_right & ~self.b_right)

    @cached_property
    def only_b(self) -> IntArray:
        """Rows that only B gets right."""
        return np.flatnonzero(self.b_right & ~self.a_right)

    @property
    def delta(self) -> float:
        """Accuracy of B less that of A."""
        return (len(self.only_b) - len(self.only_a)) / len(self.labels)

    @cached_property
    def delta_ci95(self) -> tuple[float, float]:
        """Paired interval of `delta`."""
        return metrics.gain_interval(self.a_right, self.b_right, self.groups)

    @property
    def scope(self) -> str:
        """What the interval speaks of, in words."""
        return metrics.scope(self.groups)

    @cached_property
    def mcnemar_p(self) -> float:
        """Exact p-value that A and B are right where the other is wrong equally often."""
        return metrics.mcnemar_p(len(self.only_b), len(self.only_a))

    @cached_property
    def per_class(self) -> list[GroupResult]:
        """B against A in each class that occurs: A stands where base does elsewhere, B where ResMem does."""
        return metrics.per_class(self.labels, self.a_right, self.b_right, self.class_names, self.groups)

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values, for JSON."""
        return {
            "only_a": self.only_a.tolist(),
            "only_b": self.only_b.tolist(),
            "both_right": int((self.a_right & self.b_right).sum()),
            "both_wrong": int((~self.a_right & ~self.b_right).sum()),
            "delta": self.delta,
            "delta_ci95": list(self.delta_ci95),
            "mcnemar_p": self.mcnemar_p,
        }


def compare_values(a: ValueEvaluation, b: ValueEvaluation) -> ValueGain:
    """Return what ResMem of `b` gains over that of `a` on the same points.

    Raises
    ------
    InvalidParameterError
        If they do not judge the same points.
    """
    if not np.array_equal(a.targets, b.targets):
        raise InvalidParameterError("A and B have other test points, so they cannot be compared one by one")
    return replace(b, predictions={**b.predictions, "base": a.predictions["resmem"]}).against("base")
