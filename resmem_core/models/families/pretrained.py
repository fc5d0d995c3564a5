"""torchvision's networks with their ImageNet weights: a frozen trunk, and a linear head that is trained."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from resmem_core.common.errors import UnavailableError
from resmem_core.models.base import BACKBONES, Backbone
from resmem_core.models.types import Recipe, Shape

if TYPE_CHECKING:
    from resmem_core.models.blocks import Network


class Pretrained(Backbone):
    """A network of torchvision without its classifier; the features are standardised before the head."""

    frozen: ClassVar[bool] = True

    def __init__(self, name: str, dimension: int) -> None:
        self.name = name
        self.summary = f"ImageNet weights, frozen, {dimension}-d embedding; only a linear head is trained"

    def unavailable(self, argument: str | None = None) -> str | None:
        """Return where the weights were looked for, if they are not there yet."""
        file = self._file()
        if file.is_file():
            return None
        return (
            f"the weights of {self.name} are not on this machine: {file} does not exist; "
            f"they are fetched from {self._weights().url} on first use"
        )

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> Network:
        """Return the frozen trunk, its weights fetched if they are not there, and a new head."""
        import torchvision
        from torch import nn

        from resmem_core.models.blocks import ImageNetInput, Network, Standardize

        model = torchvision.models.get_model(self.name, weights=None)
        self._load(model)
        classifier = "fc" if hasattr(model, "fc") else "classifier"
        layers = [m for m in getattr(model, classifier).modules() if isinstance(m, nn.Linear)]
        dimension = layers[-1].in_features
        setattr(model, classifier, nn.Identity())
        expected = self._weights().transforms()
        trunk = nn.Sequential(ImageNetInput(expected.crop_size[0], expected.mean, expected.std), model)
        head = nn.Sequential(Standardize(dimension), nn.Linear(dimension, n_classes))
        return Network(trunk, head, frozen=True)

    def recipe(self, n_train: int) -> Recipe:
        """Return 20 epochs of the head, which take seconds."""
        return Recipe(epochs=20, learning_rate=0.01)

    def _weights(self) -> Any:
        import torchvision

        return torchvision.models.get_model_weights(self.name).DEFAULT

    def _file(self) -> Path:
        import torch

        return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(self._weights().url).path).name

    def _load(self, model: Any) -> None:
        weights, file = self._weights(), self._file()
        try:  # weights_only: a file in that folder may be anybody's, and must not run code
            state = weights.get_state_dict(progress=True, check_hash=True, weights_only=True, map_location="cpu")
            model.load_state_dict(state)
        except (OSError, RuntimeError, EOFError, TypeError, ValueError, UnpicklingError) as error:
            if file.is_file():
                advice = f"{file} is damaged or of another network; remove it and try again"
            else:
                advice = (
                    f"they are not in {file.parent} and could not be fetched from {weights.url}; connect to "
                    f"the internet, or fetch the file elsewhere and save it as {file}"
                )
            raise UnavailableError(f"no weights for {self.name}: {advice} ({error})") from error


for name, dimension in {"resnet18": 512, "resnet50": 2048, "mobilenet_v2": 1280}.items():
    BACKBONES.register(name, Pretrained(name, dimension))
