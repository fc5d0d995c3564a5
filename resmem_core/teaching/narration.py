"""What the page on a curve says: the steps of its explanation, and what a change did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from resmem_core.teaching.curve import TARGETS, Outcome

MATTERS = 0.01  # changes of the test error below it are called none; the targets swing between -1 and 1

MEMORISED = (
    "The training error with memory is 0: each training point finds itself and gets its own value back, with whatever "
    "noise is in it. That is **explicit memorisation**, and says nothing of new points."
)


class Step(NamedTuple):
    """A step of the explanation: what it is called, and what to look at."""

    title: str
    text: str


STEPS = (
    Step(
        "The network learns what it can",
        "The pale band is the target, the dots are noisy readings of it, the grey line is what the network made of "
        "them. See where the line leaves the band: there it did not learn the target.",
    ),
    Step(
        "What it leaves: the residuals",
        "Below, a stick for each training point: how far its reading lies above or below the network. Sticks that "
        "form a pattern hold something worth remembering; sticks that jump at random hold noise.",
    ),
    Step(
        "Memory fits the residuals",
        "Memory keeps every residual. At each place it averages those of the k nearest training points, the nearer the "
        "heavier. See whether the purple line follows the pattern, or every single dot.",
    ),
    Step(
        "The sum is the prediction",
        "Blue is grey plus purple: what was learned plus what was memorised. Where blue is nearer to the pale band "
        "than grey is, memory helps; where it is farther, memory hurts.",
    ),
    Step(
        "All together",
        "Turn one control and follow it from the top panel to the bottom one. What it changed stands below the figure. "
        "Then try the three examples, and find out what makes them differ.",
    ),
)

_NAMES = {"n": "sample size", "width": "network width", "steps": "training steps"}  # others go by that of the form
_CHANCE = "Only the draw of points, noise and starting weights is another: so much of every number is chance."


def verdict(outcome: Outcome) -> str:
    """Say whether memory helps, with the numbers."""
    base, resmem = _written(outcome.base_test), _written(outcome.resmem_test)
    return f"{judged(outcome)} here: the test error is {base} without it and {resmem} with it."


def judged(outcome: Outcome) -> str:
    """Say whether memory helps, in two or three words."""
    if not matters(outcome):
        return "Memory changes little"
    return "Memory helps" if outcome.resmem_test < outcome.base_test else "Memory hurts"


def matters(outcome: Outcome) -> bool:
    """Tell whether memory changes the test error, as it is shown, by `MATTERS` or more."""
    return round(abs(float(_written(outcome.resmem_test)) - float(_written(outcome.base_test))), 3) >= MATTERS


def memorised(outcome: Outcome) -> bool:
    """Tell whether training points find themselves, and so have no error."""
    return _written(outcome.resmem_train) == "0.000" and f"{outcome.voters:.1f}" == "1.0"


def told(before: Outcome, after: Outcome) -> str:
    """Say what just changed in one to three sentences that agree with the numbers as they were and are shown."""
    changed = [name for name in _REASONS if getattr(before.curve, name) != getattr(after.curve, name)]
    if not changed:
        return verdict(after)
    base, resmem = (_moved(getattr(before, of), getattr(after, of)) for of in ("base_test", "resmem_test"))
    if set(changed) <= {"k", "sigma"}:  # the network is the same
        effect = f"the test error {resmem}"
    else:
        effect = f"the network's test error {base}; with memory it {resmem}"
    if len(changed) > 1:
        return f"{_listed(changed)} changed: {effect}. {judged(after)} here."
    (name,) = changed
    return f"{_went(name, before, after)}: {effect}. {_REASONS[name](before, after)}"


def _written(value: float) -> str:
    return f"{value:.3f}"


def _moved(before: float, after: float) -> str:
    """Write a change of direction and size as they are after rounding."""
    a, b = _written(before), _written(after)
    if a == b:
        return f"stayed at {a}"
    return f"{'rose' if float(b) > float(a) else 'fell'} from {a} to {b}"


def _listed(changed: list[str]) -> str:
    *most, last = (_NAMES.get(name, name) for name in changed)
    text = f"{', '.join(most)} and {last}"
    return f"{text[0].upper()}{text[1:]}"


def _went(name: str, before: Outcome, after: Outcome) -> str:
    a, b = (getattr(of.curve, name) for of in (before, after))
    if name == "target":
        a, b = (f"“{TARGETS[key].title}”" for key in (a, b))
    label = "k" if name == "k" else _NAMES.get(name, name).capitalize()
    return f"{label} went from {a} to {b}"


def _of_k(before: Outcome, after: Outcome) -> str:
    if after.curve.neighbors == 1:
        noise = ", noise included" if after.curve.noise > 0 else ""
        return f"Memory now passes through every training point{noise}."
    if before.curve.neighbors == after.curve.neighbors:
        return f"There are only {after.curve.n} training points, and memory still asks all of them."
    return _of_voters(before, after, "at this sigma the farther ones weigh next to nothing")


def _of_sigma(before: Outcome, after: Outcome) -> str:
    if after.curve.neighbors == 1:
        return "With one neighbour there is nothing to weigh, so sigma has no effect."
    return _of_voters(before, after, "their weights hardly moved")


def _of_voters(before: Outcome, after: Outcome, why_same: str) -> str:
    a, b = (f"{of.voters:.1f}" for of in (before, after))
    if a == b:
        return f"Each answer still averages about {b} residuals: {why_same}."
    if float(b) > float(a):
        return (
            f"Each answer now averages more residuals (about {b}, before {a}): that evens out noise, and blurs detail."
        )
    return f"Each answer now averages fewer residuals (about {b}, before {a}): that follows detail, and noise as well."


def _of_residuals(before: Outcome, after: Outcome) -> str:
    a, b = _written(before.base_train), _written(after.base_train)
    if a == b:
        return f"The residuals that the network leaves are as large as before (typical size {b})."
    size, what = ("larger", "more") if float(b) > float(a) else ("smaller", "less")
    return (
        f"The residuals that the network leaves are {size} (typical size {b}, before {a}), so {what} is left to memory."
    )


def _of_noise(before: Outcome, after: Outcome) -> str:
    if after.curve.noise == 0:
        return "The residuals now hold nothing but what the network did not learn."
    noise = f"{after.curve.noise:g}"
    return f"The residuals hold noise of standard deviation {noise}, which memory cannot tell from the target."


def _of_n(before: Outcome, after: Outcome) -> str:
    nearer = "nearer to" if after.curve.n > before.curve.n else "farther from"
    return f"Training points lie {nearer} each other, {2 / after.curve.n:.3f} apart on average."


_REASONS: Mapping[str, Callable[[Outcome, Outcome], str]] = {
    "target": lambda before, after: TARGETS[after.curve.target].lesson,
    "noise": _of_noise,
    "n": _of_n,
    "width": _of_residuals,
    "steps": _of_residuals,
    "k": _of_k,
    "sigma": _of_sigma,
    "seed": lambda before, after: _CHANCE,
}
