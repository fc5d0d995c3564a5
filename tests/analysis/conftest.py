"""Experiments on a few points of overlapping classes."""

import numpy as np
import pytest

from resmem_core.experiment.config import ExperimentConfig


@pytest.fixture(scope="module")
def classes_in_a_file(tmp_path_factory):
    """Return what writes parts of these sizes, `apart` in units of their spread, and the setting that reads them."""

    def written(n_classes, dimension, apart, **sizes):
        rng, arrays = np.random.default_rng(1), {}
        for part, n in sizes.items():
            labels = rng.integers(0, n_classes, n)
            arrays[f"{part}_embeddings"] = apart * np.eye(n_classes, dimension)[labels] + rng.normal(
                size=(n, dimension)
            )
            arrays[f"{part}_logits"] = np.eye(n_classes)[labels] + rng.normal(size=(n, n_classes))
            arrays[f"{part}_labels"] = labels
        path = tmp_path_factory.mktemp("arrays") / "small.npz"
        np.savez(path, **arrays)
        return ExperimentConfig(f"arrays:{path}")

    return written
