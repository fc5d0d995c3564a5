"""A model of one's own in a file that holds no Python: TorchScript."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, ClassVar

from resmem_core.common.arguments import Argument
from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.common.store import digest_file
from resmem_core.data.base import user_path
from resmem_core.models.base import BACKBONES
from resmem_core.models.frozen import Frozen
from resmem_core.models.types import Shape

if TYPE_CHECKING:
    from torch import nn

    from resmem_core.models.blocks import Network

OPTIONS = ("size", "mean", "std")
HOW = "torch.jit.trace(model.eval(), images).save(PATH)"


class TorchScript(Frozen):
    """A file that `torch.jit.save` wrote: images, float (B, channels, height, width) -> embeddings, (B, D).

    Pixels are 0 to 1 unless `?mean=..&std=..` standardise them (one number, or one a channel), and images as large as
    they come unless `&size=224` or `&size=224,160` (height, width) says otherwise. A linear head is trained on top,
    unless it returns a pair (logits, embeddings), with a logit for each of the dataset's classes in their order.

    Reading such a file unpickles nothing and runs no Python, but the file is a program, of tensor operations: take it
    from nobody you do not trust. ExportedProgram files (.pt2) are refused, as `torch.export.load` may run any Python
    that they carry.
    """

    name = "module"
    summary = "a TorchScript file that embeds images, frozen; ?mean=..&std=..&size=.. prepare them"
    argument: ClassVar[str | None] = "PATH"

    def unavailable(self, argument: str | None = None) -> str | None:
        """Return that there is no such file, or that it is of a kind which could run code."""
        if argument is None:
            return None
        path = user_path(what := Argument.parse(argument, *OPTIONS).what)
        if not path.is_file():
            return f"there is no file {what!r}; write it with {HOW}"
        if path.suffix.casefold() == ".pt2":
            return (
                f"{what!r} is an ExportedProgram, which is not read, as that can run Python code in the file; write "
                f"TorchScript with {HOW}"
            )
        return None

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> Network:
        """Return the module as a frozen trunk."""
        from torch import nn

        from resmem_core.models.published import Joined, frozen_network, prepares, run, two_images

        assert argument is not None  # backbone_of sees to it
        if reason := self.unavailable(argument):
            raise UnavailableError(reason)
        asked = Argument.parse(argument, *OPTIONS)
        before, called = prepares(asked), f"the module {asked.what!r}"
        height, width = before.size or shape[1:]
        module = _read(asked.what)
        images = two_images(shape)
        found = run(nn.Sequential(before, module), images, called)
        definition = digest_file(user_path(asked.what))  # a frozen TorchScript module has weights that it does not list
        about = f"{called} sees images of {height} x {width} pixels"
        if not isinstance(found, tuple):
            trunk = nn.Sequential(before, module)
            return frozen_network(trunk, images, n_classes, called=called, definition=definition, about=about)
        if len(found) != 2 or any(getattr(part, "ndim", 0) != 2 for part in found) or found[0].shape[1] != n_classes:
            given = ", ".join(str(tuple(getattr(part, "shape", ()))) for part in found)
            raise InvalidParameterError(
                f"{called} gives {len(found)} values of shapes {given} for two images; expected embeddings (2, D), or "
                f"a pair of logits (2, {n_classes}) and embeddings (2, D)"
            )
        trunk = nn.Sequential(before, module, Joined())
        network = frozen_network(trunk, images, n_classes, called=called, definition=definition, about=about)
        network.head, network.n_beside, network.given = nn.Identity(), n_classes, True
        return network


def _read(what: str) -> nn.Module:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its being replaced by what can run code
            return torch.jit.load(user_path(what), map_location="cpu").float().eval()
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise UnavailableError(f"{what!r} cannot be read as TorchScript: {reason}; write it with {HOW}") from error


BACKBONES.register("module", TorchScript())
