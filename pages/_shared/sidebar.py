"""Which experiment is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import streamlit as st

from pages._shared.state import bound, change, hold, settings
from pages._shared.summary import sentence
from pages._shared.text import plain
from resmem_core.cli.settings import TABLE
from resmem_core.data import DATASETS, dataset_title, parse_spec
from resmem_core.data.base import IMAGE, TEXT
from resmem_core.data.corruption import MAX_NOISE
from resmem_core.memory.indexes import AUTO, INDEXES
from resmem_core.models import BACKBONES

NORMALIZE = {"as the backbone says": None, "yes": True, "no": False}


def sidebar() -> None:
    """Show the controls; a change shows at once."""
    shown = settings()
    loader, argument = parse_spec(shown.dataset)
    picked = st.session_state.get("picked-dataset", loader.name)
    with st.sidebar:
        st.selectbox(
            "Dataset",
            [item.name for item in DATASETS if item.kind != TEXT],
            format_func=_dataset_label,
            help="`folder:` reads images from train/ and test/ folders; `arrays:` and `table:` read embeddings and "
            "logits of your own model from an .npz, .csv or .parquet file; `upload:` is what you upload on Your data.",
            **_picked_dataset(picked),
        )
        wanted = DATASETS.get(picked)
        if wanted.private:
            st.info("Files are uploaded and opened on the page **Your data**.", icon=":material/upload_file:")
        elif wanted.argument is not None:
            st.text_input(
                f"{wanted.argument.capitalize()} on this machine",
                placeholder="type it and press Enter",
                help=f"{wanted.name}: {wanted.summary}.",
                **_typed_argument(wanted.name, argument if wanted.name == loader.name else ""),
            )
            if wanted.name != loader.name:
                st.info(f"Until it is given, the pages show {plain(dataset_title(shown.dataset))}.")
        if not loader.has_model:
            images = [item.name for item in BACKBONES if item.kind == IMAGE]
            st.selectbox(
                "Backbone",
                images,
                format_func=_backbone_label,
                help="The base model. Its last hidden layer is the embedding in which neighbours are looked for.",
                **bound("backbone", shown.experiment().backbone, place=_missing(images, _lacks_weights)),
            )
        st.number_input("Seed", min_value=0, step=1, help=_help("seed"), **bound("seed", shown.seed))
        st.selectbox(
            "Index",
            [*(index.name for index in INDEXES), AUTO],
            format_func=_index_label,
            help="How neighbours are searched. Exact finds all; Annoy is set to find 95 % of them, and its recall is "
            "under the results. Auto takes what is sooner done on this machine.",
            **bound("index", shown.index),
        )
        with st.expander("More"):
            st.number_input(
                "Training examples", min_value=1, step=100, placeholder="all", help=_help("limit_train"),
                **bound("limit_train", shown.limit_train),
            )  # fmt: skip
            st.number_input(
                "Imbalance", min_value=1.0, step=10.0, format="%g", help=_help("imbalance"),
                **bound("imbalance", shown.imbalance),
            )  # fmt: skip
            st.number_input(
                "Label noise", min_value=0.0, max_value=MAX_NOISE, step=0.1, format="%g", help=_help("label_noise"),
                **bound("label_noise", shown.label_noise),
            )  # fmt: skip
            st.number_input(
                "Epochs", min_value=1, step=1, placeholder="as the recipe says", help=_help("epochs"),
                disabled=loader.has_model, **bound("epochs", shown.epochs),
            )  # fmt: skip
            st.selectbox(
                "Scale embeddings to length 1",
                list(NORMALIZE),
                help=_help("normalize"),
                **bound("normalize", _named(shown.normalize), NORMALIZE.__getitem__),
            )


def _help(name: str) -> str:
    return sentence(TABLE[name].metadata["help"])


def _named(normalize: bool | None) -> str:
    return next(name for name, value in NORMALIZE.items() if value is normalize)


def _dataset_label(name: str) -> str:
    if DATASETS.get(name).argument is not None:
        return f"{name}: your own data"
    return f"{name} (not downloaded)" if _lacks_data(name) else name


def _index_label(name: str) -> str:
    if name == AUTO:
        return "auto (by measurement)"
    return name if INDEXES.get(name).exact else f"{name} (approximate)"


def _backbone_label(name: str) -> str:
    return f"{name} (weights not downloaded)" if _lacks_weights(name) else name


def _lacks_data(name: str) -> bool:
    loader = DATASETS.get(name)
    return loader.argument is None and loader.unavailable(None) is not None


def _lacks_weights(name: str) -> bool:
    return BACKBONES.get(name).unavailable() is not None


def _missing(names: Iterable[str], lacks: Callable[[str], bool]) -> str:
    """Return a place for `bound`: the options are written otherwise once what they lack is there."""
    return f"lacking {' '.join(filter(lacks, names)) or 'nothing'}"


def _picked_dataset(name: str) -> dict[str, Any]:
    """Tie the selectbox: a dataset that needs an argument is shown only once it has one."""
    key = f"{_missing(DATASETS.names(), _lacks_data)}-dataset"
    hold(key, name)

    def store() -> None:
        picked = st.session_state[key]
        if DATASETS.get(picked).argument is None:
            st.session_state.pop("picked-dataset", None)
            change(dataset=picked, **_fitting_backbone(picked))
        else:
            st.session_state["picked-dataset"] = picked

    return {"key": key, "on_change": store}


def _typed_argument(name: str, value: str | None) -> dict[str, Any]:
    key = f"dataset-argument-{name}"
    if value:
        hold(key, value)

    def store() -> None:
        if typed := st.session_state[key].strip():
            change(dataset=f"{name}:{typed}", **_fitting_backbone(name))

    return {"key": key, "on_change": store}


def _fitting_backbone(name: str) -> dict[str, Any]:
    """Keep the backbone unless the dataset brings its own model, or the one before did."""
    before, _ = parse_spec(settings().dataset)
    return {"backbone": ""} if DATASETS.get(name).has_model or before.has_model else {}
