"""Folders that are nobody's, and a small experiment that needs no training."""

import os
from pathlib import Path
from types import SimpleNamespace

# Before anything loads them: several workers with several threads each get in each other's way.
if "PYTEST_XDIST_WORKER" in os.environ:
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"

import hypothesis
import numpy as np
import pytest

from resmem_core.types import Memory, Neighbors, Queries

REAL_DATA = Path(os.environ.get("RESMEM_DATA", ""))  # read before a fixture hides it

hypothesis.settings.register_profile("suite", deadline=None)  # no test is about time
hypothesis.settings.load_profile("suite")


def _point_at(patch, folder):
    for name in ("RESMEM_CACHE", "RESMEM_DATA"):
        patch.setenv(name, str(folder / name.lower()))


@pytest.fixture(autouse=True, scope="session")
def _no_real_folders(tmp_path_factory):
    """Keep fixtures of a wide scope, too, out of this machine's own cache and data."""
    with pytest.MonkeyPatch.context() as patch:
        _point_at(patch, tmp_path_factory.mktemp("session"))
        yield


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        _point_at(patch, tmp_path_factory.mktemp("own"))
        yield


@pytest.fixture(scope="session")
def cifar_archive():
    """Return the file of CIFAR-10's images as JPEGs, `train/CLASS/0000.jpg` and so on."""
    archive = REAL_DATA / "cifar10-jpeg.tar.xz"
    if not archive.is_file():
        pytest.skip("NO REAL IMAGES: set RESMEM_DATA to a folder with cifar10-jpeg.tar.xz to run this")
    return archive


@pytest.fixture(scope="session")
def experiment_arrays():
    """Return `memory`, `validation`, `test`: five classes of four clusters each, and a weak base model.

    Each query has its 40 nearest of 300 memory points.
    """
    from sklearn.neighbors import NearestNeighbors

    rng = np.random.default_rng(0)
    centers, weak = 3 * rng.normal(size=(20, 6)), rng.normal(size=(6, 5)) / 3

    def part(n):
        cluster = rng.integers(0, 20, n)
        points = (centers[cluster] + rng.normal(size=(n, 6))).astype(np.float32)
        labels = cluster % 5
        logits = points @ weak + 0.5 * np.eye(5)[labels] + 0.5 * rng.normal(size=(n, 5))
        return points, labels, logits.astype(np.float32)

    points, labels, logits = part(300)
    search = NearestNeighbors(n_neighbors=40).fit(points)

    def queries(n):
        points, labels, logits = part(n)
        distances, indices = search.kneighbors(points)
        return Queries(logits, labels, Neighbors(distances.astype(np.float32), indices))

    return SimpleNamespace(memory=Memory(logits, labels), validation=queries(150), test=queries(200))
