"""Small files of the usual kinds that can be uploaded, to look at and to fill in."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pandas as pd

EXAMPLES = (".npz", ".csv", ".parquet")  # kinds
CLASSES = ("bird", "cat", "dog")
ROWS = {"train": 60, "validation": 15, "test": 15}
D = 4


def example_file(kind: str) -> bytes:
    """Return the content of a file with 90 examples of 3 classes: embeddings, logits of a weak model, and labels.

    Parameters
    ----------
    kind : str
        One of `EXAMPLES`.
    """
    if kind == ".npz":
        arrays: dict[str, np.ndarray] = {"class_names": np.array(CLASSES)}
        for part in ROWS:
            embeddings, logits, labels = _examples(part)
            arrays |= {f"{part}_embeddings": embeddings, f"{part}_logits": logits, f"{part}_labels": labels}
        buffer = BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]  # none of them is called allow_pickle
        return buffer.getvalue()
    table = _table(lists=kind == ".parquet")
    return table.to_parquet(index=False) if kind == ".parquet" else table.to_csv(index=False).encode()


def _examples(part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return embeddings (N, D), logits (N, C) and labels (N,) of one part."""
    rng = np.random.default_rng([*map(ord, part)])
    labels = rng.permutation(np.arange(ROWS[part]) % len(CLASSES))
    embeddings = rng.normal(0, 0.6, (len(labels), D)) + np.eye(len(CLASSES), D)[labels]
    logits = embeddings[:, : len(CLASSES)] + rng.normal(0, 0.5, (len(labels), len(CLASSES)))
    return embeddings.astype(np.float32).round(4), logits.astype(np.float32).round(4), labels


def _table(*, lists: bool) -> pd.DataFrame:
    frames = []
    for part in ROWS:
        embeddings, logits, labels = _examples(part)
        names = [f"{part}-{row}.jpg" for row in range(len(labels))]
        frame = pd.DataFrame({"name": names, "split": part, "label": [CLASSES[label] for label in labels]})
        if lists:
            frame = frame.assign(embedding=list(embeddings), logits=list(logits))
        else:
            frame[[f"embedding_{number}" for number in range(D)]] = embeddings
            frame[[f"logit_{name}" for name in CLASSES]] = logits
        frames.append(frame)
    return pd.concat(frames)
