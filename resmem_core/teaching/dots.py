"""The project's own networks, which look at pictures, as classifiers of points in the plane."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from resmem_core.common.progress import Progress, silent
from resmem_core.common.threads import one_thread
from resmem_core.common.types import FloatArray
from resmem_core.data.base import IMAGE
from resmem_core.memory.indexes import normalized
from resmem_core.memory.residuals import probabilities
from resmem_core.models import network_of
from resmem_core.models.embedding import embed, features
from resmem_core.models.example_batches import ExampleBatches
from resmem_core.models.training import new_network, train
from resmem_core.teaching.plane import EXTENT

SIDE = 16  # pixels
SPREAD = 1.5  # pixels, standard deviation of the dot
CPU = torch.device("cpu")  # so small a network is not worth a way to anything else


def dot_pictures(X: FloatArray) -> NDArray[np.uint8]:
    """Return a grey picture of each place with a soft dot there, (M, 2) -> (M, 1, 16, 16)."""
    pixels = np.arange(SIDE)
    center = (np.asarray(X) + EXTENT) / (2 * EXTENT) * (SIDE - 1)  # (M, 2)
    across, down = (np.exp(-0.5 * ((pixels - center[:, i, None]) / SPREAD) ** 2) for i in (0, 1))
    return np.rint(255 * down[:, None, :, None] * across[:, None, None, :]).astype(np.uint8)


class PictureClassifier(ClassifierMixin, BaseEstimator):
    """A network of the project that sees a point of the plane as a small picture with a dot.

    Parameters
    ----------
    backbone : str
        Name of a registered backbone; trained by its own recipe.
    seed : int
        Of initial weights and batches.
    progress : callable
        Told how training goes.

    Attributes
    ----------
    classes_ : ndarray, shape (C,)
        Labels.
    network_ : Network
        The trained network.
    losses_ : tuple of float
        Mean training loss of each epoch, in nats.
    """

    def __init__(self, backbone: str = "small-cnn", seed: int = 0, progress: Progress = silent) -> None:
        self.backbone = backbone
        self.seed = seed
        self.progress = progress

    def fit(self, X: Any, y: Any) -> Self:
        """Train on places and labels, (N, 2), (N,).

        Raises
        ------
        InvalidParameterError
            If there is no such backbone.
        """
        backbone, argument = network_of(self.backbone, IMAGE)
        self.classes_, labels = np.unique(y, return_inverse=True)
        self.network_ = new_network(backbone, (1, SIDE, SIDE), len(self.classes_), self.seed, argument)
        recipe = backbone.recipe(len(labels))
        assert recipe is not None  # every backbone of images has a head to be trained
        data = ExampleBatches.of(dot_pictures(X), labels)
        with one_thread(True):  # small pictures make small steps
            history = train(self.network_, data, recipe, seed=self.seed, device=CPU, progress=self.progress)
        self.losses_ = history.losses
        return self

    def predict_proba(self, X: Any) -> FloatArray:
        """Return probabilities, (M, 2) -> (M, C)."""
        return probabilities(embed(self.network_, dot_pictures(X), device=CPU).table.astype(np.float64))

    def predict(self, X: Any) -> np.ndarray:
        """Return the likeliest class, (M, 2) -> (M,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def embed(self, X: Any) -> FloatArray:
        """Return the network's embeddings, scaled as the backbone says, (M, 2) -> (M, D)."""
        z = features(self.network_, dot_pictures(X), device=CPU)
        return normalized(z) if network_of(self.backbone, IMAGE)[0].normalize else z
