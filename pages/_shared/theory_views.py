"""The three looks at what the theory page simulates."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages._shared.figures import show
from resmem_core.plots.theory import parts_of_risk, risk_by_dimension, risks_against_n
from resmem_core.teaching.theory import N_TEST, Risks, by_dimension, crossing_in_words, estimates, slope_in_words


def risk_view(risks: Risks) -> None:
    """Show both risks against n."""
    with st.container(horizontal=True):
        for name, value, text in (
            ("Base, limit", risks.base_limit, "(1 - L)² d / (d + 2), whatever n is."),
            (f"Base, n = {risks.n[-1]:,}", risks.base[-1].mean(), f"Mean over {risks.seeds} training sets."),
            (f"ResMem, n = {risks.n[-1]:,}", risks.resmem[-1].mean(), f"On {N_TEST:,} test points of each of them."),
        ):
            st.metric(name, f"{value:.4g}", help=text, border=True, width=190)
    show(
        risks_against_n(risks),
        "theory-risk",
        f"Test risk against n. Base stays at {risks.base_limit:.3g}; ResMem falls to {risks.resmem[-1].mean():.3g}.",
    )
    st.caption(
        f"Points: means over {risks.seeds} training sets of each size. Bands: two standard errors to either side. "
        "The dotted line is what theory says of very large n; the solid one, of each n."
    )
    st.markdown(f"{slope_in_words(risks)} {crossing_in_words(risks)}")
    st.markdown(
        "That ResMem's risk goes to 0 in this problem while the base model's does not is a theorem of Yang et al., "
        "*ResMem: Learn what you can and memorize the rest* (NeurIPS 2023). It is proved there by an upper bound, "
        "which may fall more slowly than the risk itself; the slope above is that of the risk."
    )


def parts_view(risks: Risks) -> None:
    """Show what each risk is made of, at each n."""
    show(
        parts_of_risk(risks),
        "theory-parts",
        "The two factors of ResMem's risk and their product against n: one stays, the other falls.",
    )
    st.markdown(
        "ResMem's risk is a **product**: how far the base model misses, times how far the nearest memory is. More data "
        "hardly moves the first; the second is what falls. Base's risk is a **sum**: its limit, and what a finite n "
        "adds. That part is never negative: no weights of length L are nearer to the truth than 1 - L."
    )
    rows = zip(risks.n, *map(estimates, (risks.base, risks.miss, risks.near, risks.resmem)), strict=True)
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "n": n,
                    "base": base.mean,
                    "limit": risks.base_limit,
                    "added": base.mean - risks.base_limit,
                    "se": base.se,
                    "theory": risks.base_excess(n),
                    "miss": miss.mean,
                    "near": near.mean,
                    "resmem": resmem.mean,
                }
                for n, base, miss, near, resmem in rows
            ]
        ),
        hide_index=True,
        column_config={
            "n": st.column_config.NumberColumn(format="localized"),
            "base": st.column_config.NumberColumn("base risk", format="%.6f"),
            "limit": st.column_config.NumberColumn("its limit", format="%.6f"),
            "added": st.column_config.NumberColumn("finite n adds", format="%.2e"),
            "se": st.column_config.NumberColumn("± standard error", format="%.0e"),
            "theory": st.column_config.NumberColumn("in theory", format="%.2e", help="To first order in 1 / n; see 3."),
            "miss": st.column_config.NumberColumn("|δ|²", format="%.5f"),
            "near": st.column_config.NumberColumn("⟨u, x − x′⟩²", format="%.2e"),
            "resmem": st.column_config.NumberColumn("ResMem risk", format="%.2e"),
        },
        alt="For each n, the parts of base's and of ResMem's risk",
    )


def dimension_view(several: list[Risks], d: int) -> None:
    """Show several dimensions beside each other; `d` stands out."""
    show(
        risk_by_dimension(several, d),
        "theory-dimension",
        f"ResMem's risk over base's against n, in {len(several)} dimensions: the higher, the slower it falls.",
    )
    st.caption(
        "Below the dashed line memory helps, above it memory hurts. L does not matter here: it is in both risks alike. "
        f"Lines: theory. Points: means over {several[0].seeds} training sets, with two standard errors."
    )
    st.markdown(
        "To **halve** the risk, memory must come nearer by a factor of √2, for which n, once it is large, must grow by "
        "$2^{d/2}$: twice the data for d = 2, but 256 times for d = 16. (At the sizes simulated a little less does: "
        "see the table.) And with too few points the nearest memory is farther "
        "from x than the centre of the ball is: then memory makes a prediction **worse**."
    )
    st.dataframe(
        pd.DataFrame(by_dimension(several)).astype(float),
        hide_index=True,
        column_config={
            "d": st.column_config.NumberColumn(format="%d"),
            "slope": st.column_config.NumberColumn("slope", format="%.3f", help="Fitted to what was simulated."),
            "slope_se": st.column_config.NumberColumn("± standard error", format="%.3f"),
            "slope_theory": st.column_config.NumberColumn("slope in theory", format="%.3f", help="At the same n."),
            "slope_limit": st.column_config.NumberColumn("limit -2/d", format="%.3f"),
            "halving": st.column_config.NumberColumn(
                "n to halve it, ×", format="compact", help="By how much n must grow, from the fitted slope."
            ),
            "halving_theory": st.column_config.NumberColumn(
                "the same for large n, ×", format="compact", help="2 to the power d/2."
            ),
            "even_theory": st.column_config.NumberColumn(
                "n to break even, in theory", format="compact", help="From here on ResMem's risk is below base's."
            ),
            "tenth": st.column_config.NumberColumn(
                "n to a tenth of base's",
                format="compact",
                help="Simulated; empty where it lies before the first n, or after the last.",
            ),
            "tenth_theory": st.column_config.NumberColumn("the same in theory", format="compact"),
        },
        alt="For each dimension, slopes and how many points it takes",
    )
