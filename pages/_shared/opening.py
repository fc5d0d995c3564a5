"""From settings to an open experiment, or to the panel that prepares it."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages._shared import cache
from pages._shared.background import offer, watched
from pages._shared.editing import effect_line
from pages._shared.stamps import look
from pages._shared.state import settings
from pages._shared.text import plain
from resmem_core.cli.settings import Settings
from resmem_core.common.errors import InvalidParameterError, ResMemError
from resmem_core.common.runner import NeedsPreparing
from resmem_core.data import parse_spec
from resmem_core.data.base import IMAGE
from resmem_core.experiment.config import PRECOMPUTED, ExperimentConfig
from resmem_core.experiment.jobs import Job
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.types import Params
from resmem_core.models import backbone_of


def opened() -> tuple[Experiment, Params]:
    """Return the experiment shown and its k, sigma and temperature, and say so where its memory is edited.

    Where it is not ready, stop with what to do.
    """
    experiment, params = opened_as(settings())
    effect_line(experiment, params)
    return experiment, params


def opened_as(shown: Settings) -> tuple[Experiment, Params]:
    """Return the experiment of these settings, as `opened` does that of the page's own."""
    config = shown.experiment()
    job = Job(replace(config, edits=""))
    title = plain(config.title)
    try:
        if watched(job, title):
            st.stop()
        loader, argument = parse_spec(config.dataset)
        reason = loader.unavailable(argument)
        status = job.status()
        at_hand = loader.embedded or loader.has_model or (status is not None and status.state == "done")
        if at_hand and (reason is None or not loader.argument):
            look(config.dataset, loader, argument)
            experiment = _open(config)
            return experiment, _params(experiment, shown)
    except NeedsPreparing:
        reason = None
    except ResMemError as error:
        st.error(plain(error), icon=":material/error:")
        st.stop()
    if reason is not None and loader.argument:
        st.error(plain(reason), icon=":material/database:")
        st.stop()
    missing_model = None
    if config.backbone != PRECOMPUTED:
        backbone, argument = backbone_of(config.backbone, IMAGE)
        missing_model = backbone.unavailable(argument)
    for missing in filter(None, (reason, missing_model)):
        st.info(plain(missing), icon=":material/download:")
    offer(
        job,
        title,
        "Preparing loads the data (and fetches what is not on this machine), trains the base model unless its weights "
        "are here already, embeds every example and finds its neighbours.",
        "Train and prepare",
    )
    st.stop()


def _open(config: ExperimentConfig) -> Experiment:
    """Open the experiment; where its memory edits cannot be had, tell so and show memory as it came."""
    original = cache.open_experiment(replace(config, edits=""))
    try:
        return cache.open_experiment(config)
    except InvalidParameterError as error:
        st.warning(f"{plain(error)}.", icon=":material/edit_off:")
        return original


def _params(experiment: Experiment, shown: Settings) -> Params:
    chosen = cache.tuned(experiment.config).params
    params = shown.params(chosen)
    try:
        return experiment.check(params)
    except InvalidParameterError as error:
        st.warning(f"{plain(error)}; showing k={chosen.k}, the choice on validation.", icon=":material/warning:")
        return Params(chosen.k, params.sigma, params.temperature)
