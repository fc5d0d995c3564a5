"""A training run on disk, to be taken up again: weights, the optimiser's state, and how far it has come."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from resmem_core.common.files import writing
from resmem_core.common.store import digest_arrays, digest_key


@dataclass
class Run:
    """How far training has come; what a checkpoint holds beside weights and the optimiser's state.

    Attributes
    ----------
    digest : str
        Tells this run from any other; a checkpoint of another one is not taken up.
    losses : list of float
        Mean loss of each finished epoch.
    seconds : float
        Spent so far.
    steps, seen, total : int, int, float
        Of the epoch that has begun: steps taken, examples seen in them, and the sum of their losses.
    """

    digest: str
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    steps: int = 0
    seen: int = 0
    total: float = 0.0

    def save(self, path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Write the checkpoint, whole or not at all.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        tensors = {f"weights.{name}": value for name, value in portable_state(network).items()}
        for name, parameter in network.named_parameters():
            for key, value in optimizer.state[parameter].items():
                if isinstance(value, Tensor):
                    tensors[f"{key}.{name}"] = value.cpu().contiguous()
        about = {**asdict(self), "content": content_of(tensors)}
        write_tensors(path, tensors, f"the checkpoint {path}", {"checkpoint": json.dumps(about)})

    def resume(self, path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> bool:
        """Take up the checkpoint if it is whole and belongs to this run; else change nothing."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                about = json.loads(file.metadata()["checkpoint"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            if about.pop("digest") != self.digest or about.pop("content") != content_of(tensors):
                return False
        except (OSError, SafetensorError, ValueError, TypeError, KeyError, AttributeError):
            return False
        network.load_state_dict({name: tensors.pop(f"weights.{name}") for name in network.state_dict()})
        parameters = dict(network.named_parameters())
        for name, value in tensors.items():
            key, _, of = name.partition(".")
            parameter = parameters[of]
            here = value.to(parameter.device)
            if value.shape == parameter.shape:  # in its memory layout
                here = torch.empty_like(parameter, requires_grad=False).copy_(here)
            optimizer.state[parameter][key] = here
        for name, value in about.items():
            setattr(self, name, value)
        return True


def write_tensors(path: Path, tensors: dict[str, Tensor], what: str, notes: dict[str, str] | None = None) -> None:
    """Write tensors and notes as safetensors, whole or not at all.

    Raises
    ------
    StoreError
        If `what`, as the message calls it, cannot be written.
    """
    from safetensors.torch import save

    draft = path.with_name(f"{path.name}.draft")  # always the same, so that what a killed process left is overwritten
    with writing(what):
        draft.write_bytes(save(tensors, notes))
        draft.replace(path)


def portable_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the module's state on the CPU, in the plain memory layout that safetensors needs."""
    return {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}


def content_of(tensors: dict[str, Tensor]) -> str:
    """Return a digest of names, types, shapes and values."""
    names = sorted(tensors)
    return digest_key({"names": names, "values": digest_arrays(*[tensors[name].numpy() for name in names])})
