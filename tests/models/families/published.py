"""Tiny image models as others publish them, with random weights: files and folders made on the spot."""

from pathlib import Path

import pytest
import torch
from torch import nn

SIDE, CLASSES = 16, ("cat", "wild dog", "bird", "tench")
SMALL = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIDE, "patch_size": 8,
}  # fmt: skip


class Embeds(nn.Module):
    """A module that embeds in eight dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        return self.layer(x).relu().mean((2, 3))


class Pair(Embeds):
    """A module that gives logits, too."""

    def forward(self, x):
        z = self.layer(x).relu().mean((2, 3))
        return z[:, :4], z


def wide(model):
    """Give every weight a size that shows, always the same, and return the model for use."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


def script(file: Path, module: nn.Module) -> Path:
    """Write a module as TorchScript."""
    torch.jit.script(module.eval()).save(file)
    return file


def of_transformers(folder: Path, kind: str) -> nn.Module:
    """Save a model of transformers with what prepares its images."""
    t = pytest.importorskip("transformers")
    labels = {"id2label": {0: "Cat", 1: "wild_dog, dingo", 2: "bird", 3: "tench"}, "num_labels": 4}
    text = {**SMALL, "num_hidden_layers": 1, "vocab_size": 50, "bos_token_id": 0, "eos_token_id": 1}
    makes = {
        "vit": lambda: t.ViTModel(t.ViTConfig(**SMALL)),
        "vit without pooler": lambda: t.ViTModel(t.ViTConfig(**SMALL), add_pooling_layer=False),
        "vit classifier": lambda: t.ViTForImageClassification(t.ViTConfig(**SMALL, **labels)),
        "dinov2": lambda: t.Dinov2Model(t.Dinov2Config(**SMALL)),
        "dinov2 classifier": lambda: t.Dinov2ForImageClassification(t.Dinov2Config(**SMALL, **labels)),
        "clip": lambda: t.CLIPModel(t.CLIPConfig(vision_config=SMALL, text_config=text, projection_dim=8)),
        "resnet": lambda: t.ResNetModel(t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])),
        "masked": lambda: t.ViTMAEModel(t.ViTMAEConfig(**SMALL)),
        "text": lambda: t.GPT2Model(t.GPT2Config(vocab_size=50, n_embd=8, n_layer=1, n_head=1)),
    }
    model = wide(makes[kind]())
    model.save_pretrained(folder)
    t.ViTImageProcessor(size={"height": SIDE, "width": SIDE}, image_mean=[0.1, 0.2, 0.3]).save_pretrained(folder)
    return model


def of_timm(folder: Path, labels: tuple[str, ...] | None = CLASSES) -> nn.Module:
    """Save a model of timm."""
    timm = pytest.importorskip("timm")
    from timm.models import save_for_hf

    model = wide(timm.create_model("test_resnet", num_classes=4, pretrained=False))
    save_for_hf(model, folder, {"label_names": list(labels)} if labels else None, safe_serialization=True)
    return model
