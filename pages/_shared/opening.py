"""From settings to an open experiment, or to the panel that prepares it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from pages._shared import cache, values
from pages._shared.background import prepared
from pages._shared.editing import effect_line
from pages._shared.knobs import instrument
from pages._shared.selection import selection_bar
from pages._shared.stamps import look
from pages._shared.state import page_name, settings
from pages._shared.text import plain
from resmem_core.cli.settings import ExperimentForm, Language, Settings
from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.common.runner import NeedsPreparing
from resmem_core.data import DatasetLoader, parse_spec
from resmem_core.evaluation.tuning import Tuned
from resmem_core.experiment.config import PRECOMPUTED, ExperimentConfig
from resmem_core.experiment.jobs import Job
from resmem_core.experiment.prepare import Experiment
from resmem_core.experiment.text_prepare import LanguageExperiment
from resmem_core.experiment.values import ValueExperiment
from resmem_core.memory.explain import Explanation
from resmem_core.memory.types import Params
from resmem_core.models import Family, backbone_of

PREPARING = (
    "Preparing loads the data (and fetches what is not on this machine), trains the base model unless its weights are "
    "here already, embeds every example and finds its neighbours."
)
PREPARING_TEXT = (
    "Preparing reads the text, cuts it into tokens, trains the base model, remembers every token of the training part, "
    "finds the neighbours of the others, and chooses k, sigma and temperature on validation. The default takes about "
    "three minutes on two cores."
)


@dataclass(frozen=True, eq=False)
class Opened:
    """What the views of the page "Language" look at.

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
        return [*(["--tune"] if self.form.is_untouched else self.params.options()), *objective]


def opened(*, with_effect: bool = True) -> tuple[Experiment, Params]:
    """Return the experiment shown and its k, sigma and temperature, which can be turned.

    Where it is not ready, stop with what to do. Where values are predicted, show what the page has of these instead,
    and stop. `with_effect`: say so where memory is edited.
    """
    experiment, params = opened_any(settings())
    instrument(experiment, params)
    if isinstance(experiment, Experiment):
        if with_effect:
            effect_line(experiment, params)
        selection_bar(experiment, params)
    return _classes(experiment, params)


def opened_as(shown: Settings) -> tuple[Experiment, Params]:
    """Return the experiment of other settings, as `opened` does that of the page's own, without its knobs."""
    return _classes(*opened_any(shown))


def _classes(experiment: Experiment | ValueExperiment, params: Params) -> tuple[Experiment, Params]:
    if isinstance(experiment, ValueExperiment):
        values.show_page(page_name(), experiment, params)
        st.stop()
    return experiment, params


def opened_any(shown: Settings) -> tuple[Experiment | ValueExperiment, Params]:
    """Return the experiment of these settings, whatever is predicted, as `opened` does that of the page's own."""
    config, _, params = _opened(shown, PREPARING)
    experiment = cache.prepared(config)
    assert not isinstance(experiment, LanguageExperiment)  # a form of text is none of `Settings`
    if not isinstance(experiment, ValueExperiment):
        return experiment, params
    if shown.temperature not in (None, 1):
        st.warning(f"temperature = {shown.temperature:g} divides logits, and values have none: it is left out.")
    return experiment, replace(params, temperature=1.0)


def opened_text(form: Language) -> Opened:
    """Return the experiment of a form on text; where it is not ready, stop with what to do."""
    config, tuned, params = _opened(form, PREPARING_TEXT, form.objective)
    return Opened(form, cache.of_text(config), tuned, params)


def _opened(form: ExperimentForm, preparing: str, objective: str = "accuracy") -> tuple[ExperimentConfig, Any, Params]:
    """Open the experiment of a form, and return which it is, what validation chooses, and the setting shown."""
    asked = form.experiment()
    job = Job(replace(asked, edits=""))

    def work() -> tuple[ExperimentConfig, Any]:
        found = _at_hand(asked, job)
        return found, cache.tuned(found, objective)

    config, tuned = prepared(work, job, plain(asked.title), preparing, "Train and prepare")
    chosen, params = tuned.params, form.params(tuned.params)
    try:
        return config, tuned, cache.prepared(config).check(params)
    except InvalidParameterError as error:
        st.warning(f"{plain(error)}; showing k={chosen.k}, the choice on validation.", icon=":material/warning:")
        return config, tuned, replace(params, k=chosen.k)


def _at_hand(config: ExperimentConfig, job: Job) -> ExperimentConfig:
    """Open what was prepared, or soon is; nothing is fetched, and no data of unknown size read, before it is asked for.

    Raises
    ------
    NeedsPreparing
        If it is neither; what has to be fetched is told.
    UnavailableError
        If the data or the model are a user's own, and not there.
    """
    loader, argument = parse_spec(config.dataset)
    used: list[tuple[DatasetLoader | Family, str | None]] = [(loader, argument)]
    quick = loader.embedded or loader.has_model
    if config.backbone != PRECOMPUTED:
        backbone, of_backbone = backbone_of(config.backbone, config.kind)
        used.append((backbone, of_backbone))
        quick = quick and backbone.argument is None
    missing = []
    for item, of_item in used:
        if reason := item.unavailable(of_item):
            if item.argument:
                raise UnavailableError(reason)
            missing.append(reason)
    status = job.status()
    try:
        if not quick and (status is None or status.state != "done"):
            raise NeedsPreparing(f"{config.title} is not prepared yet")
        look(config.dataset, loader, argument)
        return _with_edits(config)
    except NeedsPreparing:
        for reason in missing:
            st.info(plain(reason), icon=":material/download:")
        raise


def _with_edits(config: ExperimentConfig) -> ExperimentConfig:
    """Open the experiment; where its memory edits cannot be had, tell so and show memory as it came."""
    as_it_came = replace(config, edits="")
    cache.prepared(as_it_came)
    try:
        cache.prepared(config)
        return config
    except InvalidParameterError as error:
        st.warning(f"{plain(error)}.", icon=":material/edit_off:")
        return as_it_came
