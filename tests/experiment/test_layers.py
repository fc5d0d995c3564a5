"""At which layer memory embeds: chosen on validation alone, and the same as its name written out."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from resmem_core.common.progress import silent
from resmem_core.common.runner import NeedsPreparing, Runner
from resmem_core.common.store import Store
from resmem_core.data import load_dataset
from resmem_core.experiment import prepare as module
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.layers import _told, at_layer
from resmem_core.experiment.prepare import prepare
from resmem_core.models.fitted_images import ImageFitting
from tests.models.families.published import of_transformers


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Write small images of three of a model's classes, told apart by colour; return the store, and their config."""
    from PIL import Image

    folder, rng = tmp_path_factory.mktemp("layers"), np.random.default_rng(0)
    of_transformers(folder / "model", "vit classifier")
    for row, name in enumerate(("bird", "cat", "wild dog")):
        (folder / "data" / name).mkdir(parents=True)
        for i in range(20):
            image = rng.integers(0, 200, (16, 16, 3), dtype=np.uint8)
            image[..., row] += 50
            Image.fromarray(image).save(folder / "data" / name / f"{i}.png")
    config = ExperimentConfig(f"folder:{folder / 'data'}", f"hf:{folder / 'model'}?layer=auto")
    return Store(folder / "store"), config


@pytest.fixture(scope="module")
def chosen(settings):
    """Return the experiment at the layer that is best on validation."""
    store, config = settings
    return prepare(config, store=store, device="cpu")


def test_it_is_what_its_name_gives(settings, chosen):
    store, config = settings
    (note,) = [note for note in chosen.notes if "was chosen on validation" in note]
    layer = note.partition("no part in it: ")[2].partition(";")[0]
    spec = config.backbone.replace("?layer=auto", "" if layer == "the usual embedding" else f"?layer={layer}")
    named = prepare(ExperimentConfig(config.dataset, spec), store=store, device="cpu")
    assert named.base.identity == chosen.base.identity
    assert named.evaluate(named.tune().params).accuracy == chosen.evaluate(chosen.tune().params).accuracy
    assert note.count("% at vit.layers.") == 2
    assert not [note for note in named.notes if "was chosen" in note]


def test_base_is_the_models_own_whichever_layer_memory_embeds_at(settings):
    store, config = settings
    spec = config.backbone.partition("?")[0]
    usual, other = (
        prepare(ExperimentConfig(config.dataset, f"{spec}{of}"), store=store, device="cpu")
        for of in ("", "?layer=vit.layers.0")
    )
    assert (other.origin, other.base.weights) == ("given", None)
    np.testing.assert_allclose(other.test.logits, usual.test.logits, atol=1e-5)
    assert not np.allclose(other.base.parts["test"].embeddings, usual.base.parts["test"].embeddings)


def test_nothing_of_test_is_looked_at(settings, tmp_path, monkeypatch):
    _, config = settings
    dataset, known = load_dataset(config.dataset, seed=0, store=Store(tmp_path)), ImageFitting.inputs

    def inputs(self, part):
        assert part != "test"
        return known(self, part)

    object.__setattr__(dataset, "test", SimpleNamespace(images=dataset.test.images))  # no labels, no groups
    monkeypatch.setattr(ImageFitting, "inputs", inputs)

    def fitted(may_wait):
        fitting = ImageFitting(
            dataset=dataset,
            spec=config.backbone,
            seed=0,
            epochs=None,
            device="cpu",
            runner=Runner(Store(tmp_path), may_wait, silent),
        )
        return at_layer(fitting, True, partial(module._searching, config))

    with pytest.raises(NeedsPreparing, match=r"the layer at which hf:.* embeds .* is not chosen yet"):
        fitted(may_wait=False)
    found, (note,) = fitted(may_wait=True)
    assert "layer=auto" not in found.spec
    assert fitted(may_wait=False)[1] == (note,)  # it is kept


def test_the_note_tells_all_that_was_compared():
    layers = [["", 0.9], ["a", 0.95], ["b", 0.5]]
    assert _told({"layers": layers, "chosen": "a", "error": 0.01}) == (
        "memory's layer was chosen on validation, and test had no part in it: a; ResMem's accuracy there: 90.00% "
        "with the usual embedding, 95.00% at a, 50.00% at b; it beats the usual embedding by 5.00%, standard error "
        "1.00%; the best of several is a little too good on validation"
    )
    assert "no stages or blocks" in _told({"layers": [["", 0.9]], "chosen": "", "error": 0.0})
