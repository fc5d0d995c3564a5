"""An experiment on examples whose values are predicted: regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resmem_core.common.progress import Progress
from resmem_core.common.runner import Task
from resmem_core.evaluation import values
from resmem_core.evaluation.values import ValueEvaluation, ValueTuned, evaluate_values, tune_values
from resmem_core.experiment.experiment import of_groups, takes_long_to_sweep
from resmem_core.experiment.on_examples import OnExamples
from resmem_core.memory.edits import Edits
from resmem_core.memory.types import Params
from resmem_core.memory.values import ValueExplanation, ValueMemory, ValueQueries, Values, explain_value


@dataclass(frozen=True, eq=False, kw_only=True)
class ValueExperiment(OnExamples):
    """An experiment on examples whose values are predicted."""

    memory: ValueMemory
    validation: ValueQueries
    test: ValueQueries

    @property
    def n_memory(self) -> int:
        """How many points memory holds."""
        return len(self.memory) - len(self.edits.forgotten)

    def _edited_memory(self, edits: Edits) -> Values:
        return self.memory

    def tune(self, progress: Progress | None = None) -> ValueTuned:
        """Return the settings of ResMem and of soft kNN chosen on validation; computed once and kept in the store.

        Raises
        ------
        NeedsPreparing
            If they are missing, take long, and the experiment was prepared not to wait.
        """
        return ValueTuned.from_dict(self._runner.telling(progress).run(self.original._tuning()).info)

    def check_tuned(self) -> None:
        """Raise `NeedsPreparing`, as `tune` would, where the setting is neither chosen nor soon."""
        self._runner.check(self.original._tuning())

    def _tuning(self) -> Task:
        def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
            return tune_values(self.memory, self.validation, self.sigma_scale, progress).as_dict()

        return Task(
            "tuning",
            {"neighbors": self._neighbors.path.name, **of_groups(self.validation.groups)},
            build,
            code=values.__name__,
            long=takes_long_to_sweep(len(self.validation), self.k_max, 1),
            missing="no setting is chosen on validation yet",
        )

    def evaluate(self, params: Params) -> ValueEvaluation:
        """Judge the methods on the test split; the rival is at its own setting, chosen on validation."""
        return evaluate_values(self.memory, self.test, self.check(params), self.tune().knn)

    def explain(self, point: int, params: Params) -> ValueExplanation:
        """Take apart the prediction of one test point."""
        return explain_value(self.memory, self.test, point, self.check(params))
