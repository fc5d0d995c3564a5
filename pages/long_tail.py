"""Where memory gains: training data made smaller, noisier or long-tailed, under several seeds."""

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.background import duration, offer, watched
from pages._shared.figures import show
from pages._shared.opening import opened_as
from pages._shared.share import share
from pages._shared.state import bound, settings
from pages._shared.summary import columns, sentence
from pages._shared.text import plain
from resmem_core.analysis.longtail import AXES, MAX_SEEDS, Plan, Point, found, planned, read_values, spelled
from resmem_core.analysis.longtail_summary import ENOUGH, class_groups, in_words, points_in_words, summaries
from resmem_core.cli.settings import TABLE
from resmem_core.common.errors import ResMemError
from resmem_core.common.store import Store
from resmem_core.data.corruption import MAX_NOISE
from resmem_core.experiment.jobs import Job
from resmem_core.plots.longtail import accuracy_curves, class_accuracies, gain_curve

TITLES = {"size": "Training-set size", "noise": "Label noise", "imbalance": "Imbalance"}
FIXED: dict[str, tuple[str, dict[str, Any]]] = {
    "size": ("Fixed: training examples", {"min_value": 1, "step": 100, "placeholder": "all"}),
    "noise": ("Fixed: label noise", {"min_value": 0.0, "max_value": MAX_NOISE, "step": 0.1, "format": "%g"}),
    "imbalance": ("Fixed: imbalance", {"min_value": 1.0, "step": 10.0, "format": "%g"}),
}
PLACE = "lab"


def lab_controls() -> None:
    """Show the controls; a change shows at once."""
    shown = settings()
    st.radio(
        "Vary",
        list(AXES),
        format_func=TITLES.__getitem__,
        horizontal=True,
        help="Size: train on fewer examples. Noise: give some training examples a wrong label. Imbalance: make some "
        "classes rare and leave others as they are; which ones is drawn anew with each seed.",
        **bound("vary", shown.vary, place=PLACE, also={"values": None}),
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Values",
            placeholder="as suits the data",
            help="Numbers with commas between them; empty for those that suit the data.",
            width=190,
            **bound("values", shown.values or "", lambda typed: typed.strip() or None, PLACE),
        )
        st.number_input(
            "Seeds",
            1,
            MAX_SEEDS,
            help="Each has a training, wrong labels and rare classes of its own, and a validation split, too.",
            width=120,
            **bound("seeds", shown.seeds, place=PLACE),
        )
        for vary, (label, options) in FIXED.items():
            if vary != shown.vary:
                field = AXES[vary].field
                st.number_input(
                    label,
                    **options,
                    help=f"{sentence(TABLE[field].metadata['help'])} The same as in the sidebar, under More.",
                    width=190,
                    **bound(field, getattr(shown, field), place=PLACE),
                )


def curves(plan: Plan, points: list[Point]) -> None:
    """Show accuracy and gain against what is varied, in words and figures."""
    found, axis, n = summaries(points), plan.axis, len(plan.points())
    st.header("Where memory gains")
    st.markdown(in_words(found, axis))
    if len(points) < n:
        st.caption(f"{len(points)} of {n} points so far.")
    show(
        accuracy_curves(found, axis),
        "long-tail-accuracy",
        f"Test accuracy of base, soft kNN and ResMem against {axis.label}, with bands",
        key="lab-accuracy",
    )
    show(
        gain_curve(found, axis),
        "long-tail-gain",
        f"Accuracy gain of ResMem over base against {axis.label}, with a band",
        key="lab-gain",
    )
    first, last = plan.seed_range[0], plan.seed_range[-1]
    st.caption(
        f"Lines: means over seeds {first} to {last}, each tuned on its own validation split and judged once on "
        f"{points[0].judged.n_test:,} test points; neither split is changed. Bands and brackets: 95 % t-interval of "
        f"the mean (of fewer than {ENOUGH} seeds: least to most), which tells what other seeds would change. The "
        "sentence calls it a gain only where it stands out by a stricter measure than the brackets: over seeds, at 5 % "
        f"shared by all {len(found)} values, and over test points as well (mean of the seeds' own intervals). Where "
        "soft kNN is as high as ResMem, the neighbours' vote alone would do."
    )
    if plan.vary == "imbalance" and plan.config.limit_train is None and len(found) > 1:
        left = " and ".join(f"{s.n_train:,.0f} {axis.named(s.value)}" for s in (found[0], found[-1]))
        st.caption(f"Fewer training examples are left, too: {left}. Fix their number above to see imbalance alone.")


def by_class(plan: Plan, points: list[Point]) -> None:
    """Show accuracy against how rare a class is, at one value."""
    st.header("Rare and frequent classes")
    tailed = sorted({p.value for p in points if plan.at(p.value, p.judged.seed).imbalance > 1})
    if not tailed:
        st.caption("No class was made rare. To see what that does, vary the imbalance, or fix it above 1.")
        return
    value = tailed[-1]
    if len(tailed) > 1:
        value = st.select_slider(
            plan.axis.label.capitalize(),
            tailed,
            value,
            format_func=spelled,
            help="Which of the values is looked at.",
            key=f"lab-at-{plan.vary}",
        )
    judged = [p.judged for p in points if p.value == value]
    groups = class_groups(judged)
    rare, frequent = (
        f"**{points_in_words(group.gain)}**, with about {group.n_train:,.3g} in memory"
        for group in (groups[0], groups[-1])
    )
    st.markdown(f"Gain in the rarest classes: {rare}. In the most frequent: {frequent}.")
    show(
        class_accuracies(judged),
        "long-tail-classes",
        "Test accuracy of base and ResMem in each class against its number of training examples",
        key="lab-classes",
    )
    noisy = any(config.label_noise for _, config in plan.points())
    st.caption(
        f"Dots: every class of {len(judged)} seeds. Lines, bands, brackets: means over seeds, with 95 % t-intervals, "
        "of the classes at the same place between rare and frequent. Which classes are rare is drawn from the seed, so "
        "this is about rarity, and not about what is hard about a class."
        + (" Examples with a wrong label do not count for a class." if noisy else "")
    )


def table(plan: Plan, points: list[Point]) -> None:
    """Show every point with its numbers."""
    rows = [
        {
            plan.axis.label: p.value, "seed": p.judged.seed, "in memory": p.judged.n_train, "base": p.judged.base,
            "soft kNN": p.judged.knn, "ResMem": p.judged.resmem, "gain": p.judged.delta,
            "gain, low": p.judged.delta_ci95[0], "gain, high": p.judged.delta_ci95[1], "k": p.judged.k,
            "sigma": p.judged.sigma, "temperature": p.judged.temperature,
        }
        for p in points
    ]  # fmt: skip
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={
            **columns("percent", "base", "soft kNN", "ResMem", "gain", "gain, low", "gain, high"),
            **columns("%.3g", "sigma", "temperature"),
        },
    )


PAGE = {"title": "Long tail", "icon": ":material/stacked_line_chart:", "section": "Compare", "place": 3}


def asked() -> Plan:
    """Return the plan that the settings tell; where it is not possible, stop with the reason."""
    try:
        values = read_values(shown.values) if shown.values else ()
        return planned(shown.experiment(), shown.vary, data, values, shown.seeds)
    except ResMemError as error:
        st.error(plain(error), icon=":material/error:")
        st.stop()


def effort(points: list[Point]) -> str:
    """Say what is still to be done."""
    n, values = len(plan.points()), ", ".join(map(spelled, plan.values))
    text = f"{n} trainings: {plan.axis.label} {values}, each under {plan.seeds} seeds."
    if not points:
        return f"{text} Each shows as soon as it is done; how long they take is told once the first one is."
    seconds = sum(p.judged.seconds for p in points) / len(points)
    left = duration((n - len(points)) * seconds)
    return f"{text} {n - len(points)} are missing. Those that are there took {seconds:.1f} s each: about {left}."


def results() -> None:
    """Show the points that are there."""
    points = found(plan, data, Store())
    if points:
        curves(plan, points)
        by_class(plan, points)
        with st.expander("As a table"):
            table(plan, points)


shown = settings()
st.caption(
    "Make the training data smaller, give it wrong labels, or make some classes rare, and see where memory still gains "
    "over the base model. Every point of a curve is a training of its own."
)
# The experiment on the data as it came is shown by the other pages, and must be ready before its siblings.
original, _ = opened_as(replace(shown, limit_train=None, imbalance=1.0, label_noise=0.0, edits=""))
data = cache.clean_data(original.config, shown.seeds)
lab_controls()
plan = asked()
job = Job(plan.config, "longtail", plan.options)
title = f"Accuracy against {plan.axis.label}"
running = watched(job, title)
if not running:
    done = found(plan, data, Store())
    if len(done) < len(plan.points()):
        offer(job, title, effort(done), "Start")
st.fragment(results, run_every=2.0 if running else None)()
last = plan.at(plan.values[-1], plan.config.seed)
share("longtail", None, *plan.options, config=last, about="One of the points: the last value, under the first seed.")
