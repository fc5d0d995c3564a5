"""What is read, remembered and asked, and by which k, sigma and temperature."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from pages._shared.opening import Opened
from pages._shared.scales import compact, log_scale
from pages._shared.state import bound, change
from pages._shared.text import plain
from resmem_core.cli.settings import OBJECTIVES, Language
from resmem_core.data import DATASETS
from resmem_core.data.base import TEXT
from resmem_core.data.tokenizers import TOKENIZERS, VOCABULARY
from resmem_core.experiment.config import OWN, fields_of
from resmem_core.memory.indexes import AUTO, INDEXES
from resmem_core.memory.types import Params
from resmem_core.models import BACKBONES

SUMMED_UP = ("dataset", "backbone", "seed")
LEAKED = 0.05  # share of the test text beyond which a page warns of it
UNTUNED = {"k": None, "sigma": None, "temperature": None}
OF_ONE_EXPERIMENT = {**UNTUNED, "point": None, "followed": None}
HELP = {
    "dataset": "`python-docs` is at hand. Your own: type `text:PATH`, one or more plain files on this machine, or "
    "`hf:NAME` for a dataset from Hugging Face, where the package and a network are there.",
    "backbone": "The model of the next token. Its last hidden state is what neighbours are looked for in. Type "
    "`hf:PATH` for a causal language model of Hugging Face, which is taken as it is.",
    "tokenizer": "What a token is: pieces of words (bpe, byte pairs), characters or words. `own`: as the base "
    "model brings it.",
    "vocabulary": "How many different tokens there are at most.",
    "seed": "Which documents are trained on and which are asked about, and how the training goes.",
    "index": "How neighbours are searched. Exact finds all. Auto takes what is sooner done on this machine.",
    "epochs": "Passes over the training text; empty: as the base model's recipe says.",
    "limit_train": "Train on, and remember, only so many tokens; empty: all.",
}


def data_and_model(form: Language) -> None:
    """Show what the experiment is; a change acts when it is applied, as it may be a training."""
    config = form.experiment()
    place = "language " + " ".join(config.options())  # so that what was typed is dropped with what it was about

    def key(name: str) -> dict[str, Any]:
        return {"key": f"{place} {name}", "help": HELP[name]}

    def apply() -> None:
        held = {name: st.session_state[f"{place} {name}"] for name in fields_of(TEXT)}
        if held["tokenizer"] == OWN:  # only where the base model brings one, and then it follows from that
            held["tokenizer"] = Language.tokenizer
        change(**held, **OF_ONE_EXPERIMENT)

    others = (f"{name.replace('_', ' ')} {value}" for name, value in config.told().items() if name not in SUMMED_UP)
    label = plain(", ".join([f"Data and model: {config.backbone} on {config.dataset}, seed {config.seed}", *others]))
    with st.expander(label, icon=":material/dataset:"), st.form("language-experiment", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            texts, models = ([item for item in items if item.kind == TEXT] for items in (DATASETS, BACKBONES))
            st.selectbox("Text", **_choices(texts, config.dataset), width=260, **key("dataset"))
            st.selectbox("Base model", **_choices(models, config.backbone), width=220, **key("backbone"))
            kinds = sorted({*TOKENIZERS.names(), config.tokenizer})
            st.selectbox("Tokens", kinds, kinds.index(config.tokenizer), width=160, **key("tokenizer"))
            st.number_input(
                "Vocabulary", VOCABULARY[0], VOCABULARY[-1], config.vocabulary, 512, width=160, **key("vocabulary")
            )
            st.number_input("Seed", 0, 2**31 - 1, config.seed, width=130, **key("seed"))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            names = [*(index.name for index in INDEXES), AUTO]
            st.selectbox("Index", names, names.index(config.index), width=160, **key("index"))
            st.number_input("Epochs", 1, None, config.epochs, placeholder="recipe", width=160, **key("epochs"))
            st.number_input(
                "Training tokens", 1, None, config.limit_train, 1000, placeholder="all", width=180, **key("limit_train")
            )
            st.form_submit_button("Apply", icon=":material/check:", on_click=apply)
        st.caption("Nothing changes until you apply it. What was not seen on this machine before is trained first.")


def _choices(items: Iterable[Any], current: str) -> dict[str, Any]:
    """Return what a selectbox offers: what needs no argument, and the current one; others are typed."""
    names = [item.name for item in items if item.argument is None]
    names += [] if current in names else [current]
    return {"options": names, "index": names.index(current), "accept_new_options": True}


def memory_controls(shown: Opened) -> None:
    """Show k, sigma and temperature, and what they are chosen for."""
    form, params, scale = shown.form, shown.params, shown.experiment.sigma_scale
    knobs = st.columns([3, 3, 3, 2], gap="medium")
    most = max(2, shown.experiment.k_max)
    knobs[0].slider(
        "k, neighbours",
        1,
        most,
        help="How many training tokens vote.",
        **bound("k", params.k, place=f"up to {most}"),
    )
    knobs[1].select_slider(
        "sigma, bandwidth of the distance",
        log_scale(scale / 30, scale * 30, 69, params.sigma),
        format_func=compact,
        help="A neighbour at distance d weighs exp(-d / sigma). The scale is centred on "
        f"{scale:.3g}, 0.3 times the median distance from a validation token to its nearest memory.",
        **bound("sigma", params.sigma),
    )
    knobs[2].select_slider(
        "temperature of the base model",
        log_scale(0.1, 10, 41, params.temperature),
        format_func=compact,
        help="Divides the logits, of query and memory alike. Large: base cancels out, the neighbours' vote stays.",
        **bound("temperature", params.temperature),
    )
    knobs[3].radio(
        "Chosen on validation for",
        OBJECTIVES,
        help="What is best for the first guess is rarely best for the probabilities. Perplexity is that of the "
        "smoothed probabilities.",
        **bound("objective", form.objective, also=UNTUNED),
    )
    if shown.is_tuned:
        largest = " and ".join(shown.tuned.largest_tried(shown.experiment.k_max, shown.experiment.memory.n_classes))
        st.caption(
            f"{_told(params)}: the best of {shown.tuned.n_settings:,} settings on validation for {form.objective}."
            + (f" Larger {largest} than this was not tried." if largest else "")
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Back to tuned",
            icon=":material/auto_fix_high:",
            on_click=change,
            kwargs=UNTUNED,
            help="Set all three to the best of a grid on the validation text, which is neither trained on nor in "
            "memory.",
        )
        st.caption(
            f"{_told(params)}, set by hand. Best on validation for {form.objective}: {_told(shown.tuned.params)}."
        )


def warn_of_leakage(shown: Opened) -> None:
    """Say so where much of the test text is in memory word for word."""
    share = shown.experiment.corpus.leakage.parts["test"].share
    if share > LEAKED:
        st.warning(
            f"{share:.0%} of the words of the test text stand in long passages that train holds, too: memory only has "
            "to recite these, and what is said here of test does not hold for new text. Where it helps, at its end, "
            "lists the longest.",
            icon=":material/content_copy:",
        )


def _told(params: Params) -> str:
    return f"k = {params.k}, sigma = {params.sigma:.4g}, temperature = {params.temperature:.4g}"
