"""A problem that theory solves: why memory goes on learning where the base model has stopped."""

from bisect import bisect_left, bisect_right

import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.figures import show
from pages._shared.links import onward
from pages._shared.share import share_form, show_code
from pages._shared.state import bound, change, shown
from resmem_core.plots.theory import parts_of_risk, risk_by_dimension, risks_against_n
from resmem_core.teaching.theory import (
    CHOICES,
    DIMENSIONS,
    N_TEST,
    VIEWS,
    Check,
    Risks,
    Theory,
    by_dimension,
    checks,
    crossing_in_words,
    estimates,
    simulate_theory,
    slope_in_words,
)

INPUTS = r"""
**1. The inputs.** Of a ball, a share $r^d$ lies within a fraction $r$ of the radius. So that fraction has the density
$d\,r^{d-1}$, and as all directions are alike:
$$
\begin{gathered}
\mathbb E|x|^2 = d \int_0^1 r^2 \cdot d\,r^{d-1}\,dr = \frac{d^2}{d+2} \\
\Sigma = \mathbb E\,xx^\top = \frac{d}{d+2}\,I
\end{gathered}
$$
"""
LIMIT = r"""
**2. The limit of base.** With $\delta = \theta^* - \hat\theta$, the error at $x$ is $\langle\delta, x\rangle$:
$$
\begin{aligned}
R_{\text{base}} = \delta^\top \Sigma\,\delta &= |\delta|^2\,\frac{d}{d+2} \\ &\ge (1-L)^2\,\frac{d}{d+2}
\end{aligned}
$$
for $|\theta^*| = 1$ and $|\hat\theta| \le L$, so that $|\delta| \ge 1 - L$ whatever the training set. As $n$ grows,
least squares comes to minimise $|\delta|$ itself and finds $L\,\theta^*$: the risk falls to this bound and stays there.
"""
EXCESS = r"""
**3. What a finite $n$ adds.** The solution has $(G + \mu I)\,\hat\theta = G\,\theta^*$, where $G = X^\top X / n$ and
$\mu$ is such that $|\hat\theta| = L$. Write $G = \frac{d}{d+2}(I + E)$. To first order in $E$, $\hat\theta$ turns away
from $\theta^*$ by $v = L(1-L)\,PE\,\theta^*$, where $P$ removes what is along $\theta^*$; with its length fixed at $L$,
that adds $|v|^2 / L$ to $|\delta|^2$. Each of the $d - 1$ coordinates of $PE\,\theta^*$ has the variance
$\frac{(d+2)^2}{d^2}\,\mathbb E\,x_1^2 x_2^2\,/\,n = \frac{d+2}{d+4}\,/\,n$. Together, for $n$ well above $d$:
$$
\begin{aligned}
\mathbb E R_{\text{base}} \approx{} & (1-L)^2\,\frac{d}{d+2} \\ & \cdot \left(1 + L\,\frac{(d-1)(d+2)}{(d+4)\,n}\right)
\end{aligned}
$$
"""
RESMEM = r"""
**4. ResMem.** The nearest memory $x'$ holds the residual $\langle\delta, x'\rangle$. Added to the base model's
prediction it leaves the error $\langle\delta, x - x'\rangle$. With $u = \delta/|\delta|$, and as no direction is
special on average:
$$
\begin{aligned}
R_{\text{ResMem}} &= |\delta|^2\;\mathbb E\langle u, x - x'\rangle^2 \\
&\approx |\delta|^2\;\frac{\mathbb E|x - x'|^2}{d}
\end{aligned}
$$
Its value is that with $|\delta|^2$ from 3 and $\mathbb E|x - x'|^2$ from 5.
"""
GAP = r"""
**5. How far the nearest memory is.** Well inside the ball, a share $(r/\sqrt d)^d$ of it lies within $r$ of $x$. None
of $n$ memories is there with probability near $e^{-n(r/\sqrt d)^d}$. So $n\,(|x - x'|/\sqrt d)^d$ has the exponential
distribution, whose moment of order $2/d$ is $\Gamma(1 + 2/d)$:
$$
\mathbb E|x - x'|^2 \approx d\;\Gamma\!\left(1 + \tfrac 2d\right) n^{-2/d}
$$
Near the surface, a smaller share $F_x(r)$ of the ball is within $r$ of $x$. With that share the mean is exact at every
$n$; the integral is done numerically here:
$$
\mathbb E|x - x'|^2 = \mathbb E_x \int_0^\infty 2r\,\bigl(1 - F_x(r)\bigr)^n\,dr
$$
"""
SLOPE = r"""
**6. The slope.** From 2, 4 and 5, for very large $n$,
$$
R_{\text{ResMem}} \approx (1-L)^2\;\Gamma\!\left(1 + \tfrac 2d\right) n^{-2/d}
$$
a line of slope $-2/d$ where both scales are logarithmic. At the sample sizes simulated, 3 and the integral in 5 give
another.
"""


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


def derivations(risks: Risks) -> None:
    """Derive what the figures state, each step beside what was simulated."""
    found = checks(risks)
    st.header("Derivations, checked by the numbers")
    st.caption(
        f"At n = {risks.n[-1]:,}, with standard errors over {risks.seeds} training sets. By chance alone about one "
        "check in twenty is off by more than two of them; more where training sets are few. Step 3 is for n well above "
        "d, and 4 and 6 use it: where n is not, they are off by more."
    )
    for text, name in (
        (INPUTS, "length"),
        (LIMIT, None),
        (EXCESS, "excess"),
        (RESMEM, "resmem"),
        (GAP, "gap"),
        (SLOPE, "slope"),
    ):
        st.markdown(text)
        if name in found:
            _checked(found[name])


def _checked(check: Check) -> None:
    """Show a formula's value beside what was simulated."""
    agree = check.off is not None and check.off <= 2
    error = "" if check.simulated.se is None else f" ± {check.simulated.se:.1g}"
    st.markdown(
        f":material/{'check_circle' if agree else 'help'}: {check.name[0].upper()}{check.name[1:]}: "
        f"**{check.formula:.5g}** by the formula, **{check.simulated.mean:.5g}**{error} simulated; {check.verdict}."
    )


PAGE = {
    "title": "Theory",
    "icon": ":material/function:",
    "section": "Learn",
    "place": 3,
    "form": "resmem_core.teaching.theory:Theory",
}

form = shown(Theory)


def controls() -> None:
    """Show what can be chosen."""
    first = max(bisect_right(CHOICES, form.sizes[0]) - 1, 0)
    last = min(bisect_left(CHOICES, form.sizes[-1]), len(CHOICES) - 1)
    st.slider("d, dimension of x", 1, 64, help="Training sets are drawn anew.", **bound("d", form.d))
    st.slider(
        "L, greatest length of the base model's weights",
        0.0,
        0.99,
        step=0.01,
        help="The true weights have length 1. Moving L draws nothing anew: the training sets stay the same.",
        **bound("L", form.L),
    )
    st.select_slider(
        "n, training points",
        CHOICES,
        (CHOICES[first], CHOICES[last]),
        format_func=lambda n: f"{n:,}",
        help="Every round number between the two is simulated.",
        key="sizes",
        on_change=_resize,
    )
    st.number_input("Seeds", 1, 100, help="Training sets for each n.", **bound("seeds", form.seeds))


def _resize() -> None:
    least, most = st.session_state["sizes"]
    change(n=",".join(str(n) for n in CHOICES if least <= n <= most))


def simulated(d: int) -> Risks:
    """Return the risks in `d` dimensions at the form's L; with a bar where training sets are drawn anew."""
    with cache.bar() as progress:
        found = simulate_theory(d, form.sizes, form.seeds, progress=progress, draw=cache.theory_sample)
    return found.at(form.L)


st.caption(
    "A problem simple enough to be solved: the base model is too small for the truth and stops learning; memory does "
    "not. Move L and d, and see where each risk goes. Both scales of the figures are logarithmic."
)
with st.sidebar:
    controls()
result = simulated(form.d)
st.radio(
    "Show",
    list(VIEWS),
    format_func=VIEWS.__getitem__,
    horizontal=True,
    help="Three looks at the same simulation; the last draws training sets in other dimensions as well.",
    **bound("view", form.view),
)
if form.view == "dimension":
    dimension_view([result if d == form.d else simulated(d) for d in sorted({*DIMENSIONS, form.d})], form.d)
else:
    {"risk": risk_view, "parts": parts_view}[form.view](result)
st.header("The problem")
st.markdown(
    r"""
$$
\begin{gathered}
y = \langle\theta^*, x\rangle, \quad |\theta^*| = 1, \quad |x| \le \sqrt d \\
\hat\theta = \arg\min_{|\theta| \le L} \sum_{i=1}^n \langle\theta - \theta^*, x_i\rangle^2
\end{gathered}
$$
"""
)
st.caption(
    "x is uniform in that ball in d dimensions, and y has no noise. The base model's weights may be at most L < 1 "
    "long, those of the truth have length 1. Memory keeps the residuals of the n training points; ResMem adds that of "
    "the nearest one."
)
derivations(result)
show_code(form.code())
share_form(form, form.command())
onward("the same knobs on real data", "tune")
