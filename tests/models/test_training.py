from dataclasses import replace

import numpy as np
import pytest
import torch

from resmem_core.common.errors import Cancelled, DatasetError, InvalidParameterError, ResMemError, StoreError
from resmem_core.models import BACKBONES
from resmem_core.models.training import choose_device, learning_rate, load_weights, new_network, save_weights, train
from resmem_core.models.types import Recipe

RECIPE = Recipe(epochs=4, batch_size=16, learning_rate=0.05, crop=True, flip=True)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data():
    """Return 40 noisy images of two classes, one bright on the left, one at the top."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    images = rng.integers(0, 120, (40, 3, 8, 8), dtype=np.uint8)
    images[labels == 0, :, :, :3] += 100
    images[labels == 1, :, :3] += 100
    return images, labels


def network(name="resnet8", seed=0, n_classes=2):
    return new_network(BACKBONES.get(name), (3, 8, 8), n_classes, seed)


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def fitted(data, recipe=RECIPE, **kwargs):
    trained = network(seed=kwargs.get("seed", 0))
    history = train(trained, *data, recipe, device=CPU, **kwargs)
    return state(trained), history


def stop_in_epoch(number):
    """Return a progress callback that cancels in the middle of that epoch."""

    def progress(step):
        if step.message.startswith(f"epoch {number} "):
            raise Cancelled("enough")

    return progress


@pytest.fixture
def eager(monkeypatch):
    monkeypatch.setattr("resmem_core.models.training.REPORT_EVERY", 0)


def test_new_network_depends_on_the_seed_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = state(network(seed=1))
    assert torch.equal(torch.rand(3), expected)
    assert same(first, state(network(seed=1)))
    assert not same(first, state(network(seed=2)))


def test_loss_falls_and_the_network_ends_in_evaluation_mode(data):
    trained = network()
    history = train(trained, *data, replace(RECIPE, epochs=10, crop=False, flip=False), device=CPU)
    assert len(history.losses) == 10
    assert history.losses[-1] < history.losses[0] / 2
    assert history.seconds > 0
    assert not any(module.training for module in trained.modules())


def test_the_same_seed_gives_the_same_weights(data):
    first, history = fitted(data)
    again, history_again = fitted(data)
    assert same(first, again)
    assert history.losses == history_again.losses
    assert not same(first, fitted(data, seed=1)[0])


def test_features_train_a_head(data):
    _, labels = data
    z = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    z[:, 0] += 4 * labels
    history = train(torch.nn.Linear(5, 2), z, labels, RECIPE, device=CPU)
    assert history.losses[-1] < history.losses[0]


@pytest.mark.parametrize("stopped_in", [1, 2, 3, 4])
def test_resumed_training_ends_as_uninterrupted_training_does(data, tmp_path, eager, stopped_in):
    expected, history = fitted(data)
    path = tmp_path / "checkpoint"
    with pytest.raises(Cancelled):
        fitted(data, checkpoint=path, progress=stop_in_epoch(stopped_in))
    assert path.exists() == (stopped_in > 1)

    steps = []
    resumed, resumed_history = fitted(data, checkpoint=path, progress=steps.append)
    assert same(resumed, expected)
    assert resumed_history.losses == history.losses
    assert steps[0].message.startswith(f"epoch {stopped_in} of 4")


def test_a_finished_checkpoint_is_taken_as_it_is(data, tmp_path):
    expected, history = fitted(data, checkpoint=tmp_path / "checkpoint")
    steps = []
    again, history_again = fitted(data, checkpoint=tmp_path / "checkpoint", progress=steps.append)
    assert same(again, expected)
    assert history_again == history
    assert [step.done for step in steps] == [steps[0].total]


def test_a_damaged_checkpoint_is_ignored(data, tmp_path):
    path = tmp_path / "checkpoint"
    expected, _ = fitted(data, checkpoint=path)
    whole = path.read_bytes()
    one_bit = whole[:-1] + bytes([whole[-1] ^ 1])
    for damaged in (b"", b"\x00" * 40, whole[: len(whole) // 2], whole[:8] + b"[" + whole[9:], one_bit):
        path.write_bytes(damaged)
        assert same(fitted(data, checkpoint=path)[0], expected)


@pytest.mark.parametrize("change", ["recipe", "seed", "labels", "images", "network"])
def test_a_checkpoint_of_another_run_is_ignored(data, tmp_path, eager, change):
    path = tmp_path / "checkpoint"
    with pytest.raises(Cancelled):
        fitted(data, checkpoint=path, progress=stop_in_epoch(3))
    images, labels = data
    recipe, seed, name = RECIPE, 0, "resnet8"
    match change:
        case "recipe":
            recipe = replace(RECIPE, learning_rate=0.04)
        case "seed":
            seed = 1
        case "labels":
            labels = 1 - labels
        case "images":
            images = 255 - images
        case "network":
            name = "small-cnn"
    steps = []
    train(
        network(name, seed),
        images,
        labels,
        recipe,
        seed=seed,
        device=CPU,
        checkpoint=path,
        progress=steps.append,
    )
    assert steps[0].message.startswith("epoch 1 of 4")


def test_a_cancelled_network_is_left_in_evaluation_mode(data, eager):
    trained = network()
    with pytest.raises(Cancelled):
        train(trained, *data, RECIPE, device=CPU, progress=stop_in_epoch(2))
    assert not any(module.training for module in trained.modules())


def test_progress_counts_steps_over_all_epochs(data, eager):
    steps = []
    fitted(data, progress=steps.append)
    assert {(step.stage, step.total) for step in steps} == {("Training", 12)}
    assert [step.done for step in steps] == [*range(1, 13), 12]
    assert steps[-1].message.startswith("epoch 4 of 4, loss 0.")


def test_a_loss_that_is_not_finite_says_what_to_lower(data):
    with pytest.raises(ResMemError, match=r"lower the learning rate, now 1e\+30"):
        fitted(data, replace(RECIPE, learning_rate=1e30))


def test_a_checkpoint_that_cannot_be_written_is_an_error(data, tmp_path):
    with pytest.raises(StoreError, match="could not write the checkpoint"):
        fitted(data, checkpoint=tmp_path / "no such folder" / "checkpoint")


@pytest.mark.parametrize("n", [1, 17])
def test_no_batch_is_too_small_for_batch_norm(data, n):
    images, labels = data
    history = train(network(), images[:n], labels[:n], RECIPE, device=CPU)
    assert np.isfinite(history.losses).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"inputs": np.zeros((4, 3, 8, 8), np.float32)}, DatasetError, r"float32 of shape \(4, 3, 8, 8\)"),
        ({"inputs": np.zeros((0, 3, 8, 8), np.uint8)}, DatasetError, "one at least"),
        ({"labels": np.zeros(3, np.int64)}, DatasetError, "4 inputs need as many labels"),
        ({"labels": np.array([0, 1, -1, 0])}, DatasetError, "the smallest -1"),
        ({"labels": np.array([0, 1, 2, 0])}, DatasetError, "label 2 is beyond the network's 2 classes"),
        ({"seed": -1}, InvalidParameterError, "seed=-1"),
    ],
)
def test_bad_input_is_refused(change, error, message):
    arguments = {
        "inputs": np.zeros((4, 3, 8, 8), np.uint8),
        "labels": np.array([0, 1, 1, 0]),
        "recipe": RECIPE,
        **change,
    }
    with pytest.raises(error, match=message):
        train(network(), **arguments, device=CPU)


def test_learning_rate_follows_its_schedule():
    one_cycle = [learning_rate(RECIPE, done) for done in np.linspace(0, 1, 101)]
    assert np.argmax(one_cycle) == 25
    assert one_cycle[25] == pytest.approx(RECIPE.learning_rate)
    assert one_cycle[0] < RECIPE.learning_rate / 20
    assert one_cycle[-1] == pytest.approx(0, abs=1e-12)
    assert np.all(np.diff(one_cycle[:26]) > 0)
    assert np.all(np.diff(one_cycle[25:]) < 0)
    cosine = [learning_rate(replace(RECIPE, schedule="cosine"), done) for done in (0, 0.5, 1)]
    assert cosine == pytest.approx([0.05, 0.025, 0])


def test_norms_and_biases_are_not_decayed(data):
    _, labels = data
    recipe = Recipe(1, 40, learning_rate=0.1, weight_decay=5.0, momentum=0.0, schedule="cosine")
    layer = torch.nn.Linear(3, 2)
    torch.nn.init.ones_(layer.weight)
    torch.nn.init.ones_(layer.bias)
    train(layer, np.zeros((40, 3), np.float32), labels, recipe, device=CPU)
    torch.testing.assert_close(layer.weight.detach(), torch.full((2, 3), 0.5))  # 1 - 0.1 * 5
    torch.testing.assert_close(layer.bias.detach(), torch.ones(2))


def test_weights_travel(data, tmp_path):
    trained, fresh = network(), network(seed=1)
    train(trained, *data, RECIPE, device=CPU)
    save_weights(trained, tmp_path / "weights")
    load_weights(fresh, tmp_path / "weights")
    assert same(state(fresh), state(trained))


def test_weights_of_another_network_are_refused(tmp_path):
    save_weights(network(n_classes=2), tmp_path / "weights")
    other = network(n_classes=3)
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
            load_weights(network(), tmp_path / name)


def test_choose_device():
    assert choose_device("cpu") == CPU
    assert choose_device().type in ("cuda", "mps", "cpu")
    for name in ("gpu", "cuda:99", ""):
        with pytest.raises(InvalidParameterError, match=f"device '{name}' is not on this machine.*cpu"):
            choose_device(name)
