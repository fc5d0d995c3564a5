"""Labelled texts as numbers, by what their training part alone says: words counted, and what goes with what.

Shapes: N texts, D numbers of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from resmem_core.common.errors import DatasetError
from resmem_core.common.types import FloatArray

DIMENSIONS = 256  # at most: of train's rows and words there may be fewer
WORDS = 50_000  # the most frequent ones of train, and pairs of them


def encoded_texts(parts: Mapping[str, Any], seed: int) -> dict[str, FloatArray]:
    """Return the texts of each part, (N,), as numbers, (N, D) of float32, encoded by what "train" says.

    Words and pairs of them are weighted by how often they stand in a text and how rarely in others (TF-IDF); of that
    the leading singular directions are kept (latent semantic analysis). A text none of whose words train has is 0.

    Raises
    ------
    DatasetError
        If train has no words.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), max_features=WORDS, dtype=np.float32)
    try:
        counted = words.fit_transform(parts["train"])
    except ValueError as error:
        raise DatasetError(
            "the texts of train have no words of two letters or more; give texts whose words are set apart"
        ) from error
    directions = TruncatedSVD(min(DIMENSIONS, *counted.shape), random_state=seed)
    made = {"train": directions.fit_transform(counted)}
    made |= {part: directions.transform(words.transform(texts)) for part, texts in parts.items() if part != "train"}
    return {part: np.asarray(made[part], np.float32) for part in parts}
