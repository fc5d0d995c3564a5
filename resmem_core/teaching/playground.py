"""ResMem in the plane: what base, memory and their sum say of every place, and what each edit of memory changes.

Shapes: N points in memory, M test points, S x S places of the surface, two classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.forms import flag, one_of, positive, setting, some_of, whole
from resmem_core.common.progress import Progress, silent
from resmem_core.common.threads import n_workers
from resmem_core.common.types import FloatArray
from resmem_core.evaluation.evaluate import Evaluation, evaluate
from resmem_core.evaluation.judging import judge
from resmem_core.evaluation.metrics import GroupResult
from resmem_core.memory.explain import Explanation, explain
from resmem_core.memory.residuals import neighbor_weights, probabilities, residuals, weighted_rows
from resmem_core.memory.types import Memory, Neighbors, Params, Queries
from resmem_core.teaching.lessons import LESSONS
from resmem_core.teaching.plane import Place
from resmem_core.teaching.plane_base import HIDDEN, LINEAR, NETWORK, PICTURE, PLANE, Base, Points, Scene, estimator_of
from resmem_core.teaching.plane_edits import NONE, PlaneEdits

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

CLASS_NAMES = ("0", "1")
K_MOST = 100
CLICKS: Mapping[str, str] = {
    "ask": "asks who votes there",
    "add-0": "adds a point of class 0",
    "add-1": "adds a point of class 1",
    "remove": "removes the nearest point",
}
CONTROLS = (
    *("lesson", "data", "n", "noise", "label_noise", "imbalance", "seed", "base", "space"),
    *("k", "sigma", "temperature", "knn", "click"),
)


@dataclass(frozen=True)
class Playground(Scene):
    """What the page shows. With a lesson, its setting takes the place of the defaults, also in the address."""

    lesson: str = setting(NONE, one_of((NONE, *LESSONS)), "a guided lesson")
    k: int = setting(10, whole(1, K_MOST), "number of neighbours")
    sigma: float = setting(0.1, positive, "bandwidth, in units of the distance")
    temperature: float = setting(1.0, positive, "divides the base model's logits")
    knn: bool = setting(False, flag, "show soft kNN as a fourth panel")
    at: Place | None = setting(None, Place.parse, "place that is asked about, like 0.3_-0.2")
    click: str = setting("ask", one_of(tuple(CLICKS)), "what a click does")
    refit: bool = setting(False, flag, "train the base anew on the edited points")
    hide: str = setting(NONE, some_of((NONE, "all", *CONTROLS)), "controls not shown: names with commas, all, or none")

    @classmethod
    def of_lesson(cls, name: str) -> Playground:
        """Return the form as a lesson sets it; with "none" the defaults."""
        if name == NONE:
            return cls()
        return super().from_query({"lesson": name, **dict(parse_qsl(LESSONS[name].query))})[0]

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> tuple[Playground, list[str]]:
        """Return what query parameters ask for, on top of their lesson, and notes as `Form.from_query`."""
        asked, notes = super().from_query(query)
        usable = [name for name, text in query.items() if not super(Playground, cls).from_query({name: text})[1]]
        asked = replace(cls.of_lesson(asked.lesson), **{name: getattr(asked, name) for name in usable})
        if max(asked.edits.removed, default=0) >= asked.n:
            notes.append(f"edits={str(asked.edits)!r} remove a row that is not among the {asked.n}; they were left out")
            asked = replace(asked, edits=PlaneEdits())
        return asked, notes

    def origin(self) -> Playground:
        """Return what need not be told: what the lesson sets, but not its name."""
        return replace(self.of_lesson(self.lesson), lesson=NONE)

    @property
    def scene(self) -> Scene:
        """What shapes the base."""
        scene = Scene(**{f.name: getattr(self, f.name) for f in fields(Scene)})
        space = PLANE if self.base == LINEAR else self.space  # there is nothing hidden in a linear one
        return replace(scene, space=space, edits=self.edits if self.refit else PlaneEdits())

    @property
    def seen(self) -> Playground:
        """The form without what changes no surface and no accuracy."""
        return replace(self, lesson=NONE, knn=False, at=None, click="ask", hide=NONE)

    def hides(self, control: str) -> bool:
        """Tell whether a control is not to be shown."""
        return not {"all", control}.isdisjoint(self.hide.split(","))

    def clicked(self, where: Place) -> Playground:
        """Return the form after a click, which does what `click` says.

        Raises
        ------
        InvalidParameterError
            If there are too many edits.
        """
        if self.click == "ask":
            return replace(self, at=where)
        if self.click == "remove":
            kept = Points.of(self.sample()[0], self.edits)
            nearest = int(((kept.X - [where.x, where.y]) ** 2).sum(axis=1).argmin())
            return replace(self, edits=self.edits.remove(kept.names[nearest]))
        return replace(self, edits=self.edits.add(where, int(self.click[-1])))


@cache
def _threads() -> ThreadpoolController:
    """Return what limits the threads of linear algebra; looking for the libraries takes longer than a fit."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def fit_base(scene: Scene, progress: Progress = silent) -> Base:
    """Draw the points and fit the base model of a scene; `progress` is told how a network of the project trains."""
    from sklearn.exceptions import ConvergenceWarning

    train, test = scene.sample()
    points = Points.of(train, scene.edits)
    if len(np.unique(points.y)) < 2:
        raise InvalidParameterError(
            f"all {len(points.y)} training points are of class {points.y[0]}: a base model needs both; add one of the "
            "other class, or let the base stay as it was trained"
        )
    estimator = estimator_of(scene.base, scene.seed, progress)
    # Two coordinates make small steps, for which a second thread costs more than it saves.
    with warnings.catch_warnings(), nullcontext() if scene.base.startswith(PICTURE) else _threads().limit(limits=1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early on purpose
        estimator.fit(points.X, points.y)
    return Base(scene, estimator, train, test)


@dataclass(frozen=True, eq=False)
class Remembered:
    """Points in memory with what is needed to ask them.

    Attributes
    ----------
    points : Points
    memory : Memory
    embeddings : ndarray, shape (N, D)
        Where distances are taken.
    """

    points: Points
    memory: Memory
    embeddings: FloatArray

    @classmethod
    def of(cls, edits: PlaneEdits, base: Base) -> Remembered:
        """Return what the edits leave of the points that a base was trained on, and what they add to them."""
        points = Points.of(base.train, edits)
        return cls(points, Memory(base.logits(points.X), points.y), base.embed(points.X))

    def params(self, form: Playground) -> Params:
        """Return the setting as used: k is at most N."""
        return Params(min(form.k, len(self.points.y)), form.sigma, form.temperature)

    def nearest(self, embeddings: FloatArray, k: int) -> Neighbors:
        """Return the `k` nearest of each place, exactly, (M, D) -> (M, K)."""
        if self.embeddings.shape[1] == 2:  # where a tree is many times as fast
            from scipy.spatial import cKDTree

            distances, ids = cKDTree(self.embeddings).query(embeddings, range(1, k + 1), workers=n_workers())
            return Neighbors(distances, ids)
        from resmem_core.memory.indexes.exact import ExactIndex

        center = self.embeddings.mean(axis=0)  # as ResMemClassifier: float32 keeps the digits that differ
        return ExactIndex.build(self.embeddings - center).search(embeddings - center, k)


@dataclass(frozen=True, eq=False)
class View:
    """What is seen at one setting.

    Attributes
    ----------
    fitted : Base
    remembered : Remembered
    params : Params
        As used.
    test : Evaluation
    train : GroupResult
        Base and ResMem on the points in memory, by their labels in memory.
    rare : GroupResult or None
        On the rare group of the test points, where there is one.
    """

    fitted: Base
    remembered: Remembered
    params: Params
    test: Evaluation
    train: GroupResult
    rare: GroupResult | None

    @property
    def points(self) -> Points:
        """In memory."""
        return self.remembered.points

    @property
    def axis(self) -> FloatArray:
        """Coordinates of the surfaces, the same along both axes, (S,)."""
        return self.fitted.axis

    @cached_property
    def residual(self) -> FloatArray:
        """Label less the base's probability of class 1, of the points in memory, (N,)."""
        memory = self.remembered.memory
        return residuals(memory.table, memory.labels, self.params.temperature)[:, 1]

    @cached_property
    def base(self) -> FloatArray:
        """The base's probability of class 1, (S, S); rows go with y."""
        return self._surface(probabilities(self.fitted.surface, self.params.temperature)[:, 1])

    @cached_property
    def memory(self) -> FloatArray:
        """What memory adds to it, (S, S)."""
        return self._weighed(self.residual)

    @property
    def resmem(self) -> FloatArray:
        """The sum of the two, (S, S)."""
        return self.base + self.memory

    @cached_property
    def knn(self) -> FloatArray:
        """The share of class 1 in the vote of soft kNN, (S, S)."""
        return self._weighed(self.points.y.astype(np.float64))

    @cached_property
    def _near(self) -> Neighbors:
        return self.remembered.nearest(self.fitted.embedded_surface, self.params.k)

    def _weighed(self, values: FloatArray) -> FloatArray:
        weights = neighbor_weights(self._near.distances.astype(np.float64), self.params.sigma)
        return self._surface(weighted_rows(values[:, None], self._near.indices, weights)[:, 0])

    def _surface(self, values: FloatArray) -> FloatArray:
        return values.reshape(len(self.axis), len(self.axis))


def view(form: Playground, base: Base) -> View:
    """Return what a form shows, given its base model; memory is searched anew, exactly."""
    remembered = Remembered.of(form.edits, base)
    memory, params = remembered.memory, remembered.params(form)
    test = Queries(base.test_logits, base.test.y, remembered.nearest(base.embed(base.test.X), params.k))
    on_test = evaluate(memory, test, params, CLASS_NAMES)
    itself = Queries(memory.table, memory.labels, remembered.nearest(remembered.embeddings, params.k))
    on_train = [of.predictions == memory.labels for of in judge(memory, itself, params)]
    of_test, far = (on_test.right("base"), on_test.right("resmem")), base.test.rare
    return View(
        fitted=base,
        remembered=remembered,
        params=params,
        test=on_test,
        train=GroupResult.of("training points", *on_train),
        rare=GroupResult.of("rare group", *of_test, rows=far) if far.any() else None,
    )


def votes(form: Playground, base: Base, where: Place) -> Explanation:
    """Return who votes at a place and how; `ids` are rows of the view's points, class 1 is the second column."""
    remembered = Remembered.of(form.edits, base)
    params, at = remembered.params(form), np.array([[where.x, where.y]])
    asked = Queries(base.logits(at), np.zeros(1, np.int64), remembered.nearest(base.embed(at), params.k))
    return explain(remembered.memory, asked, 0, params)


def code(form: Playground) -> str:
    """Return a few lines that give the test accuracies of a form by the public interface and scikit-learn."""
    estimator, hidden = repr(estimator_of(form.base, form.seed)), form.scene.space == HIDDEN
    home = {LINEAR: "sklearn.linear_model", NETWORK: "sklearn.neural_network"}.get(form.base)
    ours = {"HiddenLayer": hidden, "PictureClassifier": home is None, "ResMemClassifier": True, "plane_sample": True}
    shape = f'"{form.data}", {form.n}, noise={form.noise}, label_noise={form.label_noise}, imbalance={form.imbalance}'
    numbers = f"n_neighbors={form.k}, sigma={form.sigma}, temperature={form.temperature}"
    frozen = form.edits.steps and not form.refit
    removed = [row for row in form.edits.removed if row < form.n]
    added = [(at.x, at.y) for at, _ in form.edits.added.values()]
    labels = [label for _, label in form.edits.added.values()]
    lines = (
        (removed or added, "import numpy as np"),
        (frozen, "from sklearn.frozen import FrozenEstimator"),
        (home, f"from {home} import {estimator.partition('(')[0]}"),
        (True, f"\nfrom resmem_core import {', '.join(name for name, wanted in ours.items() if wanted)}\n"),
        (True, f"train, test = plane_sample({shape}, seed={form.seed})"),
        (True, "X, y = train.X, train.y"),
        (True, f"base = {estimator}"),
        (frozen, "base = FrozenEstimator(base.fit(X, y))  # stays as trained"),
        (removed, f"X, y = np.delete(X, {removed}, axis=0), np.delete(y, {removed})"),
        (added, f"X, y = np.vstack([X, {added}]), np.append(y, {labels})"),
        (True, f"model = ResMemClassifier(base, {numbers}{', embed=HiddenLayer(base)' * hidden}).fit(X, y)"),
        (True, "print(model.base_estimator_.score(test.X, test.y), model.score(test.X, test.y))"),
    )
    return "\n".join(line for wanted, line in lines if wanted).lstrip() + "\n"
