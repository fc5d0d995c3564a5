"""What pages keep of data is kept apart for each state of its files on disk.

Streamlit's caches are keyed by an experiment's config, which only names its data. With `hash_funcs=BY_DATA` the state
of the files belongs to the key, so that nothing is shown of files that have changed since. A run of a page sees one
state from its beginning to its end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import streamlit as st

from resmem_core.data import DatasetLoader
from resmem_core.experiment.config import ExperimentConfig

REST = 20  # times as long as looking took, nobody looks again: a folder may hold a hundred thousand files


class _Look(NamedTuple):
    stamp: str
    until: float


@st.cache_resource
def _looks() -> dict[str, _Look]:
    return {}


def look(dataset: str, loader: DatasetLoader, argument: str | None) -> None:
    """Note the state that the files of a dataset are in, for this run of the page."""
    begin = time.monotonic()
    found = _looks().get(dataset)
    if found is None or begin >= found.until:
        stamp = loader.stamp(argument)
        end = time.monotonic()
        found = _looks()[dataset] = _Look(stamp, end + REST * (end - begin))
    st.session_state.setdefault("stamps", {})[dataset] = found.stamp


def key_of(config: ExperimentConfig) -> tuple[str, str]:
    """Return what tells an experiment from others, on the same data before it changed, too."""
    return repr(config), st.session_state.get("stamps", {}).get(config.dataset, "")


BY_DATA: dict[str | type[Any], Callable[[Any], Any]] = {ExperimentConfig: key_of}
