"""Published image models as base models: their own head, other embeddings, and files that are refused."""

import pickle
import sys

import numpy as np
import pytest
import torch
from torch import nn

from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.common.store import Store
from resmem_core.data.base import IMAGE
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.models import backbone_of
from resmem_core.models.blocks import OwnHead
from resmem_core.models.embedding import embed
from tests.data.made import Trap
from tests.models.families.published import CLASSES, SIDE, Embeds, Pair, of_timm, of_transformers, script, wide

SHAPE = (3, 20, 24)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)


def network_of(spec, n_classes=4, shape=SHAPE):
    backbone, argument = backbone_of(str(spec), IMAGE)
    assert backbone.unavailable(argument) is None
    return backbone.network(shape, n_classes, argument)


@pytest.fixture
def folder(tmp_path):
    """Save a model of transformers, and return its folder and the model."""

    def make(kind):
        return tmp_path / kind, of_transformers(tmp_path / kind, kind)

    return make


def pixels(mean=(0.1, 0.2, 0.3), std=(0.5, 0.5, 0.5), side=SIDE, mode="bilinear"):
    """Return the images as the models are to see them."""
    x = torch.from_numpy(IMAGES).float() / 255
    x = nn.functional.interpolate(x, (side, side), mode=mode, antialias=True).clamp(0, 1)
    return (x - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


@pytest.mark.parametrize(
    ("kind", "option", "read"),
    [
        ("vit", "", lambda model, x: model(x).pooler_output),
        ("vit", "?pool=cls", lambda model, x: model(x).last_hidden_state[:, 0]),
        ("vit", "?pool=mean", lambda model, x: model(x).last_hidden_state[:, 1:].mean(1)),
        ("vit", "?layer=layers.0", lambda model, x: model(x, output_hidden_states=True).hidden_states[1].mean(1)),
        ("vit without pooler", "", lambda model, x: model(x).last_hidden_state[:, 0]),
        ("vit classifier", "", lambda model, x: model.vit(x).last_hidden_state[:, 0]),
        ("dinov2", "", lambda model, x: model(x).last_hidden_state[:, 0]),
        ("clip", "", lambda model, x: model.visual_projection(model.vision_model(x).pooler_output)),
        ("clip", "?pool=pooler", lambda model, x: model.vision_model(x).pooler_output),
        ("resnet", "", lambda model, x: model(x).last_hidden_state.mean((2, 3))),
    ],
)
def test_a_model_of_transformers_embeds_by_what_it_has(folder, kind, option, read):
    path, model = folder(kind)
    network = network_of(f"hf:{path}{option}")
    with torch.inference_mode():
        expected = read(model, pixels())
    np.testing.assert_allclose(embed(network, IMAGES).embeddings, expected, atol=1e-4)
    assert "resized to 16 x 16 pixels; the embedding is " in network.about


@pytest.mark.parametrize("kind", ["vit classifier", "dinov2 classifier"])
def test_the_own_head_says_what_the_model_says(folder, kind):
    path, model = folder(kind)
    network = network_of(f"hf:{path}")
    network.head = network.own.of(network.own.rows(["Bird", "cat", "Dingo"]))
    with torch.inference_mode():
        expected = model(pixels()).logits[:, [2, 0, 1]]
    np.testing.assert_allclose(embed(network, IMAGES).logits, expected, atol=1e-4)
    assert network_of(f"hf:{path}?head=trained").own is None


def test_layers_are_joined_at_length_one(folder):
    path, model = folder("clip")
    layers = ("visual_projection", "vision_model.encoder.layers.0")
    found = embed(network_of(f"hf:{path}?layer={','.join(layers)}"), IMAGES).embeddings
    np.testing.assert_allclose(np.linalg.norm(found[:, :8], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found[:, 8:], axis=1), 1, rtol=1e-5)
    with torch.inference_mode():
        z = model.visual_projection(model.vision_model(pixels()).pooler_output)
    np.testing.assert_allclose(found[:, :8], nn.functional.normalize(z), atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "option", "message"),
    [
        ("masked", "", "gives another embedding each time it sees the same image"),
        ("text", "", r"\(GPT2Model\) is none of images"),
        ("resnet", "?pool=cls", "has no trained pool='cls'; choose one of: pooler, mean"),
        ("vit without pooler", "?pool=pooler", "has no trained pool='pooler'; choose one of: cls, mean"),
        ("vit", "?pool=best", "pool='best' must be one of: projection, pooler, cls, mean"),
        ("vit", "?pool=cls&layer=pooler", "pool and layer do not go together"),
        ("vit", "?layer=layers.7", "there is no layer 'layers.7'; the likeliest of"),
        ("vit", "?colour=red", "'colour' is not possible after the question mark"),
    ],
)
def test_what_cannot_embed_is_refused(folder, kind, option, message):
    path, _ = folder(kind)
    backbone, argument = backbone_of(f"hf:{path}{option}", IMAGE)
    with pytest.raises(InvalidParameterError, match=message):
        backbone.network(SHAPE, 4, argument)


def test_how_images_are_prepared_must_be_known(folder):
    path, model = folder("vit")
    (path / "preprocessor_config.json").unlink()
    with pytest.raises(InvalidParameterError, match=r"no preprocessor_config\.json.*say so after its name: \?size="):
        network_of(f"hf:{path}")
    network = network_of(f"hf:{path}?size=16&mean=0&std=0.5,0.25,0.5")
    with torch.inference_mode():
        expected = model(pixels((0, 0, 0), (0.5, 0.25, 0.5))).pooler_output
    np.testing.assert_allclose(embed(network, IMAGES).embeddings, expected, atol=1e-4)


def test_pickled_weights_of_transformers_are_not_read(folder):
    path, model = folder("vit")
    (path / "model.safetensors").unlink()
    torch.save(model.state_dict(), path / "pytorch_model.bin")
    with pytest.raises(UnavailableError, match="safetensors"):
        network_of(f"hf:{path}")


class TestTimm:
    def test_it_says_what_the_model_says(self, tmp_path):
        model = of_timm(tmp_path)
        network = network_of(f"timm:{tmp_path}")
        network.head = network.own.of(network.own.rows(CLASSES[:2]))
        told = model.pretrained_cfg
        x = pixels(told["mean"], told["std"], told["input_size"][1], told["interpolation"])
        with torch.inference_mode():
            expected = model(x)[:, :2]
        np.testing.assert_allclose(embed(network, IMAGES).logits, expected, rtol=1e-3, atol=1e-3)

    def test_without_names_a_head_is_trained(self, tmp_path):
        of_timm(tmp_path, labels=None)
        with pytest.raises(LookupError, match="'cat' is none of its 4 classes"):
            network_of(f"timm:{tmp_path}").own.rows(CLASSES)

    def test_a_folder_without_safetensors(self, tmp_path):
        of_timm(tmp_path)
        (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
        backbone, argument = backbone_of(f"timm:{tmp_path}", IMAGE)
        assert "has no model.safetensors" in backbone.unavailable(argument)
        with pytest.raises(UnavailableError, match=r"has no model\.safetensors"):
            backbone.network(SHAPE, 4, argument)

    def test_without_the_package(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "timm", None)
        backbone, argument = backbone_of("timm:resnet18", IMAGE)
        assert "the package timm is not installed; run: pip install" in backbone.unavailable(argument)


class TestTorchScript:
    def test_it_embeds(self, tmp_path):
        module = wide(Embeds())
        network = network_of(f"module:{script(tmp_path / 'm.pt', module)}?size=16&mean=0.1,0.2,0.3&std=0.5")
        with torch.inference_mode():
            expected = module(pixels())
        np.testing.assert_allclose(embed(network, IMAGES).embeddings, expected, atol=1e-4)

    def test_other_weights_are_another_model_even_where_they_are_not_listed(self, tmp_path):
        file = tmp_path / "m.pt"
        told = []
        for scale in (1.0, 2.0):
            module = wide(Embeds())
            with torch.no_grad():
                module.layer.weight.mul_(scale)
            torch.jit.freeze(torch.jit.script(module)).save(file)
            network = network_of(f"module:{file}")
            told.append((network.definition, len(network.trunk[1].state_dict())))
        assert told[0][0] != told[1][0]
        assert told[0][1] == 0

    @pytest.mark.parametrize("content", ["code", "weights", "noise"])
    def test_what_is_no_torchscript_is_refused_and_never_run(self, tmp_path, content):
        file = tmp_path / "m.pt"
        match content:
            case "code":
                torch.save(Trap(tmp_path / "exploded"), file)
            case "weights":
                torch.save(Embeds().state_dict(), file)
            case "noise":
                file.write_bytes(pickle.dumps(Trap(tmp_path / "exploded")))
        with pytest.raises(UnavailableError, match=r"cannot be read as TorchScript: .*torch\.jit\.trace"):
            network_of(f"module:{file}")
        assert not (tmp_path / "exploded").exists()

    def test_an_exported_program_is_refused_unread(self, tmp_path):
        file = tmp_path / "m.pt2"
        file.write_bytes(pickle.dumps(Trap(tmp_path / "exploded")))
        backbone, argument = backbone_of(f"module:{file}", IMAGE)
        assert "can run Python code in the file" in backbone.unavailable(argument)
        with pytest.raises(UnavailableError, match="ExportedProgram"):
            backbone.network(SHAPE, 4, argument)
        assert not (tmp_path / "exploded").exists()

    def test_a_pair_must_have_a_logit_for_each_class(self, tmp_path):
        file = script(tmp_path / "m.pt", wide(Pair()))
        with pytest.raises(InvalidParameterError, match=r"shapes \(2, 4\), \(2, 8\).*a pair of logits \(2, 3\) and"):
            network_of(f"module:{file}", 3)

    def test_images_that_do_not_fit(self, tmp_path):
        file = script(tmp_path / "m.pt", wide(Embeds()))
        with pytest.raises(
            InvalidParameterError, match=r"cannot look at images of 1 channels and 20 x 24 pixels: .*3 chan"
        ):
            network_of(f"module:{file}", shape=(1, 20, 24))
        assert network_of(f"module:{file}?mean=0,0,0", shape=(1, 20, 24)).trunk[1]


class TestOwnHead:
    HEAD = OwnHead(nn.Linear(2, 4), (("crane",), ("Great_White shark", "shark"), ("crane",), ()))

    def test_classes_are_found_by_name(self):
        assert self.HEAD.rows(["great-white SHARK"]) == [1]

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (["shark", "owl"], "'owl' is none of its 4 classes"),
            (["crane", "shark"], "'crane' may be 2 of its 4 classes"),
            (["shark", "great white shark"], "two classes are one of its 4"),
        ],
    )
    def test_names_that_do_not_tell(self, names, message):
        with pytest.raises(LookupError, match=f"^{message}$"):
            self.HEAD.rows(names)

    def test_all_classes_in_their_own_order_need_no_telling_apart(self):
        head = OwnHead(nn.Linear(2, 3), (("crane",), ("shark",), ("crane",)))
        assert head.rows(["crane", "shark", "crane "]) == [0, 1, 2]


class TestExperiment:
    @pytest.fixture
    def photographs(self, tmp_path):
        """Write small images of three of the classes, told apart by their colour."""
        from PIL import Image

        rng = np.random.default_rng(0)
        for row, name in enumerate(("bird", "cat", "wild dog")):
            (tmp_path / "data" / name).mkdir(parents=True)
            for i in range(20):
                image = rng.integers(0, 100, (20, 24, 3), dtype=np.uint8)
                image[..., row] += 120
                Image.fromarray(image).save(tmp_path / "data" / name / f"{i}.png")
        return tmp_path / "data"

    def prepared(self, photographs, backbone, **more):
        config = ExperimentConfig(dataset=f"folder:{photographs}", backbone=str(backbone), **more)
        return prepare(config, store=Store(photographs.parent / "store"), device="cpu")

    def test_with_its_own_head_nothing_is_trained(self, photographs, folder):
        path, model = folder("vit classifier")
        experiment = self.prepared(photographs, f"hf:{path}", epochs=3)
        assert (experiment.origin, experiment.base.recipe, experiment.base.weights) == ("given", None, None)
        assert "the model's own head: 3 of its 4 classes, by name" in experiment.notes
        assert "epochs=3 is not used: nothing is trained" in experiment.notes
        layer, rows = model.classifier, [2, 0, 1]
        expected = experiment.base.parts["test"].embeddings @ layer.weight.detach().numpy()[rows].T
        expected += layer.bias.detach().numpy()[rows]
        np.testing.assert_allclose(experiment.base.parts["test"].table, expected, atol=1e-4)

    def test_else_a_head_is_trained_and_other_weights_are_embedded_anew(self, photographs):
        file = script(photographs.parent / "m.pt", wide(Embeds()))
        first = self.prepared(photographs, f"module:{file}")
        assert first.origin == "trained here"
        assert "a linear head was trained on top" in first.notes
        assert first.evaluate(first.tune().params).accuracy["base"] > 0.5
        assert self.prepared(photographs, f"module:{file}").base.identity == first.base.identity
        module = wide(Embeds())
        with torch.no_grad():
            module.layer.weight.mul_(-1)
        script(file, module)
        again = self.prepared(photographs, f"module:{file}")
        assert again.base.identity != first.base.identity
        assert not np.allclose(again.base.parts["test"].embeddings, first.base.parts["test"].embeddings)

    def test_logits_that_come_with_embeddings_are_the_base(self, photographs):
        class Three(Embeds):
            def forward(self, x):
                z = self.layer(x).relu().mean((2, 3))
                return x.mean((2, 3)), z

        experiment = self.prepared(photographs, f"module:{script(photographs.parent / 'm.pt', wide(Three()))}")
        base = experiment.base.parts["test"]
        assert (base.table.shape[1], base.embeddings.shape[1], experiment.origin) == (3, 8, "given")
        images = experiment.dataset.test.images / 255
        np.testing.assert_allclose(base.table, images.mean((2, 3)), atol=1e-3)
        assert any(
            "own logits are taken to be in the order of the classes: 'bird', 'cat'" in n for n in experiment.notes
        )
