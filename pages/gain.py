"""Where the gain comes from: slices of the test points."""

import streamlit as st

from pages._shared import cache
from pages._shared.figures import show
from pages._shared.opening import opened
from pages._shared.share import share
from pages._shared.state import bound, change, settings
from pages._shared.summary import gain_in_words, gain_table
from pages._shared.text import plain
from resmem_core.analysis.selection import Span
from resmem_core.evaluation.slices import AXES, BINS, LEVEL, MAX_CLASSES, strongest
from resmem_core.plots.classes import slice_gains

PAGE = {"title": "Slices", "icon": ":material/insights:", "section": "Where it gains", "place": 2}
CUTS = {
    "distance": f"Cut at quantiles into {BINS} slices. The distance is Euclidean, between embeddings"
    "{scaled}; equal distances are never split over two slices.",
    "confidence": "The base model's largest probability at this temperature, cut at quantiles into "
    f"{BINS} slices; equal values are never split over two.",
    "class-size": "How many points of the true class memory holds, smallest class first: one slice a class up to "
    f"{MAX_CLASSES} classes, beyond that classes of like size share a slice.",
}


experiment, params = opened()
names = experiment.dataset.class_names


def sliced() -> None:
    """Show the gain within slices, and say which one stands out."""
    by = settings().by if settings().by in AXES else next(iter(AXES))
    st.segmented_control(
        "Slice by",
        list(AXES),
        format_func=lambda axis: axis.replace("-", " ").capitalize(),
        help="Distance: to the nearest memory, in embedding space. Confidence: the base model's largest probability. "
        "Class size: points of the true class in memory.",
        **bound("by", by, lambda picked: picked or by),
    )
    found = cache.slices(experiment.config, params, by)
    best = strongest(found)
    if found[0].low == found[-1].high:
        st.info(f"The {AXES[by]} is {found[0].low:,g} for every test point: it explains no difference in the gain.")
    if best is None:
        st.markdown(f"No slice stands out from chance (exact McNemar test, {LEVEL:g} shared by {len(found)} slices).")
    else:
        what = "class" if by == "class-size" and len(names) <= MAX_CLASSES else AXES[by]
        st.markdown(
            f"Memory helps most at **{what} {plain(best.name)}**: **{gain_in_words(best)}**, {best.fixed} of "
            f"{best.n:,} test points fixed and {best.broken} broken. Being the largest of {len(found)} slices, it "
            "flatters itself a little; that it is not chance alone is tested (exact McNemar test, "
            f"{LEVEL:g} shared by the slices)."
        )
    key = f"slices-{by}-{params}"

    def pick() -> None:
        if bars := st.session_state[key].selection.points:
            clicked = found[::-1][bars[0]["point_index"]]
            change(within=str(Span(by, clicked.low, clicked.high)))

    show(
        slice_gains(found, AXES[by]),
        f"gain-by-{by}",
        f"Gain of ResMem over base by {AXES[by]}, as bars.",
        key=key,
        on_select=pick,
        selection_mode="points",
    )
    scaled = " of length 1" if experiment.normalize else ""
    st.caption(
        f"{CUTS[by].format(scaled=scaled)} In brackets: test points. Whiskers: 95 % paired interval. Click a bar to "
        "select its points."
    )
    with st.expander("As a table"):
        gain_table("slice", found, [{"from": s.low, "to": s.high} for s in found])


st.caption("Each bar is the accuracy that ResMem gains over base among test points that are alike in one respect.")
sliced()
share("slices", params, f"--by={settings().by}")
