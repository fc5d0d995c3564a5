"""The playground's scene: points in the plane, edited by hand, and a base model that is fitted to them.

Shapes: N points in memory, M test points, S x S places of the surface, two classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from resmem_core.common.forms import Form, between, one_of, setting, whole
from resmem_core.common.logits import logarithms
from resmem_core.common.progress import Progress, silent
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.teaching.plane import DATA, EXTENT, MOST, PlaneSample, plane_sample
from resmem_core.teaching.plane_edits import PlaneEdits

LINEAR, NETWORK, PICTURE = "linear", "network", "picture-"
PLANE, HIDDEN = "plane", "hidden"
SIDE = 200  # places a side of the surface
COARSE = 60  # where a place costs more: seen by a network of pictures, or searched among hidden layers


def picture_backbones() -> list[str]:
    """Return the names of the project's own backbones that can be had here and now, as `base` names them."""
    from resmem_core.data.base import IMAGE
    from resmem_core.models import BACKBONES

    return [f"{PICTURE}{item.name}" for item in BACKBONES if IMAGE in item.kinds and not item.frozen]


def base_name(text: str) -> str:
    """Read the name of a base model."""
    if text in (LINEAR, NETWORK):  # without a look at the others
        return text
    return one_of((LINEAR, NETWORK, *picture_backbones()))(text)


@dataclass(frozen=True)
class Scene(Form):
    """What a base model is trained on, and how; with the same scene nothing is trained anew."""

    data: str = setting("moons", one_of(tuple(DATA)), "shape of the two classes")
    n: int = setting(400, whole(50, MOST), "number of training points")
    noise: float = setting(0.15, between(0, 0.5), "standard deviation of the points around their shape")
    label_noise: float = setting(0.0, between(0, 0.5), "share of the training labels that are flipped")
    imbalance: float = setting(1.0, between(1, 20), "training points of class 0 for one of class 1")
    seed: int = setting(0, whole(0, 2**31 - 1), "seed of the points and of the base's training")
    base: str = setting(LINEAR, base_name, "base model")
    space: str = setting(PLANE, one_of((PLANE, HIDDEN)), "where distances are taken: plane, or the hidden layer")
    edits: PlaneEdits = setting(PlaneEdits(), PlaneEdits.parse, "points added and removed by hand")

    def sample(self) -> tuple[PlaneSample, PlaneSample]:
        """Draw the training points, before edits, and the test points."""
        return plane_sample(
            self.data, self.n, noise=self.noise, label_noise=self.label_noise, imbalance=self.imbalance, seed=self.seed
        )


@dataclass(frozen=True, eq=False)
class Points:
    """Labelled points that are in memory or trained on.

    Attributes
    ----------
    X : ndarray, shape (N, 2)
    y : ndarray of int64, shape (N,)
    flipped, added : ndarray of bool, shape (N,)
        Whose label is wrong; which were added by hand.
    names : tuple of str, length N
        The step of `PlaneEdits` that removes each.
    """

    X: FloatArray
    y: IntArray
    flipped: np.ndarray
    added: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, train: PlaneSample, by_hand: PlaneEdits) -> Points:
        """Return what the edits leave of a sample, and what they add to it."""
        kept = np.setdiff1d(np.arange(len(train)), by_hand.removed)
        places = np.array([(at.x, at.y) for at, _ in by_hand.added.values()]).reshape(-1, 2)
        labels = np.array([label for _, label in by_hand.added.values()], dtype=np.int64)
        return cls(
            X=np.vstack([train.X[kept], places]),
            y=np.concatenate([train.y[kept], labels]),
            flipped=np.concatenate([(train.y != train.clean)[kept], np.zeros(len(labels), bool)]),
            added=np.arange(len(kept) + len(labels)) >= len(kept),
            names=(*(f"x{row}" for row in kept), *by_hand.added),
        )


def estimator_of(base: str, seed: int, progress: Progress = silent) -> Any:
    """Return a base model, not fitted, in scikit-learn's grammar."""
    if base == LINEAR:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression()
    if base == NETWORK:
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier((10,), activation="tanh", solver="lbfgs", alpha=0.01, max_iter=60, random_state=seed)
    from resmem_core.teaching.dots import PictureClassifier

    return PictureClassifier(base.removeprefix(PICTURE), seed=seed, progress=progress)


@dataclass(frozen=True, eq=False)
class Base:
    """A fitted base model, a classifier of scikit-learn's kind, and what it says of the surface and the test points."""

    scene: Scene
    estimator: Any
    train: PlaneSample
    test: PlaneSample

    @property
    def coarse(self) -> bool:
        """Whether the surface has fewer places than usual."""
        return self.scene.space != PLANE or self.scene.base.startswith(PICTURE)

    @property
    def axis(self) -> FloatArray:
        """Coordinates of the surface, the same along both axes, (S,)."""
        side = COARSE if self.coarse else SIDE
        return (np.arange(side) + 0.5) / side * 2 * EXTENT - EXTENT

    @cached_property
    def places(self) -> FloatArray:
        """The surface, (S * S, 2); rows go with y first."""
        return np.stack(np.meshgrid(self.axis, self.axis), axis=-1).reshape(-1, 2)

    @cached_property
    def surface(self) -> FloatArray:
        """Logits of the surface, (S * S, 2)."""
        return self.logits(self.places)

    @cached_property
    def test_logits(self) -> FloatArray:
        """Logits of the test points, (M, 2)."""
        return self.logits(self.test.X)

    def logits(self, X: FloatArray) -> FloatArray:
        """Return the logarithm of the probabilities, as `ResMemClassifier` takes it, (M, 2) -> (M, 2)."""
        return logarithms(self.estimator.predict_proba(X))

    def embed(self, X: FloatArray) -> FloatArray:
        """Return where distances are taken, (M, 2) -> (M, D)."""
        if self.scene.space == PLANE:
            return X
        from resmem_core.teaching.hidden import hidden_layer

        return hidden_layer(self.estimator, X)

    @cached_property
    def embedded_surface(self) -> FloatArray:
        """The surface where distances are taken, (S * S, D)."""
        return self.embed(self.places)
