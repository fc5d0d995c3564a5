"""ResMem in the plane: what base, memory and their sum say of every place, and what each edit of memory changes.

Shapes: N points in memory, M test points, S x S places of the surface, two classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.forms import Form, between, flag, one_of, positive, setting, whole
from resmem_core.common.progress import Progress, silent
from resmem_core.common.threads import n_workers
from resmem_core.common.types import FloatArray
from resmem_core.evaluation.evaluate import Evaluation, evaluate
from resmem_core.evaluation.metrics import GroupResult
from resmem_core.memory.explain import Explanation, explain
from resmem_core.memory.residuals import neighbor_weights, residuals, resmem_scores, weighted_rows
from resmem_core.memory.types import Memory, Neighbors, Params, Queries
from resmem_core.teaching.lessons import LESSONS
from resmem_core.teaching.plane import DATA, MOST, Place
from resmem_core.teaching.plane_base import HIDDEN, LINEAR, NETWORK, PICTURE, PLANE, Base, Points, Scene, estimator_of
from resmem_core.teaching.plane_edits import NONE, PlaneEdits
from resmem_core.teaching.raster import memory_field

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
    *("k", "sigma", "temperature", "click"),
)


def picture_backbones() -> list[str]:
    """Return the names of the project's own backbones that can be had here and now, as `base` names them."""
    from resmem_core.data.base import IMAGE
    from resmem_core.models import BACKBONES

    return [f"{PICTURE}{item.name}" for item in BACKBONES if item.kind == IMAGE and not item.frozen]


def base_name(text: str) -> str:
    """Read the name of a base model."""
    if text in (LINEAR, NETWORK):  # without a look at the others
        return text
    return one_of((LINEAR, NETWORK, *picture_backbones()))(text)


def place(text: str) -> str:
    """Read a place, or "none"."""
    return NONE if text == NONE else str(Place.parse(text))


def edits(text: str) -> str:
    """Read the edits of memory."""
    return str(PlaneEdits.parse(text))


def hidden_controls(text: str) -> str:
    """Read which controls are hidden: "none", "all", or names with commas between them."""
    if text in (NONE, "all"):
        return text
    names = text.split(",")
    if not set(names) <= set(CONTROLS):
        raise InvalidParameterError(
            f"{text!r} must be {NONE}, all, or one or more, with commas, of: {', '.join(CONTROLS)}"
        )
    return ",".join(name for name in CONTROLS if name in names)


@dataclass(frozen=True)
class Playground(Form):
    """What the page shows. With a lesson, its setting takes the place of the defaults, also in the address."""

    lesson: str = setting(NONE, one_of((NONE, *LESSONS)), "a guided lesson")
    data: str = setting("moons", one_of(tuple(DATA)), "shape of the two classes")
    n: int = setting(400, whole(50, MOST), "number of training points")
    noise: float = setting(0.15, between(0, 0.5), "standard deviation of the points around their shape")
    label_noise: float = setting(0.0, between(0, 0.5), "share of the training labels that are flipped")
    imbalance: float = setting(1.0, between(1, 20), "training points of class 0 for one of class 1")
    seed: int = setting(0, whole(0, 2**31 - 1), "seed of the points and of the base's training")
    base: str = setting(LINEAR, base_name, "base model")
    space: str = setting(PLANE, one_of((PLANE, HIDDEN)), "where distances are taken: plane, or the hidden layer")
    k: int = setting(10, whole(1, K_MOST), "number of neighbours")
    sigma: float = setting(0.1, positive, "bandwidth, in units of the distance")
    temperature: float = setting(1.0, positive, "divides the base model's logits")
    at: str = setting(NONE, place, "place that is asked about, like 0.3_-0.2")
    click: str = setting("ask", one_of(tuple(CLICKS)), "what a click does")
    edits: str = setting(NONE, edits, "points added and removed by hand")
    refit: bool = setting(False, flag, "train the base anew on the edited points")
    hide: str = setting(NONE, hidden_controls, "controls that are not shown: names with commas, all, or none")

    @classmethod
    def of_lesson(cls, name: str) -> Playground:
        """Return the form as a lesson sets it; with "none" the defaults."""
        if name == NONE:
            return cls()
        return super().from_query({"lesson": name, **LESSONS[name].setting})[0]

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> tuple[Playground, list[str]]:
        """Return what query parameters ask for, on top of their lesson, and notes as `Form.from_query`."""
        asked, notes = super().from_query(query)
        usable = [name for name, text in query.items() if not super(Playground, cls).from_query({name: text})[1]]
        asked = replace(cls.of_lesson(asked.lesson), **{name: getattr(asked, name) for name in usable})
        if asked.by_hand.removed and asked.by_hand.removed[-1] >= asked.n:
            notes.append(f"edits={asked.edits!r} remove a row that is not among the {asked.n}; they were left out")
            asked = replace(asked, edits=NONE)
        return asked, notes

    def origin(self) -> Playground:
        """Return what need not be told: what the lesson sets, but not its name."""
        return replace(self.of_lesson(self.lesson), lesson=NONE)

    @property
    def params(self) -> Params:
        """The three numbers."""
        return Params(self.k, self.sigma, self.temperature)

    @property
    def place(self) -> Place | None:
        """The place that is asked about."""
        return None if self.at == NONE else Place.parse(self.at)

    @property
    def by_hand(self) -> PlaneEdits:
        """The edits of memory."""
        return PlaneEdits.parse(self.edits)

    @property
    def scene(self) -> Scene:
        """What shapes the base."""
        return Scene(
            *(self.data, self.n, self.noise, self.label_noise, self.imbalance, self.seed, self.base),
            PLANE if self.base == LINEAR else self.space,
            self.edits if self.refit else NONE,
        )

    @property
    def seen(self) -> Playground:
        """The form without what changes no surface and no accuracy."""
        return replace(self, lesson=NONE, at=NONE, click="ask", hide=NONE)

    def hides(self, control: str) -> bool:
        """Tell whether a control is not to be shown."""
        return self.hide == "all" or control in self.hide.split(",")

    def clicked(self, where: Place) -> Playground:
        """Return the form after a click, which does what `click` says.

        Raises
        ------
        InvalidParameterError
            If there are too many edits.
        """
        if self.click == "ask":
            return replace(self, at=str(where))
        if self.click == "remove":
            kept = Points.of(self.scene.sample()[0], self.by_hand)
            nearest = int(((kept.X - [where.x, where.y]) ** 2).sum(axis=1).argmin())
            return replace(self, edits=str(self.by_hand.remove(kept.names[nearest])))
        return replace(self, edits=str(self.by_hand.add(where, int(self.click[-1]))))


@cache
def _threads() -> ThreadpoolController:
    """Return what limits the threads of linear algebra; looking for the libraries takes longer than a fit."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def fit_base(scene: Scene, progress: Progress = silent) -> Base:
    """Draw the points and fit the base model of a scene; `progress` is told how a network of the project trains."""
    from sklearn.exceptions import ConvergenceWarning

    train, test = scene.sample()
    points = Points.of(train, PlaneEdits.parse(scene.edits))
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
class View:
    """What is seen at one setting.

    Attributes
    ----------
    points : Points
        In memory.
    params : Params
        As used: k is at most N.
    axis : ndarray, shape (S,)
        Coordinates of the surfaces, the same along both axes.
    base, memory, resmem : ndarray, shape (S, S)
        Probability of class 1, what memory adds to it, and the sum; rows go with y.
    test : Evaluation
    train : GroupResult
        Base and ResMem on the points in memory, by their labels in memory.
    rare : GroupResult or None
        On the rare group of the test points, where there is one.
    residual : ndarray, shape (N,)
        Label less the base's probability of class 1, of the points in memory.
    """

    points: Points
    params: Params
    axis: FloatArray
    base: FloatArray
    memory: FloatArray
    resmem: FloatArray
    test: Evaluation
    train: GroupResult
    rare: GroupResult | None
    residual: FloatArray


@dataclass(frozen=True, eq=False)
class _Remembered:
    """Points in memory with what is needed to ask them."""

    points: Points
    memory: Memory
    embeddings: FloatArray
    params: Params

    @classmethod
    def of(cls, form: Playground, base: Base) -> _Remembered:
        points = Points.of(base.train, form.by_hand)
        k = min(form.k, len(points.y))
        memory = Memory(base.logits(points.X), points.y)
        return cls(points, memory, base.embed(points.X), replace(form.params, k=k))

    def nearest(self, embeddings: FloatArray) -> Neighbors:
        if self.embeddings.shape[1] == 2:  # where a tree is many times as fast
            from scipy.spatial import cKDTree

            k = self.params.k
            distances, ids = cKDTree(self.embeddings).query(embeddings, range(1, k + 1), workers=n_workers())
            return Neighbors(distances, ids)
        from resmem_core.memory.indexes.exact import ExactIndex

        center = self.embeddings.mean(axis=0)  # as ResMemClassifier: float32 keeps the digits that differ
        return ExactIndex.build(self.embeddings - center).search(embeddings - center, self.params.k)


def view(form: Playground, base: Base) -> View:
    """Return what a form shows, given its base model; memory is searched anew, exactly, at every place."""
    remembered = _Remembered.of(form, base)
    memory, params, side = remembered.memory, remembered.params, len(base.axis)
    residual = residuals(memory.table, memory.labels, params.temperature)
    if base.scene.space == PLANE:
        field = memory_field(remembered.points.X, residual[:, 1], base.axis, params.k, params.sigma)
    else:
        near = remembered.nearest(base.embedded_surface)
        weights = neighbor_weights(near.distances.astype(np.float64), params.sigma)
        field = weighted_rows(residual, near.indices, weights)[:, 1].reshape(side, side)
    probability = _probability(base.surface, params.temperature).reshape(side, side)

    test = Queries(base.test_logits, base.test.y, remembered.nearest(base.embed(base.test.X)))
    on_test = evaluate(memory, test, params, CLASS_NAMES)
    itself = remembered.nearest(remembered.embeddings)
    scores = resmem_scores(
        memory.table,
        memory.table,
        memory.labels,
        itself.distances,
        itself.indices,
        sigma=params.sigma,
        temperature=params.temperature,
    )
    right = [of.argmax(axis=1) == memory.labels for of in (memory.table, scores)]
    far = base.test.rare
    return View(
        points=remembered.points,
        params=params,
        axis=base.axis,
        base=probability,
        memory=field,
        resmem=probability + field,
        test=on_test,
        train=GroupResult.of("training points", *right),
        rare=GroupResult.of("rare group", *(on_test.right(m)[far] for m in ("base", "resmem"))) if far.any() else None,
        residual=residual[:, 1],
    )


def _probability(logits: FloatArray, temperature: float) -> FloatArray:
    """Return the probability of class 1, (M, 2) -> (M,)."""
    from scipy.special import expit

    with np.errstate(over="ignore"):
        p: FloatArray = expit((logits[:, 1] - logits[:, 0]) / temperature)
    return p


def votes(form: Playground, base: Base, where: Place) -> Explanation:
    """Return who votes at a place and how; `ids` are rows of the view's points, class 1 is the second column."""
    remembered = _Remembered.of(form, base)
    at = np.array([[where.x, where.y]])
    asked = Queries(base.logits(at), np.zeros(1, np.int64), remembered.nearest(base.embed(at)))
    return explain(remembered.memory, asked, 0, remembered.params)


def code(form: Playground) -> str:
    """Return a few lines that give the test accuracies of a form by the public interface and scikit-learn."""
    scene, by_hand = form.scene, form.by_hand
    estimator = repr(estimator_of(scene.base, scene.seed))
    home = {LINEAR: "sklearn.linear_model", NETWORK: "sklearn.neural_network"}.get(scene.base)
    ours = ["ResMemClassifier", "plane_sample"]
    if home is None:
        ours.append("PictureClassifier")
    if scene.space == HIDDEN:
        ours.append("HiddenLayer")
    lines = ["import numpy as np"] if by_hand.steps else []
    lines += [] if not by_hand.steps or form.refit else ["from sklearn.frozen import FrozenEstimator"]
    lines += [] if home is None else [f"from {home} import {estimator.partition('(')[0]}"]
    lines += [
        "",
        f"from resmem_core import {', '.join(sorted(ours))}",
        "",
        f'train, test = plane_sample("{scene.data}", {scene.n}, noise={scene.noise}, '
        f"label_noise={scene.label_noise}, imbalance={scene.imbalance}, seed={scene.seed})",
        "X, y = train.X, train.y",
        f"base = {estimator}",
    ]
    if by_hand.steps:
        if not form.refit:
            lines.append("base = FrozenEstimator(base.fit(X, y))  # stays as trained")
        removed = [row for row in by_hand.removed if row < scene.n]
        added = list(by_hand.added.values())
        if removed:
            lines.append(f"X, y = np.delete(X, {removed}, axis=0), np.delete(y, {removed})")
        if added:
            lines.append(
                f"X, y = np.vstack([X, {[(at.x, at.y) for at, _ in added]}]), np.append(y, {[c for _, c in added]})"
            )
    hidden = ["embed=HiddenLayer(base)"] if scene.space == HIDDEN else []
    options = [f"n_neighbors={form.k}", f"sigma={form.sigma}", f"temperature={form.temperature}", *hidden]
    lines += [
        f"model = ResMemClassifier(base, {', '.join(options)}).fit(X, y)",
        "print(model.base_estimator_.score(test.X, test.y), model.score(test.X, test.y))",
    ]
    return "\n".join(lines).lstrip() + "\n"
