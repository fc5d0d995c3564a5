"""A trained torch model and its memory as one module: what is deployed.

Shapes: N points in memory, of D dimensions; a batch of B, K neighbours of each, C classes, or 1 column of values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from resmem_core.common.errors import InvalidParameterError, StoreError, UnavailableError
from resmem_core.common.threads import one_thread
from resmem_core.common.types import check_k
from resmem_core.memory.residuals import neighbor_weights, probabilities, project_to_simplex
from resmem_core.memory.types import Params
from resmem_core.models.checkpoint import content_of, write_tensors
from resmem_core.models.module_outputs import Tap

FORMAT = 1  # of the file
BLOCK = 2**23  # closenesses held at a time
GROUP = 64  # memory points of which only the nearest is looked at first
SPARE = 8  # neighbours more than asked for, whose distances are computed exactly: rounding may have hidden a nearer one
SMALL = 2 * 10**8  # multiplications, below which a second thread does not pay on a machine that does other things, too
AT_ONCE = 256  # examples that `predict` gives the model at a time
CLASSES, VALUES = "classes", "values"


class ResMemModule(nn.Module):
    """A torch model with explicit memory; `attach` makes it, `load` opens it.

    The output is s(x) = p_T(x) + gamma sum_i w_i(x) r_i, or f(x) + gamma sum_i w_i(x) r_i of a regressor. No gradient
    goes through it. The memory is in buffers, so it goes where `.to(device)` says; its types stay what they are.

    Parameters
    ----------
    model : Module
        Held as it is, not copied, with a hook on the layer that embeds; always in evaluation mode.
    layer : str
        As for `embed_module`.
    params : Params
        The temperature is that of `residuals`, so it is fixed.
    memory : dict of Tensor
        The buffers below, other than `halves`.
    task : {"classes", "values"}
    logits : {"raw", "probabilities"}
        What the model returns, of classes.
    normalize : bool
        Whether embeddings are scaled to length 1.

    Attributes
    ----------
    points : Tensor of float32 or float16, shape (N, D)
        Embeddings of the training points less `center`, in an order that knows nothing of labels.
    center : Tensor of float32, shape (D,)
        Near their mean. It changes no distance, and float32 keeps the digits that differ.
    halves : Tensor of float32, shape (N,)
        |z|^2 / 2 of each point.
    rows : Tensor of int64, shape (N,)
        Which row of the training data each is.
    targets : Tensor, shape (N,)
        Their labels, int64, or values, float32.
    residuals : Tensor of float32, shape (N, C)
        e_{y_i} - p_T(x_i), or y_i - f(x_i).
    """

    points: Tensor
    center: Tensor
    halves: Tensor
    rows: Tensor
    targets: Tensor
    residuals: Tensor

    def __init__(
        self,
        model: nn.Module,
        layer: str,
        params: Params,
        memory: dict[str, Tensor],
        *,
        task: str = CLASSES,
        logits: str = "raw",
        normalize: bool = False,
    ) -> None:
        super().__init__()
        check_k(params.k, len(memory["points"]))
        self.model = model
        self.layer, self.params, self.task, self.logits, self.normalize = layer, params, task, logits, normalize
        self._tap = Tap(model, layer)
        for name in ("points", "center", "rows", "targets", "residuals"):
            self.register_buffer(name, memory[name])
        self.register_buffer("halves", self.points.float().square().sum(1) / 2)
        self.train(False)

    def extra_repr(self) -> str:
        """Return what `print` shows beside the model."""
        (n, d), c = self.points.shape, self.residuals.shape[1]
        return f"{self.params}, layer={self.layer!r}, memory of {n} x {d}, {self.task}: {c}"

    def train(self, mode: bool = True) -> ResMemModule:
        """Set the mode of the module alone; the model stays in evaluation mode."""
        super().train(mode)
        self.model.eval()
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> ResMemModule:
        """Move the memory, but keep its types: distances in half precision would be others."""
        before = dict(self._buffers)
        super()._apply(fn, recurse)
        for name, value in before.items():
            moved = self._buffers[name]
            if value is not None and moved is not None and moved.dtype != value.dtype:
                self._buffers[name] = value.to(moved.device)
        return self

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Return the scores, (B, ...) -> (B, C): rows sum to 1, but they are no probabilities; or values, (B, 1).

        Raises
        ------
        InvalidParameterError
            If the model gives anything else than it gave of the training data.
        """
        outputs, embeddings = self._run(x)
        distances, places = self._nearest(embeddings, self.params.k)
        weights = self.params.gamma * neighbor_weights(distances, self.params.sigma)
        return self._base(outputs) + embedding_bag(places, self.residuals, per_sample_weights=weights, mode="sum")

    def predict(self, x: Tensor | np.ndarray, *, batch_size: int | None = None) -> Tensor:
        """Return the class of the largest score, (B,) of int64, or of a regressor the values, (B, 1).

        Parameters
        ----------
        x : Tensor or ndarray, shape (B, ...)
            As the model takes it, on any device.
        batch_size : int, optional
            Examples that the model is given at a time, 256 unless given.
        """
        scores = self._in_batches(x, batch_size)
        return scores if self.task == VALUES else scores.argmax(1)

    def predict_proba(self, x: Tensor | np.ndarray, *, batch_size: int | None = None) -> Tensor:
        """Return the scores projected onto the probability simplex, (B, C); arguments as for `predict`.

        Raises
        ------
        InvalidParameterError
            If the model is a regressor.
        """
        if self.task == VALUES:
            raise InvalidParameterError("the model predicts values, which have no probabilities; use predict")
        return project_to_simplex(self._in_batches(x, batch_size))

    @torch.no_grad()
    def neighbors(self, x: Tensor, k: int | None = None) -> tuple[Tensor, Tensor]:
        """Return the `k` nearest training points, those that `forward` asks unless given.

        Returns
        -------
        distances : Tensor of float32, shape (B, k)
            Euclidean, ascending.
        rows : Tensor of int64, shape (B, k)
            Which rows of the training data they are.
        """
        k = self.params.k if k is None else check_k(k, len(self.points))
        distances, places = self._nearest(self._run(x)[1], k)
        return distances, self.rows[places]

    @torch.inference_mode()
    def _in_batches(self, x: Tensor | np.ndarray, batch_size: int | None) -> Tensor:
        x = torch.as_tensor(x)
        size = AT_ONCE if batch_size is None else check_k(batch_size, name="batch_size")
        batches = [self(batch.to(self.points.device)) for batch in x.split(size)]
        return batches[0] if len(batches) == 1 else torch.cat(batches)

    def _run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the model's outputs, (B, C), and embeddings as memory holds them, (B, D), both float32."""
        self._tap.listen()
        outputs = self.model(x)
        value, _ = self._tap.heard()
        c, d = self.residuals.shape[1], len(self.center)
        for what, found, width in (("the model's output", outputs, c), (f"layer {self.layer!r}", value, d)):
            if not isinstance(found, Tensor) or found.ndim < 2 or found[0].numel() != width:
                shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
                raise InvalidParameterError(
                    f"{what} must have {width} numbers of each example, as of the training data, but is {shape}"
                )
        z = value.to_dense().flatten(1)
        z = z if z.dtype == torch.float64 else z.float()
        if self.normalize:
            lengths = z.norm(dim=1, keepdim=True)
            z = z / torch.where(lengths > 0, lengths, 1)
        return outputs.to_dense().float(), (z - self.center).float()

    def _base(self, outputs: Tensor) -> Tensor:
        if self.task == VALUES:
            return outputs
        logits = outputs.clamp(min=torch.finfo().tiny).log() if self.logits == "probabilities" else outputs
        return probabilities(logits, self.params.temperature)

    def _nearest(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Return distances and places in `points` of the nearest, (B, k)."""
        if torch.compiler.is_compiling():  # which knows no threads, nor how many queries there will be
            return nearest(self.points, self.halves, queries, k)
        size = max(1, BLOCK // len(self.points))
        with one_thread(queries.device.type == "cpu" and queries.numel() * len(self.points) < SMALL):
            found = [nearest(self.points, self.halves, some, k) for some in queries.split(size)]
        return torch.cat([distances for distances, _ in found]), torch.cat([places for _, places in found])

    def save(self, path: str | Path) -> None:
        """Write memory and settings, but not the model, as one safetensors file, whole or not at all.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        memory = {name: value.cpu().contiguous() for name, value in self._buffers.items() if value is not None}
        memory.pop("halves")
        about = {
            **{"format": FORMAT, "layer": self.layer, "params": asdict(self.params), "task": self.task},
            **{"logits": self.logits, "normalize": self.normalize, "model": digest_of(self.model)},
        }
        notes = {"resmem": json.dumps(about | {"content": content_of(memory)})}
        write_tensors(Path(path), memory, str(path), notes)

    @classmethod
    def load(cls, path: str | Path, model: nn.Module) -> ResMemModule:
        """Open what `save` wrote; nothing in it is run.

        Parameters
        ----------
        model : Module
            The very same: its weights are compared, its code cannot be. The memory goes to its device.

        Raises
        ------
        UnavailableError
            If there is no such file.
        StoreError
            If it is something else, or damaged.
        InvalidParameterError
            If the model is another one.
        """
        from safetensors import SafetensorError, safe_open

        if not Path(path).is_file():
            raise UnavailableError(f"there is no file {str(path)!r}; name one that ResMemModule.save wrote")
        try:
            with safe_open(path, "pt") as file:
                about = json.loads((file.metadata() or {})["resmem"])
                memory = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            if about["format"] != FORMAT:
                raise StoreError(
                    f"{str(path)!r} has format {about['format']!r}, and this version reads {FORMAT}; open it with the "
                    "version that wrote it, or attach anew"
                )
            if about["content"] != content_of(memory) or not _fit(memory):
                raise ValueError("its arrays are not those that were written")
            params, settings = Params(**about["params"]), {key: about[key] for key in ("task", "logits", "normalize")}
            layer, digest = about["layer"], about["model"]
        except (OSError, SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(
                f"{str(path)!r} is damaged, or not a file of ResMemModule.save ({error}); save it anew"
            ) from error
        if digest != digest_of(model):
            raise InvalidParameterError(
                f"the memory in {str(path)!r} belongs to a model with other weights; give the model that it was "
                "attached to, or attach anew to this one"
            )
        device = device_of(model)
        return cls(model, layer, params, {name: value.to(device) for name, value in memory.items()}, **settings)


def nearest(points: Tensor, halves: Tensor, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return Euclidean distances, ascending, and places of the nearest points, (N, D), (N,), (B, D) -> (B, k).

    As |q - z|^2 = |q|^2 - 2 (qz - |z|^2 / 2), a matrix product tells the closest few, a little inexactly; their
    distances are then computed as |q - z|. Of points closer together than that product's rounding, any may be found.
    """
    n = len(points)
    n_candidates = min(k + SPARE, n)
    closeness = _closeness(points, halves, queries)
    candidates = _largest(closeness, n_candidates).sort(1).values  # so that of equals the first in memory comes first
    differences = points[candidates].float() - queries[:, None]
    distances, order = differences.square().sum(2).sqrt().sort(dim=1, stable=True)
    return distances[:, :k], candidates.gather(1, order[:, :k])


def _closeness(points: Tensor, halves: Tensor, queries: Tensor) -> Tensor:
    """Return qz - |z|^2 / 2, (N, D), (N,), (B, D) -> (B, N)."""
    if points.dtype == queries.dtype:
        return torch.addmm(halves, queries, points.T, beta=-1)
    size = max(1, BLOCK // points.shape[1])  # no copy of all of memory in another type
    return torch.cat([queries @ some.to(queries.dtype).T for some in points.split(size)], 1) - halves


def _largest(values: Tensor, k: int) -> Tensor:
    """Return where the k largest of each row are, in any order, (B, N) -> (B, k).

    They lie in the k groups with the largest maxima, which are quicker found.
    """
    n = values.shape[1]
    n_groups = n // GROUP
    if n_groups <= 2 * k:
        return values.topk(k, sorted=False).indices
    grouped = n_groups * GROUP
    maxima = values[:, :grouped].unflatten(1, (GROUP, n_groups)).amax(1)
    groups = maxima.topk(k, sorted=False).indices
    within = torch.arange(0, grouped, n_groups, device=values.device)
    rest = torch.arange(grouped, n, device=values.device).expand(values.shape[0], -1)
    places = torch.cat([(groups[:, :, None] + within).flatten(1), rest], 1)
    return places.gather(1, values.gather(1, places).topk(k, sorted=False).indices)


def device_of(model: nn.Module) -> torch.device:
    """Return where a model's first parameter is; the CPU if it has none."""
    parameter = next(iter(model.parameters()), None)
    return torch.device("cpu") if parameter is None else parameter.device


def digest_of(model: nn.Module) -> str:
    """Return a digest of the names, types, shapes and bytes of a model's weights and buffers."""
    digest = hashlib.blake2b(digest_size=20)
    for name, value in sorted(model.state_dict().items()):
        if isinstance(value, Tensor):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _fit(memory: dict[str, Tensor]) -> bool:
    """Tell whether the arrays of a file belong together."""
    n, d = memory["points"].shape
    n_residuals, _ = memory["residuals"].shape
    shapes = {name: tuple(memory[name].shape) for name in ("center", "rows", "targets")}
    return n_residuals == n and shapes == {"center": (d,), "rows": (n,), "targets": (n,)}
