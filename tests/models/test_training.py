"""Training, of images and of text: reproducible, resumable in mid-epoch, and what it refuses."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch

from resmem_core.common.errors import Cancelled, InvalidParameterError, ResMemError, StoreError
from resmem_core.data.text import Stream
from resmem_core.models import BACKBONES, training
from resmem_core.models.batches import Batches, generator_of
from resmem_core.models.example_batches import ExampleBatches
from resmem_core.models.token_batches import TokenBatches
from resmem_core.models.token_blocks import LanguageNetwork
from resmem_core.models.training import (
    choose_device,
    learning_rate,
    load_weights,
    new_network,
    save_weights,
    train,
)
from resmem_core.models.types import Recipe
from tests.models.texts import counting, tiny

CPU = torch.device("cpu")
SGD = Recipe(epochs=3, batch_size=7, learning_rate=0.05, crop=True, flip=True)
ADAMW = Recipe(3, batch_size=4, learning_rate=0.01, weight_decay=0.1, optimizer="adamw", dropout=0.2, clip=1.0)
C, BOS, L = 12, 11, 8  # of the text
STEPS = 6  # of an epoch, of each kind


class Kind(NamedTuple):
    """A network and what it learns from; six steps an epoch."""

    data: Batches
    recipe: Recipe
    network: str

    def fitted(self, recipe=None, seed=0, **kwargs):
        trained = network(self.network, seed)
        history = train(trained, self.data, recipe or self.recipe, seed=seed, device=CPU, **kwargs)
        return state(trained), history


def pictures():
    """Return 40 noisy images of two classes, one bright on the left, one at the top."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    images = rng.integers(0, 120, (40, 3, 8, 8), dtype=np.uint8)
    images[labels == 0, :, :, :3] += 100
    images[labels == 1, :, :3] += 100
    return images, labels


def network(name, seed=0, n_classes=2):
    if name in ("transformer", "recurrent"):
        return tiny(name, C, L, seed=seed)
    return new_network(BACKBONES.get(name), (3, 8, 8), n_classes, seed)


@pytest.fixture(scope="module", params=["resnet8", "transformer", "recurrent"])
def kind(request):
    if request.param == "resnet8":
        return Kind(ExampleBatches.of(*pictures()), SGD, request.param)
    return Kind(TokenBatches(counting(), BOS, L), ADAMW, request.param)


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def stop_after(reports):
    """Return a progress callback that cancels at that report."""
    told = []

    def progress(step):
        told.append(step)
        if len(told) == reports:
            raise Cancelled("enough")

    return progress


@pytest.fixture
def eager(monkeypatch):
    monkeypatch.setattr(training, "REPORT_EVERY", 0)


def test_batches_depend_on_seed_and_epoch_alone(kind):
    def once(seed, epoch):
        batches = kind.data.epoch(kind.recipe, generator_of(seed, epoch))
        return b"".join(array.numpy().tobytes() for batch in batches for array in (batch.inputs, batch.targets))

    first = once(3, 1)
    torch.rand(5)  # the global generator plays no part
    assert once(3, 1) == first
    assert len({first, once(3, 2), once(4, 1), once(1, 3)}) == 4


def test_a_loss_is_the_mean_and_the_sum_over_what_is_predicted(kind):
    model = network(kind.network).eval()
    for batch in kind.data.epoch(kind.recipe, generator_of(0, 0)):
        mean, total = kind.data.loss(model, batch)
        predicted = batch.targets != BOS
        chances = model(batch.inputs).flatten(0, -2).softmax(1)[predicted, batch.targets[predicted]]
        assert batch.n == int(predicted.sum())
        torch.testing.assert_close(total, -chances.log().sum().detach())
        torch.testing.assert_close(mean.detach(), total / batch.n)
        assert mean.requires_grad
        assert not total.requires_grad
    assert kind.data.describe(7.1184) == ("loss 7.12" if kind.network == "resnet8" else "perplexity 1,234.5")


def test_loss_falls_and_the_network_ends_in_evaluation_mode(kind):
    trained = network(kind.network)
    history = train(trained, kind.data, replace(kind.recipe, epochs=10, crop=False, flip=False), device=CPU)
    assert len(history.losses) == 10
    assert history.losses[-1] < history.losses[0] * (0.5 if kind.network == "resnet8" else 0.95)
    assert history.seconds > 0
    assert not any(module.training for module in trained.modules())


@pytest.mark.parametrize("n", [1, 17])
def test_no_batch_is_too_small_for_batch_norm(n):
    images, labels = pictures()
    data = ExampleBatches.of(images[:n], labels[:n])
    history = train(network("resnet8"), data, replace(SGD, batch_size=16), device=CPU)
    assert np.isfinite(history.losses).all()


def test_the_same_seed_gives_the_same_weights(kind):
    torch.manual_seed(5)
    first, history = kind.fitted()
    torch.manual_seed(99)
    again, history_again = kind.fitted()
    assert same(first, again)
    assert history.losses == history_again.losses
    assert not same(first, kind.fitted(seed=1)[0])


@pytest.mark.parametrize("stopped_at", [1, 6, 8, 17])
def test_resumed_training_ends_as_uninterrupted_training_does(kind, tmp_path, eager, monkeypatch, stopped_at):
    """A checkpoint is written after each step."""
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 0)
    expected, history = kind.fitted()
    path = tmp_path / "checkpoint"
    with pytest.raises(Cancelled):
        kind.fitted(checkpoint=path, progress=stop_after(stopped_at))
    assert path.exists() == (stopped_at > 1)

    steps = []
    resumed, resumed_history = kind.fitted(checkpoint=path, progress=steps.append)
    assert same(resumed, expected)
    assert resumed_history.losses == history.losses
    assert len(steps) == 3 * STEPS - (stopped_at - 1) + 1  # the last step is told twice


def test_a_checkpoint_is_written_after_every_epoch_too(kind, tmp_path, eager):
    path = tmp_path / "checkpoint"
    with pytest.raises(Cancelled):
        kind.fitted(checkpoint=path, progress=stop_after(9))
    steps = []
    kind.fitted(checkpoint=path, progress=steps.append)
    assert steps[0].message.startswith("epoch 2 of 3")
    assert steps[0].done * 3 * STEPS == pytest.approx(steps[0].total * (STEPS + 1), rel=0.05)


def test_a_finished_checkpoint_is_taken_as_it_is(kind, tmp_path):
    expected, history = kind.fitted(checkpoint=tmp_path / "checkpoint")
    steps = []
    again, history_again = kind.fitted(checkpoint=tmp_path / "checkpoint", progress=steps.append)
    assert same(again, expected)
    assert history_again == history
    assert [step.done for step in steps] == [steps[0].total]


def other_runs():
    """Return what may differ from the first run, of images and of text: network, data, recipe, seed."""
    (images, labels), text = pictures(), counting()
    of_images = ("resnet8", ExampleBatches.of(images, labels), SGD, 0)
    of_text = ("transformer", TokenBatches(text, BOS, L), ADAMW, 0)
    changes_of_images = {
        "recipe": {2: replace(SGD, learning_rate=0.04)},
        "seed": {3: 1},
        "labels": {1: ExampleBatches.of(images, 1 - labels)},
        "images": {1: ExampleBatches.of(255 - images, labels)},
        "network": {0: "small-cnn"},
    }
    changes_of_text = {
        "recipe": {2: replace(ADAMW, dropout=0.3)},
        "seed": {3: 1},
        "text": {1: TokenBatches(Stream((text.ids + 1) % 10, text.starts, text.names), BOS, L)},
        "cut": {1: TokenBatches(Stream(text.ids, np.delete(text.starts, 1), text.names[1:]), BOS, L)},
        "bos": {1: TokenBatches(text, 10, L)},
        "window": {1: TokenBatches(text, BOS, L - 1)},
        "network": {0: "recurrent"},
    }
    for first, changed in ((of_images, changes_of_images), (of_text, changes_of_text)):
        for name, change in changed.items():
            other = tuple(change.get(i, value) for i, value in enumerate(first))
            yield pytest.param(first, other, id=f"{first[0]}-{name}")


@pytest.mark.parametrize(("first", "other"), list(other_runs()))
def test_a_checkpoint_of_another_run_is_ignored(tmp_path, eager, first, other):
    path = tmp_path / "checkpoint"

    def run(of, progress):
        name, data, recipe, seed = of
        train(network(name, seed), data, recipe, seed=seed, device=CPU, checkpoint=path, progress=progress)

    with pytest.raises(Cancelled):
        run(first, stop_after(14))
    steps = []
    run(other, steps.append)
    assert steps[0].message.startswith("epoch 1 of 3")


def test_a_cancelled_network_is_left_in_evaluation_mode_and_whole(kind, eager):
    trained = network(kind.network)
    with pytest.raises(Cancelled):
        train(trained, kind.data, kind.recipe, device=CPU, progress=stop_after(4))
    assert not any(module.training for module in trained.modules())
    if isinstance(trained, LanguageNetwork):
        trained.train()
        ids = torch.zeros(1, L, dtype=torch.int64)
        assert torch.equal(trained(ids), trained(ids))  # drops nothing any more


def test_progress_counts_over_all_epochs(kind, eager):
    steps = []
    kind.fitted(progress=steps.append)
    text = kind.network != "resnet8"
    an_epoch = len(counting()) + 5 if text else STEPS  # tokens, one more before each document; or steps
    assert {(step.stage, step.total) for step in steps} == {("Training", 3 * an_epoch)}
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[STEPS - 1] == an_epoch
    assert len(done) == 3 * STEPS + 1
    assert done[-1] == 3 * an_epoch
    assert steps[-1].message.startswith("epoch 3 of 3, perplexity " if text else "epoch 3 of 3, loss 0.")


def test_a_loss_that_is_not_finite_says_what_to_lower(kind):
    with pytest.raises(ResMemError, match=r"lower the learning rate, now 1e\+30"):
        kind.fitted(replace(kind.recipe, learning_rate=1e30))


def test_a_seed_below_zero_is_refused(kind):
    with pytest.raises(InvalidParameterError, match="seed=-1"):
        train(network(kind.network), kind.data, kind.recipe, seed=-1, device=CPU)


def test_learning_rate_follows_its_schedule():
    one_cycle = [learning_rate(SGD, done) for done in np.linspace(0, 1, 101)]
    assert np.argmax(one_cycle) == 25
    assert one_cycle[25] == pytest.approx(SGD.learning_rate)
    assert one_cycle[0] < SGD.learning_rate / 20
    assert one_cycle[-1] == pytest.approx(0, abs=1e-12)
    assert np.all(np.diff(one_cycle[:26]) > 0)
    assert np.all(np.diff(one_cycle[25:]) < 0)
    cosine = [learning_rate(replace(SGD, schedule="cosine"), done) for done in (0, 0.5, 1)]
    assert cosine == pytest.approx([0.05, 0.025, 0])


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_norms_and_biases_are_not_decayed(optimizer):
    recipe = Recipe(1, 40, learning_rate=0.1, weight_decay=5.0, momentum=0.0, schedule="cosine", optimizer=optimizer)
    layer = torch.nn.Linear(3, 2)
    torch.nn.init.ones_(layer.weight)
    torch.nn.init.ones_(layer.bias)
    train(layer, ExampleBatches.of(np.zeros((40, 3), np.float32), np.arange(40) % 2), recipe, device=CPU)
    torch.testing.assert_close(layer.weight.detach(), torch.full((2, 3), 0.5))  # 1 - 0.1 * 5
    torch.testing.assert_close(layer.bias.detach(), torch.ones(2), atol=0.1, rtol=0)  # AdamW takes rounding for a slope


@pytest.mark.parametrize(("clip", "moved"), [(None, 0.5), (0.1, 0.1 / 2**0.5)])
def test_a_gradient_is_cut_down_to_the_clip(clip, moved):
    """Of two classes at even chances, all examples in the first, the biases' gradient is (-0.5, 0.5)."""
    recipe = Recipe(1, 40, learning_rate=1.0, weight_decay=0.0, momentum=0.0, schedule="cosine", clip=clip)
    layer = torch.nn.Linear(3, 2)
    torch.nn.init.zeros_(layer.bias)
    train(layer, ExampleBatches.of(np.zeros((40, 3), np.float32), np.zeros(40, np.int64)), recipe, device=CPU)
    torch.testing.assert_close(layer.bias.detach(), torch.tensor([moved, -moved]), atol=1e-4, rtol=0)


def test_weights_travel(tmp_path):
    trained, fresh = network("resnet8"), network("resnet8", seed=1)
    train(trained, ExampleBatches.of(*pictures()), SGD, device=CPU)
    save_weights(trained, tmp_path / "weights")
    load_weights(fresh, tmp_path / "weights")
    assert same(state(fresh), state(trained))


def test_weights_of_another_network_are_refused(tmp_path):
    save_weights(network("resnet8", n_classes=2), tmp_path / "weights")
    other = network("resnet8", n_classes=3)
    before = state(other)
    with pytest.raises(StoreError, match=r"head.weight is \(2, 64\) of float32 instead of \(3, 64\)"):
        load_weights(other, tmp_path / "weights")
    with pytest.raises(StoreError, match=r"is missing instead of .* and .* more"):
        load_weights(network("resnet20"), tmp_path / "weights")
    assert same(state(other), before)


def test_a_file_without_weights_is_refused(tmp_path):
    (tmp_path / "weights").write_bytes(b"no weights")
    for name in ("weights", "absent"):
        with pytest.raises(StoreError, match="could not read weights"):
            load_weights(network("resnet8"), tmp_path / name)


def test_choose_device():
    assert choose_device("cpu") == CPU
    assert choose_device().type in ("cuda", "mps", "cpu")
    for name in ("gpu", "cuda:99", ""):
        with pytest.raises(InvalidParameterError, match=f"device '{name}' is not on this machine.*cpu"):
            choose_device(name)
