"""What can be turned in the playground, and which lesson it starts from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages._shared.state import bound, change, hold
from resmem_core.common.decimals import compact, log_scale
from resmem_core.teaching.lessons import LESSONS
from resmem_core.teaching.plane import DATA, MOST
from resmem_core.teaching.plane_base import HIDDEN, LINEAR, NETWORK, PICTURE, PLANE, picture_backbones
from resmem_core.teaching.plane_edits import NONE, PlaneEdits
from resmem_core.teaching.playground import K_MOST, Playground

FREE = "Free play"
FORGOTTEN = {"edits": PlaneEdits(), "at": None, "refit": False}  # with the points that they were about
SPACES = {PLANE: "in the plane", HIDDEN: "in the hidden layer"}


def lessons(form: Playground) -> None:
    """Show which lesson is on, what it asks, and how to get to the others."""
    names = [NONE, *LESSONS]
    at = names.index(form.lesson)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if not form.hides("lesson"):
            hold("playground-lesson", form.lesson)
            st.selectbox(
                "Lesson",
                names,
                format_func=lambda name: FREE if name == NONE else f"{names.index(name)}. {LESSONS[name].title}",
                key="playground-lesson",
                on_change=lambda: _start(st.session_state["playground-lesson"]),
                help="Each lesson sets the controls and hides those that it does without. Its address can be handed "
                "out, with changes of your own.",
                width=340,
            )
            for label, icon, other in (("Previous", "chevron_left", at - 1), ("Next", "chevron_right", at + 1)):
                there = 0 <= other < len(names)
                st.button(
                    f"{label} lesson",
                    icon=f":material/{icon}:",
                    disabled=not there,
                    on_click=_start,
                    args=(names[other % len(names)],),
                    help=(FREE if names[other] == NONE else LESSONS[names[other]].title) if there else None,
                )
        if form.hide != NONE:
            st.button(
                "Show all controls",
                icon=":material/visibility:",
                on_click=change,
                kwargs={"hide": NONE},
                help="Some are hidden, so as not to distract.",
            )
    if form.lesson == NONE:
        return
    lesson = LESSONS[form.lesson]
    with st.container(border=True):
        st.markdown(f"**{lesson.question}**")
        with st.expander(f"Lesson {at}: what to notice"):
            st.markdown("\n".join(f"- {claim}" for claim in lesson.notice))
            st.markdown(f"**Try it.** {lesson.action}")


def _start(lesson: str) -> None:
    change(**vars(Playground.of_lesson(lesson)))


def data_controls(form: Playground) -> None:
    """Show what shapes the points and the base model."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if not form.hides("data"):
            st.selectbox(
                "Data",
                list(DATA),
                format_func=DATA.__getitem__,
                help="Two classes. The rare group is a small cluster of class 1 between two of class 0.",
                width=200,
                **bound("data", form.data, also=FORGOTTEN),
            )
        if not form.hides("base"):
            st.selectbox(
                "Base model",
                [LINEAR, NETWORK, *picture_backbones()],
                format_func=_called,
                help="Linear: logistic regression, a straight border. Network: 10 hidden units. The others are this "
                "software's own image networks; they see a point as a picture of a dot (256 pixels, in which even a "
                "linear one can draw curves), take seconds to minutes to train, and their surface is coarser.",
                width=230,
                **bound("base", form.base),
            )
        if not form.hides("space") and form.base != LINEAR:
            st.selectbox(
                "Distances are taken",
                list(SPACES),
                format_func=SPACES.__getitem__,
                help="What near means to memory: in the plane as you see it, or between the outputs of the base's last "
                "hidden layer, in whose units sigma then is. That surface is coarser.",
                width=180,
                **bound("space", form.space),
            )
        if not form.hides("seed"):
            st.number_input(
                "Seed",
                0,
                2**31 - 1,
                help="Another seed draws other points of the same kind and starts the base elsewhere.",
                width=130,
                **bound("seed", form.seed, also=FORGOTTEN),
            )
    _sliders(
        form,
        {
            "n": lambda: st.slider(
                "Training points",
                50,
                MOST,
                step=10,
                help="They are trained on, and are the memory. More points join those that are there.",
                **bound("n", form.n),
            ),
            "noise": lambda: st.slider(
                "Noise",
                0.0,
                0.5,
                step=0.01,
                help="How far points stray from their shape: standard deviation, where the shape reaches from -1 to 1.",
                **bound("noise", form.noise),
            ),
            "label_noise": lambda: st.slider(
                "Label noise",
                0.0,
                0.5,
                step=0.01,
                help="Share of the training labels that are flipped; drawn as crosses. Test labels stay true.",
                **bound("label_noise", form.label_noise),
            ),
            "imbalance": lambda: st.slider(
                "Imbalance",
                1.0,
                20.0,
                step=0.5,
                help="Training points of class 0 for one of class 1. The test points stay half and half.",
                **bound("imbalance", form.imbalance),
            ),
        },
    )


def memory_controls(form: Playground) -> None:
    """Show k, sigma and temperature."""
    _sliders(
        form,
        {
            "k": lambda: st.slider(
                "k, neighbours", 1, K_MOST, help="How many of the nearest memories vote.", **bound("k", form.k)
            ),
            "sigma": lambda: st.select_slider(
                "sigma, bandwidth",
                log_scale(0.001, 100, 51, form.sigma, digits=2),
                format_func=compact,
                help="A neighbour at distance d weighs exp(-d / sigma). Small: the nearest decides. Large: all k count "
                "alike.",
                **bound("sigma", form.sigma),
            ),
            "temperature": lambda: st.select_slider(
                "T, temperature",
                log_scale(0.01, 100, 41, form.temperature, digits=2),
                format_func=compact,
                help="Divides the base's logits. Small: the base is sure of everything. Large: it is unsure, and the "
                "neighbours' vote is all that remains.",
                **bound("temperature", form.temperature),
            ),
        },
    )


def _sliders(form: Playground, sliders: dict[str, Callable[[], Any]]) -> None:
    """Show those that are not hidden side by side."""
    there = [name for name in sliders if not form.hides(name)]
    for column, name in zip(st.columns(len(there)) if there else [], there, strict=True):
        with column:
            sliders[name]()


def _called(base: str) -> str:
    if base.startswith(PICTURE):
        return f"{base.removeprefix(PICTURE)}, on pictures of a dot"
    return {LINEAR: "Linear", NETWORK: "Small network"}[base]
