"""What `arrays:` reads, drawn at random."""

import numpy as np


def arrays_of(name, n, seed, d=4, c=3):
    """Return the arrays of one part by name."""
    rng = np.random.default_rng(seed)
    return {
        f"{name}_embeddings": rng.normal(size=(n, d)).astype(np.float32),
        f"{name}_logits": rng.normal(size=(n, c)).astype(np.float32),
        f"{name}_labels": rng.permutation(np.arange(n) % c),
    }
