"""Which experiment is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import streamlit as st

from pages._shared.state import bound, change, hold, shown
from pages._shared.summary import sentence
from pages._shared.text import plain
from resmem_core.cli.settings import ExperimentForm
from resmem_core.common.forms import table_of
from resmem_core.data import DATASETS, DatasetLoader, dataset_title, parse_spec
from resmem_core.data.base import TEXT
from resmem_core.data.corruption import MAX_NOISE
from resmem_core.data.tokenizers import TOKENIZERS, VOCABULARY
from resmem_core.experiment.config import OWN, fields_of
from resmem_core.memory.indexes import AUTO, INDEXES
from resmem_core.models import BACKBONES

NORMALIZE = {"chosen on validation": None, "yes": True, "no": False}


def sidebar(kind: type[ExperimentForm]) -> None:
    """Show the controls of a form that apply to its dataset's kind; a change shows at once."""
    form = shown(kind)
    config = form.experiment()
    loader, argument = parse_spec(form.dataset)
    applies = fields_of(loader.kind)
    help_of = {name: sentence(field.metadata["help"]) for name, field in table_of(kind).items()}
    with st.sidebar:
        _dataset(form, loader, argument)
        if not loader.has_model:
            models = [item.of(loader.kind) for item in BACKBONES if loader.kind in item.kinds]
            typed = [
                f" Type `{item.name}:{item.argument}` for {plain(item.summary)}." for item in models if item.argument
            ]
            names = _with(config.backbone, (item.name for item in models if item.argument is None))
            st.selectbox(
                "Backbone",
                names,
                format_func=_backbone_label,
                accept_new_options=bool(typed),
                help="The base model. Its last hidden layer is the embedding in which neighbours are looked for."
                + "".join(typed),
                **bound("backbone", config.backbone, place=_missing(names, _lacks_weights)),
            )
        if "tokenizer" in applies:
            own = config.tokenizer == OWN
            st.selectbox(
                "Tokens", _with(config.tokenizer, TOKENIZERS.names()), help=help_of["tokenizer"], disabled=own,
                **bound("tokenizer", config.tokenizer),
            )  # fmt: skip
            st.number_input(
                "Vocabulary", VOCABULARY[0], VOCABULARY[-1], step=512, help=help_of["vocabulary"], disabled=own,
                **bound("vocabulary", config.vocabulary),
            )  # fmt: skip
        with st.expander("More"):
            st.number_input("Seed", min_value=0, step=1, help=help_of["seed"], **bound("seed", config.seed))
            st.selectbox(
                "Index",
                [*(index.name for index in INDEXES), AUTO],
                format_func=_index_label,
                help="How neighbours are searched. Exact finds all, Annoy is set to find 95 % of them, and auto takes "
                "what is sooner done on this machine.",
                **bound("index", config.index),
            )
            st.number_input(
                f"Training {'tokens' if loader.kind == TEXT else 'examples'}", min_value=1, step=100,
                placeholder="all", help=help_of["limit_train"], **bound("limit_train", config.limit_train),
            )  # fmt: skip
            if "imbalance" in applies:
                st.number_input(
                    "Imbalance", min_value=1.0, step=10.0, format="%g", help=help_of["imbalance"],
                    **bound("imbalance", config.imbalance),
                )  # fmt: skip
            if "label_noise" in applies:
                st.number_input(
                    "Label noise", min_value=0.0, max_value=MAX_NOISE, step=0.1, format="%g",
                    help=help_of["label_noise"], **bound("label_noise", config.label_noise),
                )  # fmt: skip
            st.number_input(
                "Epochs", min_value=1, step=1, placeholder="as the recipe says", help=help_of["epochs"],
                disabled=loader.has_model, **bound("epochs", config.epochs),
            )  # fmt: skip
            named = {value: name for name, value in NORMALIZE.items()}
            st.selectbox(
                "Scale embeddings to length 1",
                list(NORMALIZE),
                help=help_of["normalize"],
                **bound("normalize", named[config.normalize], NORMALIZE.__getitem__),
            )


def _dataset(form: ExperimentForm, loader: DatasetLoader, argument: str | None) -> None:
    """Show which dataset it is, and what stands after its colon."""
    offered = {item.name: item for item in DATASETS if (item.kind == TEXT) == form.of_text}
    wanted = offered.get(st.session_state.get("picked-dataset", ""), loader)
    own = (f"`{item.name}:` is {plain(item.summary)}" for item in offered.values() if item.argument)
    st.selectbox(
        "Dataset",
        list(offered),
        format_func=_dataset_label,
        help=f"Of these, {'; '.join(own)}.",
        **_picked_dataset(wanted.name, loader),
    )
    if wanted.private:
        st.info("Files are uploaded and opened on the page **Your data**.", icon=":material/upload_file:")
    elif wanted.argument is not None:
        st.text_input(
            "Path on this machine" if wanted.argument == "PATH" else wanted.argument.capitalize(),
            placeholder="type it and press Enter",
            help=f"{wanted.name}: {plain(wanted.summary)}.",
            **_typed_argument(wanted.name, argument if wanted is loader else "", loader),
        )
        if wanted is not loader:
            st.info(f"Until it is given, the pages show {plain(dataset_title(form.dataset))}.")


def _with(current: str, names: Iterable[str]) -> list[str]:
    """Return the names, and the current one among them."""
    return list(dict.fromkeys((*names, current)))


def _dataset_label(name: str) -> str:
    if argument := DATASETS.get(name).argument:
        return f"{name}: {'by name' if argument == 'NAME' else 'your own data'}"
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
    backbone = BACKBONES.get(name.partition(":")[0])
    return backbone.argument is None and backbone.unavailable() is not None


def _missing(names: Iterable[str], lacks: Callable[[str], bool]) -> str:
    """Return a place for `bound`: the options are written otherwise once what they lack is there."""
    return f"lacking {' '.join(filter(lacks, names)) or 'nothing'}"


def _picked_dataset(name: str, before: DatasetLoader) -> dict[str, Any]:
    """Tie the selectbox: a dataset that needs an argument is shown only once it has one."""
    key = f"{_missing(DATASETS.names(), _lacks_data)}-dataset"
    hold(key, name)

    def store() -> None:
        picked = st.session_state[key]
        if DATASETS.get(picked).argument is None:
            st.session_state.pop("picked-dataset", None)
            change(dataset=picked, **_fitting_backbone(picked, before))
        else:
            st.session_state["picked-dataset"] = picked

    return {"key": key, "on_change": store}


def _typed_argument(name: str, value: str | None, before: DatasetLoader) -> dict[str, Any]:
    key = f"dataset-argument-{name}"
    if value:
        hold(key, value)

    def store() -> None:
        if typed := st.session_state[key].strip():
            change(dataset=f"{name}:{typed}", **_fitting_backbone(name, before))

    return {"key": key, "on_change": store}


def _fitting_backbone(name: str, before: DatasetLoader) -> dict[str, Any]:
    """Keep the backbone unless the dataset is of another kind, or brings its own model, or the one before did."""
    loader = DATASETS.get(name)
    return {"backbone": ""} if loader.has_model or before.has_model or loader.kind != before.kind else {}
