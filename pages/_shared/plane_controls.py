"""What can be turned in the playground, and which lesson it starts from."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages._shared.links import onward
from pages._shared.state import bound, change, hold
from resmem_core.common.decimals import log_scale
from resmem_core.teaching.lessons import LESSONS
from resmem_core.teaching.plane import DATA, MOST
from resmem_core.teaching.plane_base import HIDDEN, LINEAR, NETWORK, PICTURE, PLANE, picture_backbones
from resmem_core.teaching.plane_edits import NONE, PlaneEdits
from resmem_core.teaching.playground import K_MOST, Playground

FREE = "Free play"
FORGOTTEN = {"edits": PlaneEdits(), "at": None, "refit": False}  # with the points that they were about
KNOBS: dict[str, dict[str, Any]] = {
    "k": {"label": "k, neighbours", "values": list(range(1, K_MOST + 1))},
    "sigma": {"label": "sigma, bandwidth", "values": log_scale(0.001, 100, 51, Playground.sigma, digits=2)},
    "temperature": {"label": "T, temperature", "values": log_scale(0.01, 100, 41, Playground.temperature, digits=2)},
    "knn": {"label": "Soft kNN beside them"},
}
SPACES = {PLANE: "in the plane", HIDDEN: "in the hidden layer"}


def lesson_choice(form: Playground) -> None:
    """Show which lesson is on, and how to get to the others."""
    names = [NONE, *LESSONS]
    at = names.index(form.lesson)
    with st.container(horizontal=True, vertical_alignment="center"):
        if not form.hides("lesson"):
            hold("playground-lesson", form.lesson)
            st.selectbox(
                "Lesson",
                names,
                format_func=lambda name: FREE if name == NONE else f"{names.index(name)}. {LESSONS[name].title}",
                key="playground-lesson",
                on_change=lambda: start(st.session_state["playground-lesson"]),
                label_visibility="collapsed",
                width=260,
            )
            for label, icon, other in (("Previous", "chevron_left", at - 1), ("Next", "chevron_right", at + 1)):
                there = 0 <= other < len(names)
                st.button(
                    f"{label} lesson",
                    icon=f":material/{icon}:",
                    disabled=not there,
                    on_click=start,
                    args=(names[other % len(names)],),
                    help=(FREE if names[other] == NONE else LESSONS[names[other]].title) if there else None,
                )


def lesson_text(form: Playground) -> None:
    """Show what the lesson asks, and what there is to notice."""
    if form.lesson == NONE:
        st.caption(
            "What a base model says of each place, what memory adds there, and the sum. Turn anything and watch; click "
            "anywhere to see which training points vote. Lessons have addresses of their own, to be handed out with "
            "changes of yours."
        )
        return
    lesson = LESSONS[form.lesson]
    st.markdown(f"**{lesson.question}**")
    with st.expander(f"Lesson {list(LESSONS).index(form.lesson) + 1}: what to notice"):
        st.markdown("\n".join(f"- {claim}" for claim in lesson.notice))
        st.markdown(f"**Try it.** {lesson.action}")


def start(lesson: str) -> None:
    """Set the controls as a lesson does."""
    change(**vars(Playground.of_lesson(lesson)))


def follow(form: Playground) -> None:
    """End the page with the way to the next lesson, and after the last to the next page."""
    names = [NONE, *LESSONS]
    at = names.index(form.lesson) + 1
    if form.hides("lesson"):
        return
    if at == len(names):
        onward("Theory", "theory")
    else:
        title = f"Next: lesson {at}, {LESSONS[names[at]].title}"
        st.button(title, icon=":material/arrow_forward:", on_click=start, args=(names[at],))


def data_controls(form: Playground) -> None:
    """Show what shapes the points and the base model: the server trains it anew."""
    if form.hide != NONE:
        st.button(
            "Show all controls",
            icon=":material/visibility:",
            on_click=change,
            kwargs={"hide": NONE},
            help="Some are hidden, so as not to distract.",
        )
    if not form.hides("data"):
        st.selectbox(
            "Data",
            list(DATA),
            format_func=DATA.__getitem__,
            help="Two classes. The rare group is a small cluster of class 1 between two of class 0.",
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
            **bound("base", form.base),
        )
    if not form.hides("space") and form.base != LINEAR:
        st.selectbox(
            "Distances are taken",
            list(SPACES),
            format_func=SPACES.__getitem__,
            help="What near means to memory: in the plane as you see it, or between the outputs of the base's last "
            "hidden layer, in whose units sigma then is. That surface is coarser.",
            **bound("space", form.space),
        )
    if not form.hides("n"):
        st.slider(
            "Training points",
            50,
            MOST,
            step=10,
            help="They are trained on, and are the memory. More points join those that are there.",
            **bound("n", form.n),
        )
    if not form.hides("noise"):
        st.slider(
            "Noise",
            0.0,
            0.5,
            step=0.01,
            help="How far points stray from their shape: standard deviation, where the shape reaches from -1 to 1.",
            **bound("noise", form.noise),
        )
    if not form.hides("label_noise"):
        st.slider(
            "Label noise",
            0.0,
            0.5,
            step=0.01,
            help="Share of the training labels that are flipped; drawn as crosses. Test labels stay true.",
            **bound("label_noise", form.label_noise),
        )
    if not form.hides("imbalance"):
        st.slider(
            "Imbalance",
            1.0,
            20.0,
            step=0.5,
            help="Training points of class 0 for one of class 1. The test points stay half and half.",
            **bound("imbalance", form.imbalance),
        )
    if not form.hides("seed"):
        st.number_input(
            "Seed",
            0,
            2**31 - 1,
            help="Another seed draws other points of the same kind and starts the base elsewhere.",
            **bound("seed", form.seed, also=FORGOTTEN),
        )


def memory_knobs(form: Playground) -> list[dict[str, Any]]:
    """Return the knobs that the browser follows: k, sigma, temperature, and whether soft kNN is seen."""
    texts = {
        "k": "How many of the nearest memories vote.",
        "sigma": "A neighbour at distance d weighs exp(-d / sigma). Small: the nearest decides. Large: all k count "
        "alike.",
        "temperature": "Divides the base's logits. Small: the base is sure of everything. Large: it is unsure, and the "
        "neighbours' vote is all that remains.",
        "knn": "The vote of the same neighbours, without the base.",
    }
    return [{"name": name, **KNOBS[name], "help": text} for name, text in texts.items() if not form.hides(name)]


def _called(base: str) -> str:
    if base.startswith(PICTURE):
        return f"{base.removeprefix(PICTURE)}, on pictures of a dot"
    return {LINEAR: "Linear", NETWORK: "Small network"}[base]
