"""The derivations of the theory page, each step beside its numbers."""

from __future__ import annotations

import streamlit as st

from resmem_core.teaching.theory import Check, Risks, checks

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
