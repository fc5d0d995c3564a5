"""A deployed module against the correction one would write around FAISS, in batches of 1, 32 and 1,024.

`pip install faiss-cpu` first: it is needed for nothing else. `python -m benchmarks.attach`
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn

from benchmarks.common import Row, arguments, make_points, report, side_by_side
from resmem_core.common.types import FloatArray
from resmem_core.evaluation.attach import attach

K, SIGMA = 20, 1.0
BATCHES = (1, 32, 1024)
REPEATS = {1: 30, 32: 10, 1024: 1}  # of each turn, as small batches are soon done
LIMIT = 1.3  # times FAISS's seconds, at most


class Plain:
    """FAISS's exact index, and residuals in NumPy."""

    def __init__(self, model: nn.Module, memory: FloatArray, labels: np.ndarray) -> None:
        import faiss

        faiss.omp_set_num_threads(torch.get_num_threads())
        self.model = model.eval()
        self.index = faiss.IndexFlatL2(memory.shape[1])
        self.index.add(memory)
        self.residuals = -self._probabilities(torch.from_numpy(memory))
        self.residuals[np.arange(len(labels)), labels] += 1

    def _probabilities(self, x: torch.Tensor) -> np.ndarray:
        return self.model(x).softmax(1).numpy()

    @torch.inference_mode()
    def predict(self, x: torch.Tensor) -> np.ndarray:
        """Return the class of each, (B, D) -> (B,)."""
        squares, ids = self.index.search(x.numpy(), K)
        distances = np.sqrt(np.maximum(squares, 0))
        weights = np.exp((distances[:, :1] - distances) / SIGMA)
        weights /= weights.sum(axis=1, keepdims=True)
        scores = self._probabilities(x) + np.einsum("bk,bkc->bc", weights, self.residuals[ids])
        return scores.argmax(axis=1)


def main() -> None:
    """Run the benchmark."""
    args = arguments(__doc__.splitlines()[0])
    points = make_points(large=args.large, seed=args.seed)
    n, dimension = points.memory.shape
    n_classes = points.memory_logits.shape[1]
    torch.manual_seed(args.seed)
    model = nn.Sequential(nn.Identity(), nn.Linear(dimension, n_classes))  # costs next to nothing
    with torch.no_grad():
        module = attach(model, "0", (points.memory, points.memory_labels), k=K, sigma=SIGMA)
        plain = Plain(model, points.memory, points.memory_labels)
    asked = torch.from_numpy(points.queries)

    def turn(predict: object, size: int) -> None:
        for i in range(REPEATS[size]):
            predict(asked[i * size : (i + 1) * size])  # type: ignore[operator]

    rows = []
    for size in BATCHES:
        own, other = (partial(turn, of, size) for of in (partial(module.predict, batch_size=size), plain.predict))
        ours, theirs, ratio = side_by_side(own, other, args.rounds)
        ours, theirs = ours / REPEATS[size], theirs / REPEATS[size]
        what = f"predict, {size:,} at a time, k = {K}"
        rows.append(Row(what, "FAISS + NumPy", ours, theirs, ratio, f">= {1 / LIMIT:.2f}", ratio >= 1 / LIMIT))
    some = asked[: max(BATCHES)]
    agrees = float((module.predict(some).numpy() == plain.predict(some)).mean())
    report("attach", args, rows, memory=f"{n:,} x {dimension}, {n_classes} classes", same_classes=agrees)


if __name__ == "__main__":
    main()
