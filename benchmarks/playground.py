"""How long the playground's server works after each kind of change.

    python -m benchmarks.playground

2,000 training points and a surface of 200 x 200 places. "own" is what the page does: fit the base where the change asks
for that, write what the browser is told of it, judge 1,000 test points, and say who votes at a place; surfaces are the
browser's work (`python -m benchmarks.learn`). "other" is the public interface alone, with its exact index, for the same
surface: `ResMemClassifier.decision_function`. Both medians in seconds.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.common import Row, arguments, report, side_by_side
from resmem_core.estimators import ResMemClassifier
from resmem_core.plots.plane import packed_scene
from resmem_core.teaching.plane import MOST, Place
from resmem_core.teaching.plane_edits import PlaneEdits
from resmem_core.teaching.playground import LINEAR, NETWORK, Base, Playground, Scene, View, fit_base, view, votes

LIMIT = 0.2  # seconds
WHERE = Place(0.3, -0.2)
SIGMAS = np.geomspace(0.03, 3, 40).tolist()


class Page:
    """What the page keeps from one run to the next: the last base, view and votes."""

    def __init__(self, form: Playground) -> None:
        self.form = form
        self._base: tuple[Scene, Base] | None = None
        self._view: tuple[Playground, View] | None = None
        self._scene: tuple[Scene, PlaneEdits] | None = None

    def show(self, form: Playground) -> None:
        """Do all that a run of the page does."""
        if self._base is None or self._base[0] != form.scene:
            self._base = form.scene, fit_base(form.scene)
        base = self._base[1]
        if self._view is None or self._view[0] != form.seen:
            self._view = form.seen, view(form, base)
        if self._scene != (form.scene, form.edits):
            self._scene = form.scene, form.edits
            packed_scene(base, form.edits)
        if form.at is not None:
            votes(form, base, form.at)


def changes(form: Playground) -> dict[str, Iterator[Playground]]:
    """Return endless changes of one kind each, no two alike in a row."""
    by_hand = [replace(form, click=click) for click in ("add-1", "remove")]
    added, removed = (start.clicked(Place(0.1, 0.1)) for start in by_hand)
    return {
        "k": (replace(form, k=k) for k in itertools.cycle(range(5, 26))),
        "k at 99 and 100": (replace(form, k=k) for k in itertools.cycle((99, 100))),
        "sigma": (replace(form, sigma=sigma) for sigma in itertools.cycle(SIGMAS)),
        "T": (replace(form, temperature=t) for t in itertools.cycle((0.5, 1.0, 2.0))),
        "a click": (replace(form, at=Place(x, 0.2)) for x in itertools.cycle((0.1, 0.2, 0.3))),
        "a point added": itertools.cycle((added, form)),
        "a point removed": itertools.cycle((removed, form)),
        "noise": (replace(form, noise=noise) for noise in itertools.cycle((0.1, 0.2, 0.3))),
        "label noise": (replace(form, label_noise=share) for share in itertools.cycle((0.1, 0.2, 0.3))),
        "n": (replace(form, n=n) for n in itertools.cycle((MOST, MOST - 10, MOST - 20))),
    }


def publicly(form: Playground, base: Base) -> Any:
    """Return the same surface by the public interface, its base fitted already."""
    from sklearn.frozen import FrozenEstimator

    model = ResMemClassifier(
        FrozenEstimator(base.estimator), n_neighbors=form.k, sigma=form.sigma, temperature=form.temperature
    )
    places = np.stack(np.meshgrid(base.axis, base.axis), axis=-1).reshape(-1, 2)
    return model.fit(base.train.X, base.train.y).decision_function(places)


def main() -> None:
    """Measure and print."""
    args = arguments(__doc__.splitlines()[0])
    warnings.simplefilter("ignore")
    rows = []
    for name in (LINEAR, NETWORK):
        form = Playground(n=MOST, base=name, at=WHERE, seed=args.seed)
        base, page = fit_base(form.scene), Page(form)
        for kind, forms in changes(form).items():
            page.show(form)
            asked = replace(form, k=100 if "100" in kind else form.k)
            own, other, ratio = side_by_side(
                lambda forms=forms, page=page: page.show(next(forms)),  # type: ignore[misc]
                lambda asked=asked, base=base: publicly(asked, base),  # type: ignore[misc]
                args.rounds,
            )
            rows.append(
                Row(
                    f"{name} base: {kind}",
                    "decision_function on the same places",
                    own,
                    other,
                    ratio,
                    f"at most {LIMIT} s",
                    own <= LIMIT,
                )
            )
    report("playground", args, rows, n_memory=MOST, places=len(base.axis) ** 2, k=form.k)


if __name__ == "__main__":
    main()
