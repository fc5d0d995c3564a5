"""What the long tail lab has found so far."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages._shared.figures import show
from resmem_core.analysis.longtail import Plan, Point, spelled
from resmem_core.analysis.longtail_summary import ENOUGH, class_groups, in_words, points_in_words, summaries
from resmem_core.plots.longtail import accuracy_curves, class_accuracies, gain_curve


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
        f"{points[0].judged.n_test:,} test points; neither split is spoiled. Bands and brackets: 95 % t-interval of "
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
            **{
                name: st.column_config.NumberColumn(format="percent")
                for name in ("base", "soft kNN", "ResMem", "gain", "gain, low", "gain, high")
            },
            **{name: st.column_config.NumberColumn(format="%.3g") for name in ("sigma", "temperature")},
        },
    )
