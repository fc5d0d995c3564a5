"""From the form of the page "Language" to an open experiment, or to the panel that prepares it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages._shared import language_cache as cache
from pages._shared.background import prepared
from pages._shared.stamps import look
from pages._shared.text import plain
from resmem_core.cli.settings import Language
from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.common.runner import NeedsPreparing
from resmem_core.data import parse_spec
from resmem_core.data.base import TEXT
from resmem_core.evaluation.tuning import Tuned
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.jobs import Job
from resmem_core.experiment.text_prepare import LanguageExperiment
from resmem_core.memory.explain import Explanation
from resmem_core.memory.types import Params
from resmem_core.models import backbone_of


@dataclass(frozen=True, eq=False)
class Opened:
    """What the views look at.

    Attributes
    ----------
    form : Language
    experiment : LanguageExperiment
    tuned : Tuned
        Chosen on validation for the form's objective.
    params : Params
        The setting shown.
    """

    form: Language
    experiment: LanguageExperiment
    tuned: Tuned
    params: Params

    @property
    def config(self) -> ExperimentConfig:
        """The experiment's."""
        return self.experiment.config

    @property
    def is_tuned(self) -> bool:
        """Whether the setting shown is the one chosen on validation."""
        return self.params == self.tuned.params

    @property
    def smoothing(self) -> float:
        """The smoothing constant of the setting shown."""
        return cache.smoothing(self.config, self.params, self.form.objective)

    def explain(self, context: tuple[int, ...]) -> Explanation:
        """Take apart the prediction after a context."""
        return cache.explained(self.config, self.params, self.smoothing, context)

    def explain_test(self, row: int) -> Explanation:
        """Take apart the prediction of a test token."""
        return cache.explained_test(self.config, self.params, self.smoothing, row)

    def code(self, work: str | None = None) -> str:
        """Return the Python that opens what is shown, and does `work` with it: see `ExperimentConfig.code`."""
        return self.config.code(None if self.is_tuned else self.params, work)

    def told(self) -> list[str]:
        """Return the setting as options of the command line."""
        objective = [] if self.form.objective == Language.objective else [f"--objective={self.form.objective}"]
        untouched = (self.form.k, self.form.sigma, self.form.temperature) == (None, None, None)
        return [*(["--tune"] if untouched else self.params.options()), *objective]


def opened(form: Language) -> Opened:
    """Return the experiment shown; where it is not ready, stop with what to do."""
    config = form.experiment()
    experiment, tuned = prepared(
        lambda: _at_hand(config, form.objective),
        Job(config),
        plain(config.title),
        "Preparing reads the text, cuts it into tokens, trains the base model, remembers every token of the training "
        "part, finds the neighbours of the others, and chooses k, sigma and temperature on validation. The default "
        "takes about three minutes on two cores.",
        "Train and prepare",
    )
    return Opened(form, experiment, tuned, _params(form, experiment, tuned.params))


def _at_hand(config: ExperimentConfig, objective: str) -> tuple[LanguageExperiment, Tuned]:
    """Open what was prepared; nothing is fetched, and no text of unknown length read, before somebody asked for it."""
    loader, argument = parse_spec(config.dataset)
    backbone, of_backbone = backbone_of(config.backbone, TEXT)
    for spec, reason in (
        (config.dataset, loader.unavailable(argument)),
        (config.backbone, backbone.unavailable(of_backbone)),
    ):
        if reason:
            raise UnavailableError(f"{spec!r} cannot be had: {reason}")
    look(config.dataset, loader, argument)
    status = Job(config).status()
    if (backbone.frozen or not loader.embedded) and (status is None or status.state != "done"):
        raise NeedsPreparing(f"{config.dataset!r} is not read yet with {config.backbone!r}")
    return cache.experiment(config), cache.tuned(config, objective)


def _params(form: Language, experiment: LanguageExperiment, chosen: Params) -> Params:
    params = form.params(chosen)
    try:
        return experiment.check(params)
    except InvalidParameterError as error:
        st.warning(f"{plain(error)}; showing k={chosen.k}, the choice on validation.", icon=":material/warning:")
        return Params(chosen.k, params.sigma, params.temperature)
