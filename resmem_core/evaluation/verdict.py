"""What an evaluation says, in words: whether memory helps, which rival is as good, who loses, and what to try.

Every claim is an interval's: "helps" where all of it lies above 0, "harms" where all of it lies below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from resmem_core.evaluation.metrics import Interval, for_json

Kind = Literal["helps", "not distinguishable", "harms"]
LEVEL = 0.05  # with which an interval fails to cover, half of it on either side
POINTS, SAVED = "points", "RMSE saved"
NAMES = {
    "base": "the base model",
    "base_scaled": "the base model at its own best temperature",
    "knn": "soft kNN alone",
    "interpolation": "interpolation of soft kNN and base",
}
LEADS: dict[Kind, str] = {
    "helps": "Memory helps",
    "not distinguishable": "Memory makes no difference that can be told from chance",
    "harms": "Memory harms",
}
BY_HAND = "The setting was not chosen on validation: if it was picked while looking at test, these numbers flatter."
NAMED = 3  # classes


def kind_of(interval: Interval) -> Kind:
    """Say on which side of 0 the interval of a gain lies; where its ends are not known, nothing can be told."""
    low, high = interval
    return "helps" if low > 0 else "harms" if high < 0 else "not distinguishable"


@dataclass(frozen=True)
class Difference:
    """ResMem beside another method, or beside base in a class; above 0, ResMem is better.

    Attributes
    ----------
    name : str
        The method, of `NAMES`, or the class.
    gain : float
        Of accuracy; or, where values are predicted, the other's RMSE less ResMem's.
    gain_ci95 : tuple of float
        As `evaluate` tells it.
    unit : str
        `POINTS` or `SAVED`.
    """

    name: str
    gain: float
    gain_ci95: Interval
    unit: str = POINTS

    @property
    def kind(self) -> Kind:
        """What its interval says."""
        return kind_of(self.gain_ci95)

    @property
    def size(self) -> str:
        """The gain in words."""
        if self.unit == POINTS:
            return f"{100 * self.gain:+.2f} points"
        return f"{abs(self.gain):.4g} {'less' if self.gain >= 0 else 'more'} RMSE"

    @property
    def interval(self) -> str:
        """Its interval in words."""
        low, high = self.gain_ci95
        if math.isnan(low):
            return "unknown"
        return f"{100 * low:+.2f} to {100 * high:+.2f}" if self.unit == POINTS else f"{low:+.4g} to {high:+.4g} saved"

    def __str__(self) -> str:
        return f"{self.size} ({self.interval})"


@dataclass(frozen=True)
class Loser(Difference):
    """A class whose interval lies below 0; `certain`: so does the wider one that allows for all classes looked at."""

    certain: bool = False


@dataclass(frozen=True)
class Ratio:
    """ResMem's perplexity by that of another method, of `NAMES`: below 1, its probabilities are better."""

    name: str
    ratio: float
    ratio_ci95: Interval

    @property
    def kind(self) -> Kind:
        """What its interval says."""
        low, high = self.ratio_ci95
        return kind_of((1 - high, 1 - low))

    def __str__(self) -> str:
        low, high = self.ratio_ci95
        return f"{self.ratio:.4g} times the perplexity ({low:.4g} to {high:.4g})"


@dataclass(frozen=True)
class Verdict:
    """What an evaluation says.

    Attributes
    ----------
    base : Difference
        ResMem beside base: what memory does.
    rivals : tuple of Difference
        ResMem beside the other uses of the same neighbours, the best on these points first.
    rivals_tuned : bool
        Whether their settings are their own.
    probabilities : Ratio or None
        ResMem beside the other method of least perplexity; None where values are predicted, or no interval is known.
    losers : tuple of Loser
        The classes whose interval lies below 0, those that lose most first.
    drop : Difference or None
        The class that falls most, where no interval lies below 0.
    n_classes : int
        Classes looked at; 0 where values are predicted.
    n_units, units : int, str
        Test points, or groups of them, that the intervals are over.
    needed : int or None
        About how many of them would tell ResMem from base, were the difference as it looks. None where it can be told,
        or is 0.
    scope : str
        What the intervals speak of.
    on_validation : bool
        Whether the setting was chosen there, not by hand.
    advice : mapping of str
        What to try, in words, by a short name.
    """

    base: Difference
    rivals: tuple[Difference, ...]
    rivals_tuned: bool
    probabilities: Ratio | None
    losers: tuple[Loser, ...]
    drop: Difference | None
    n_classes: int
    n_units: int
    units: str
    needed: int | None
    scope: str
    on_validation: bool
    advice: Mapping[str, str]

    @property
    def kind(self) -> Kind:
        """Whether memory helps."""
        return self.base.kind

    @property
    def headline(self) -> str:
        """What the first sentence begins with."""
        return f"{LEADS[self.kind]}: {self.base.size} against the base model"

    @property
    def sentences(self) -> dict[str, str]:
        """All of it in words, by what they are about; the first is the verdict itself."""
        said = {
            "base": f"{self.headline} (95 % interval {self.base.interval}, {self.scope}).",
            "points": self._of_points(),
            "rivals": self._of_rivals(),
            "probabilities": self._of_probabilities(),
            "classes": self._of_classes(),
            "setting": "" if self.on_validation else BY_HAND,
            "advice": f"To try: {'; '.join(self.advice.values())}." if self.advice else "",
        }
        return {about: words for about, words in said.items() if words}

    def _of_points(self) -> str:
        if self.n_units == 1:
            return f"All of test is one {self.units[:-1]}, which tells nothing of others."
        if self.needed is None:
            return ""
        are_few = f"{self.n_units:,} {self.units} are too few to tell a difference of this size"
        return f"{are_few}: about {self.needed:,} would be needed."

    def _of_rivals(self) -> str:
        best, *others = self.rivals
        which = "" if self.rivals_tuned else " at ResMem's own k and sigma"
        name = f"{NAMES[best.name]}{which}" + (", its best rival from the same neighbours" if others else "")
        if best.kind == "helps":
            said = [f"ResMem is better than {name}: {best}."]
        else:
            is_good = "is better" if best.kind == "harms" else "is as good, as far as these points tell"
            said = [f"{_begun(name)}{',' if others else ''} {is_good}: {best.size} for ResMem ({best.interval})."]
        for of in others:
            if of.kind != "helps":
                claim = "is better" if of.kind == "harms" else "cannot be told from ResMem"
                said.append(f"{_begun(NAMES[of.name])} {claim}: {of.size} for ResMem ({of.interval}).")
        return " ".join(said)

    def _of_probabilities(self) -> str:
        if self.probabilities is None:
            return ""
        words: dict[Kind, str] = {"helps": "better than", "harms": "worse than", "not distinguishable": "as good as"}
        told = ", as far as these points tell" if self.probabilities.kind == "not distinguishable" else ""
        than = f"{words[self.probabilities.kind]} those of {NAMES[self.probabilities.name]}"
        return f"ResMem's probabilities are {than}{told}: {self.probabilities}."

    def _of_classes(self) -> str:
        if self.n_classes < 2:
            return ""
        certain, perhaps = ([of for of in self.losers if of.certain is sure] for sure in (True, False))
        said = []
        if certain:
            lose = "loses" if len(certain) == 1 else "lose"
            said.append(f"{_named(certain)} {lose}, even allowing for {self.n_classes:,} classes looked at.")
        if perhaps:
            by_chance = f"about {LEVEL / 2 * self.n_classes:.2g} lie below 0 by chance"
            said.append(f"{_named(perhaps)} may lose: of {self.n_classes:,} intervals {by_chance}.")
        if not said and self.drop is not None:
            said.append(
                f"No class is sure to lose; the largest drop is that of {_readable(self.drop.name)}: {self.drop}."
            )
        return " ".join(said) or "No class gets fewer right."

    def __str__(self) -> str:
        return " ".join(self.sentences.values())

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values, for JSON; each difference with its `kind`."""
        values = {"kind": self.kind, **asdict(self), "sentences": self.sentences}
        for told, of in zip((values["base"], *values["rivals"]), (self.base, *self.rivals), strict=True):
            told["kind"] = of.kind
        if self.probabilities is not None:
            values["probabilities"]["kind"] = self.probabilities.kind
        result: dict[str, Any] = for_json(values)
        return result


def _begun(words: str) -> str:
    """Return words as a sentence begins with them."""
    return f"{words[0].upper()}{words[1:]}"


def _named(classes: Sequence[Difference]) -> str:
    """Return the first few classes, each with its numbers, and how many more there are."""
    said = [f"{_readable(of.name)}: {of}" for of in classes[:NAMED]]
    more = [f"{len(classes) - NAMED:,} more"] if len(classes) > NAMED else []
    return f"Class{'es' if len(classes) > 1 else ''} {', '.join([*said, *more])}"


def _readable(name: str) -> str:
    """Return the name of a class, quoted where it would not be seen: tokens can be spaces or ends of lines."""
    return name if name and name == name.strip() and name.isprintable() else repr(name)
