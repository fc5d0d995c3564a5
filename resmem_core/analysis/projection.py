"""Embeddings in two dimensions, to be looked at: PCA at once, t-SNE where one can wait.

Shapes: N points of a part, D dimensions.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.store import save_array
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.data.base import PARTS
from resmem_core.data.types import CLASSES, Dataset
from resmem_core.memory.indexes.exact import ExactIndex

if TYPE_CHECKING:
    from pandas import DataFrame

    from resmem_core.experiment.on_examples import OnExamples

METHODS = {"pca": "PCA", "tsne": "t-SNE"}
COLORINGS = {"class": "Class", "outcome": "Outcome", "residual": "Residual size"}  # what points are coloured by
VALUE_COLORINGS = {"value": "true value", "error": "error of base", "saved": "error that memory takes away"}
MAX_POINTS = 100_000  # that t-SNE places; of more, it places a sample
DIMENSIONS = 50  # that t-SNE looks at; PCA reduces more to as many
PERPLEXITY = 30.0
FEWEST = 10  # points, below which t-SNE says nothing
EXAGGERATED, PLAIN = 250, 500  # iterations
REPORT_EVERY = 10  # iterations

Parts = Mapping[str, FloatArray]


@dataclass(frozen=True, eq=False)
class Projection:
    """Where the points of an experiment lie on a map.

    Attributes
    ----------
    method : str
        One of `METHODS`.
    points : mapping of str to ndarray of float32, shape (N, 2)
        By part: "train", "validation", "test". NaN for a point that a sample left out.
    facts : mapping
        Plain values: `n` (points in all) and `n_placed`, `seconds`; `explained` (share of the training points' variance
        along each axis) for PCA; `kl_divergence` (nats), `perplexity` and `seed` for t-SNE.
    """

    method: str
    points: Parts
    facts: Mapping[str, Any]

    @property
    def sampled(self) -> bool:
        """Whether a sample left points out."""
        return bool(self.facts["n_placed"] < self.facts["n"])

    def table(self, dataset: Dataset) -> DataFrame:
        """Return where what lies, ready for CSV and Parquet.

        Returns
        -------
        DataFrame with a row for every point placed
            `split`, `row` in it, `label` (a class by its name, or the value), `name`, and the coordinates `x` and `y`.
        """
        import pandas as pd

        frames = []
        for part, points in self.points.items():
            rows = np.flatnonzero(~np.isnan(points[:, 0]))
            examples = getattr(dataset, part)
            names = rows if examples.names is None else examples.names[rows]
            labels = examples.labels
            if dataset.task == CLASSES:
                labels = np.array(dataset.class_names, dtype=object)[labels]
            frames.append(
                pd.DataFrame(
                    {
                        "split": part,
                        "row": rows,
                        "label": labels[rows],
                        "name": names.astype(str).astype(object),
                        "x": points[rows, 0],
                        "y": points[rows, 1],
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)


def project(experiment: OnExamples, method: str, progress: Progress | None = None) -> Projection:
    """Return the map of an experiment, from the store or made now.

    It shows the embeddings as distances are measured, so it is the same for every k, sigma and temperature, every index
    and every edit of memory.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    progress : callable, optional
        Told of the search and of the iterations; may raise `Cancelled`.

    Raises
    ------
    NeedsPreparing
        If t-SNE has not been computed yet, and the experiment was prepared not to wait.
    InvalidParameterError
        If there is no such method, or there are too few points for it.
    """
    if method not in METHODS:
        raise InvalidParameterError(f"unknown method {method!r} of a map; choose one of: {', '.join(METHODS)}")

    def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
        parts = {part: experiment.embeddings(part) for part in PARTS}
        seed = experiment.config.seed
        made = pca(parts) if method == "pca" else tsne(parts, seed=seed, progress=progress)
        for part, points in made.points.items():
            save_array(directory, part, points)
        return made.facts

    key = {"method": method, "seed": experiment.config.seed if method == "tsne" else None}
    entry = experiment.keep(
        "projection", key, build, code=__name__, long=method != "pca", embeddings_only=True, progress=progress
    )
    return Projection(method, {part: entry.array(part) for part in PARTS}, entry.info)


def pca(parts: Parts) -> Projection:
    """Place every point along the two directions in which the training points vary most.

    Parameters
    ----------
    parts : mapping of str to ndarray, shape (N, D)
        With "train", from which alone the directions come.
    """
    began = time.monotonic()
    placed, explained = principal_components(parts, 2)
    n = sum(map(len, parts.values()))
    facts = {"n": n, "n_placed": n, "explained": explained, "seconds": round(time.monotonic() - began, 3)}
    return Projection("pca", placed, facts)


def principal_components(parts: Parts, n_components: int) -> tuple[dict[str, FloatArray], list[float]]:
    """Return the first principal components of the training points, of all points, (N, n_components) by part.

    Where the data have fewer directions, the others are 0. The sign is such that the largest loading of each
    direction is positive. Also returned: the share of the training points' variance along each, (n_components,).
    """
    from sklearn.decomposition import PCA

    mean = parts["train"].mean(axis=0, dtype=np.float64).astype(np.float32)
    train = parts["train"] - mean  # float32 keeps its precision where all points lie far from 0
    model = PCA(min(n_components, *train.shape), random_state=0)
    with np.errstate(invalid="ignore"):  # 0 / 0 where all training points are the same
        model.fit(train)
    missing = n_components - model.n_components_
    placed = {
        part: np.pad(model.transform(points - mean).astype(np.float32), [(0, 0), (0, missing)])
        for part, points in parts.items()
    }
    explained = np.nan_to_num(model.explained_variance_ratio_)
    return placed, [*map(float, explained), *[0.0] * missing]


def sample(sizes: Mapping[str, int], limit: int, seed: int) -> dict[str, IntArray]:
    """Choose which rows of each part are shown where not all can be, ascending.

    Parts other than "train" keep up to a quarter of the `limit` each, training points get the places left over; within
    a part all rows are equally likely.
    """
    rng = np.random.default_rng(seed)
    if sum(sizes.values()) <= limit:
        return {part: np.arange(size) for part, size in sizes.items()}
    places = {part: min(size, limit // 4) for part, size in sizes.items() if part != "train"}
    places["train"] = min(sizes.get("train", 0), limit - sum(places.values()))
    return {part: np.sort(rng.choice(size, places[part], replace=False)) for part, size in sizes.items()}


def tsne(parts: Parts, *, seed: int = 0, progress: Progress = silent) -> Projection:
    """Place all points together so that near neighbours stay near (van der Maaten and Hinton, JMLR 2008).

    Neighbours are exact, the start is PCA, and the settings are those of openTSNE: equal seeds give equal maps. Of more
    points than `MAX_POINTS`, a `sample` is placed.

    Parameters
    ----------
    parts : mapping of str to ndarray, shape (N, D)
        With "train"; from more than `DIMENSIONS` dimensions, principal components are taken.
    seed : int
        Of the sample, and of the jitter that parts equal points at the start.
    progress : callable
        Told of the search and of the iterations; may raise `Cancelled`.

    Raises
    ------
    InvalidParameterError
        If there are fewer than `FEWEST` points.
    """
    from openTSNE import TSNE
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    began = time.monotonic()
    total = sum(map(len, parts.values()))
    if total < FEWEST:
        raise InvalidParameterError(f"t-SNE of {total} points says nothing; give {FEWEST} at least, or choose pca")
    rows = sample({part: len(points) for part, points in parts.items()}, MAX_POINTS, seed)
    components, _ = principal_components(parts, max(2, min(DIMENSIONS, parts["train"].shape[1])))
    wide = parts["train"].shape[1] > DIMENSIONS
    points = np.concatenate([(components if wide else parts)[part][chosen] for part, chosen in rows.items()])
    n = len(points)

    perplexity = min(PERPLEXITY, (n - 1) / 3)
    near = ExactIndex(points).search(points, int(3 * perplexity), exclude=np.arange(n), progress=progress)
    progress(Step("Weighing neighbours", 0, 0))
    affinities = PerplexityBasedNN(
        knn_index=PrecomputedNeighbors(near.indices, near.distances.astype(np.float64)),
        perplexity=perplexity,
        n_jobs=2,
        random_state=seed,
    )
    done = 0

    def report(iteration: int, divergence: float, places: FloatArray) -> None:
        nonlocal done
        done += REPORT_EVERY
        progress(Step("Placing points by t-SNE", done, EXAGGERATED + PLAIN, f"KL divergence {divergence:.2f}"))

    start = np.concatenate([components[part][chosen, :2] for part, chosen in rows.items()]).astype(np.float64)
    start *= 1e-4 / (start[:, 0].std() or 1.0)
    start += np.random.default_rng(seed).normal(0, 1e-6, start.shape)
    model = TSNE(
        early_exaggeration_iter=EXAGGERATED,
        n_iter=PLAIN,
        n_jobs=2,
        random_state=seed,
        callbacks=report,
        callbacks_every_iters=REPORT_EVERY,
    )
    places = model.fit(affinities=affinities, initialization=start)

    placed, first = {}, 0
    for part, chosen in rows.items():
        placed[part] = np.full((len(parts[part]), 2), np.nan, np.float32)
        placed[part][chosen] = places[first : first + len(chosen)]
        first += len(chosen)
    facts = {
        "n": total,
        "n_placed": n,
        "kl_divergence": float(places.kl_divergence),
        "perplexity": perplexity,
        "seed": seed,
        "seconds": round(time.monotonic() - began, 3),
    }
    return Projection("tsne", placed, facts)
