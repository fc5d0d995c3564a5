"""What arrays and columns may be called: one table for every loader."""

from __future__ import annotations

import re
from collections.abc import Sequence

from resmem_core.common.names import clean_name

KEYS = {  # what each is called here, and by others; the first that there is counts
    "embeddings": ("embedding", "embeddings", "vector", "vectors"),
    "logits": ("logits", "logit"),
    "predictions": ("prediction", "predictions", "predicted", "y_pred"),
    "labels": ("label", "labels", "target", "targets", "class", "y"),
    "images": ("images", "image"),
    "names": ("name", "names"),
    "groups": ("group", "groups"),
    "split": ("split",),
    "class_names": ("class_names", "classes", "label_names", "target_names"),
}
_KEY_OF = {name: key for key, names in KEYS.items() for name in names}
_VECTORS = re.compile(".*(embeddings?|vectors?|logits?)")
_PROBABILITIES = re.compile("(.*_)?(prob(a|s|ability|abilities)?|softmax)(_.*)?")


def key_called(name: str) -> str | None:
    """Return what a person calls so ("Target"), as this package calls it ("labels"), or None."""
    return _KEY_OF.get(clean_name(name).casefold())


def called(names: Sequence[str], key: str) -> list[str]:
    """Return those names that mean `key`, the most usual first."""
    found = [name for name in names if key_called(name) == key]
    return sorted(found, key=lambda name: KEYS[key].index(clean_name(name).casefold()))


def like_vectors(name: str) -> bool:
    """Return whether something of this name looks like embeddings or logits ("text_embedding")."""
    return _VECTORS.fullmatch(name.casefold()) is not None


def like_probabilities(name: str) -> bool:
    """Return whether something of this name looks like probabilities ("prob_cat", "train_probs")."""
    return _PROBABILITIES.fullmatch(name.casefold()) is not None
