"""Training on a text: reproducible, resumable in mid-epoch, and what it refuses."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from resmem_core.common.errors import Cancelled, DatasetError, InvalidParameterError, ResMemError, StoreError
from resmem_core.data.text import Stream
from resmem_core.models import text_training as training
from resmem_core.models.text_training import train_language
from resmem_core.models.token_blocks import LanguageNetwork, recurrent, transformer
from resmem_core.models.training import initial_weights
from resmem_core.models.types import Recipe

C, BOS, L = 12, 11, 8
CPU = torch.device("cpu")
RECIPE = Recipe(3, batch_size=4, learning_rate=0.01, weight_decay=0.1, optimizer="adamw", dropout=0.2, clip=1.0)


def stream_of(*documents):
    starts = np.cumsum([0, *map(len, documents)])
    ids = np.concatenate([np.asarray(d, np.int32) for d in documents])
    return Stream(ids, starts, tuple(f"document {i}" for i in range(len(documents))))


@pytest.fixture(scope="module")
def text():
    """Return five documents that count up, each in steps of its own."""
    return stream_of(*[np.arange(n) * step % 10 for step, n in enumerate((40, 25, 31, 1, 60), start=1)])


def network(seed=0, kind=transformer):
    with initial_weights(seed):
        if kind is recurrent:
            return recurrent(C, 16, hidden=24, length=L)
        return transformer(C, 16, layers=1, heads=2, length=L)


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def fitted(text, recipe=RECIPE, kind=transformer, seed=0, **kwargs):
    trained = network(seed, kind)
    history = train_language(trained, text, recipe, bos=BOS, seed=seed, device=CPU, **kwargs)
    return state(trained), history


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
    monkeypatch.setattr("resmem_core.models.training.REPORT_EVERY", 0)


@pytest.mark.parametrize("kind", [transformer, recurrent])
def test_it_learns_what_comes_next(text, kind):
    trained = network(kind=kind)
    recipe = replace(RECIPE, epochs=40, dropout=0)
    history = train_language(trained, text, recipe, bos=BOS, device=CPU)
    assert len(history.losses) == 40
    assert history.losses[0] == pytest.approx(math.log(C), abs=0.5)
    assert history.losses[-1] < 0.7
    assert history.seconds > 0
    assert not any(module.training for module in trained.modules())
    with torch.inference_mode():
        logits = trained(torch.tensor([[BOS, 0, 3, 6, 9, 2]]))
    assert logits[0, 2:].argmax(1).tolist() == [6, 9, 2, 5]


def test_what_begins_a_document_is_never_predicted(text):
    """It is no text; all it gets is its share of what other tokens do not."""
    trained = network()
    train_language(trained, text, replace(RECIPE, epochs=20), bos=BOS, device=CPU)
    with torch.inference_mode():
        probabilities = trained(torch.from_numpy(text.ids[None, :L].astype(np.int64))).softmax(-1)
    assert probabilities[..., BOS].max() < 0.02


@pytest.mark.parametrize("kind", [transformer, recurrent])
def test_the_same_seed_gives_the_same_weights(text, kind):
    first, history = fitted(text, kind=kind)
    torch.manual_seed(99)
    again, history_again = fitted(text, kind=kind)
    assert same(first, again)
    assert history.losses == history_again.losses
    assert not same(first, fitted(text, kind=kind, seed=1)[0])


@pytest.mark.parametrize("stopped_at", [1, 2, 6, 8, 14, 17])
@pytest.mark.parametrize("kind", [transformer, recurrent])
def test_resumed_training_ends_as_uninterrupted_training_does(text, tmp_path, eager, monkeypatch, stopped_at, kind):
    """Six steps an epoch, a checkpoint after each."""
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 0)
    expected, history = fitted(text, kind=kind)
    path = tmp_path / "checkpoint"
    with pytest.raises(Cancelled):
        fitted(text, kind=kind, checkpoint=path, progress=stop_after(stopped_at))
    assert path.exists() == (stopped_at > 1)

    steps = []
    resumed, resumed_history = fitted(text, kind=kind, checkpoint=path, progress=steps.append)
    assert same(resumed, expected)
    assert resumed_history.losses == history.losses
    assert len(steps) == 18 - (stopped_at - 1) + 1  # the last step is told twice


def test_a_checkpoint_is_written_after_every_epoch_too(text, tmp_path, eager):
    path = tmp_path / "checkpoint"
    with pytest.raises(Cancelled):
        fitted(text, checkpoint=path, progress=stop_after(9))
    steps = []
    fitted(text, checkpoint=path, progress=steps.append)
    assert steps[0].message.startswith("epoch 2 of 3")
    assert steps[0].done * 18 == pytest.approx(steps[0].total * 7, rel=0.05)


def test_a_finished_checkpoint_is_taken_as_it_is(text, tmp_path):
    expected, history = fitted(text, checkpoint=tmp_path / "checkpoint")
    steps = []
    again, history_again = fitted(text, checkpoint=tmp_path / "checkpoint", progress=steps.append)
    assert same(again, expected)
    assert history_again == history
    assert [step.done for step in steps] == [steps[0].total]


def test_a_damaged_checkpoint_is_ignored(text, tmp_path):
    path = tmp_path / "checkpoint"
    expected, _ = fitted(text, checkpoint=path)
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(damaged)
        assert same(fitted(text, checkpoint=path)[0], expected)


@pytest.mark.parametrize("change", ["recipe", "seed", "text", "cut", "network", "bos"])
def test_a_checkpoint_of_another_run_is_ignored(text, tmp_path, eager, change):
    path = tmp_path / "checkpoint"
    with pytest.raises(Cancelled):
        fitted(text, checkpoint=path, progress=stop_after(14))
    recipe, seed, bos, kind = RECIPE, 0, BOS, transformer
    match change:
        case "recipe":
            recipe = replace(RECIPE, dropout=0.3)
        case "seed":
            seed = 1
        case "text":
            text = Stream((text.ids + 1) % 10, text.starts, text.names)
        case "cut":
            text = Stream(text.ids, np.delete(text.starts, 1), text.names[1:])
        case "network":
            kind = recurrent
        case "bos":
            bos = 10
    steps = []
    train_language(
        network(kind=kind), text, recipe, bos=bos, seed=seed, device=CPU, checkpoint=path, progress=steps.append
    )
    assert steps[0].message.startswith("epoch 1 of 3")


def test_progress_counts_tokens_over_all_epochs(text, eager):
    steps = []
    fitted(text, progress=steps.append)
    tokens = len(text) + len(text.names)  # one more before each document
    assert {(step.stage, step.total) for step in steps} == {("Training", 3 * tokens)}
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[5] == tokens
    assert done[-1] == 3 * tokens
    assert steps[-1].message.startswith("epoch 3 of 3, perplexity ")


def test_a_cancelled_network_is_left_in_evaluation_mode_and_whole(text, eager):
    trained = network()
    with pytest.raises(Cancelled):
        train_language(trained, text, RECIPE, bos=BOS, device=CPU, progress=stop_after(4))
    assert not any(module.training for module in trained.modules())
    trained.train()
    ids = torch.zeros(1, L, dtype=torch.int64)
    assert torch.equal(trained(ids), trained(ids))  # drops nothing any more


@pytest.mark.parametrize("tokens", [[3], [3, 4], range(L), range(L + 1)])
def test_a_text_shorter_than_a_window_is_read_round_and_round(tokens):
    trained = network()
    history = train_language(
        trained, stream_of([i % 10 for i in tokens]), replace(RECIPE, epochs=30), bos=BOS, device=CPU
    )
    assert history.losses[-1] < history.losses[0]


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_an_epoch_covers_the_text(text, batch_size):
    windows = training._Windows(text, BOS, L, batch_size)
    for seed in range(5):
        begins = torch.cat(windows.batches(torch.Generator().manual_seed(seed)))
        places = (begins[:, None] + torch.arange(1, L + 1)) % windows.tokens
        assert set(places.flatten().tolist()) == set(range(windows.tokens))
        assert len(begins) == math.ceil(windows.tokens / L)
    ring = windows.read(torch.tensor([0, 38, windows.tokens - 2])).tolist()
    assert ring[0] == [BOS, *range(8)]
    assert ring[1] == [7, 8, 9, BOS, 0, 2, 4, 6, 8]
    assert ring[2] == [int(text.ids[-2]), int(text.ids[-1]), BOS, 0, 1, 2, 3, 4, 5]


def test_a_loss_that_is_not_finite_says_what_to_lower(text):
    with pytest.raises(ResMemError, match=r"lower the learning rate, now 1e\+30"):
        fitted(text, replace(RECIPE, learning_rate=1e30))


def test_a_checkpoint_that_cannot_be_written_is_an_error(text, tmp_path):
    with pytest.raises(StoreError, match="could not write the checkpoint"):
        fitted(text, checkpoint=tmp_path / "no such folder" / "checkpoint")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"stream": Stream(np.zeros(0, np.int32), np.zeros(1, np.int64), ())}, DatasetError, "one token at least"),
        ({"stream": stream_of([0, 12])}, DatasetError, "numbered 0 to 12, but the network knows 0 to 11"),
        ({"stream": stream_of([-1, 2])}, DatasetError, "numbered -1 to 11"),
        ({"bos": 40}, DatasetError, "numbered 0 to 40"),
        ({"seed": -1}, InvalidParameterError, "seed=-1"),
    ],
)
def test_bad_input_is_refused(change, error, message):
    arguments = {"stream": stream_of([0, 1]), "recipe": RECIPE, "bos": BOS, **change}
    with pytest.raises(error, match=message):
        train_language(network(), arguments.pop("stream"), arguments.pop("recipe"), **arguments, device=CPU)


def test_a_frozen_network_is_not_trained(text):
    frozen = LanguageNetwork(torch.nn.Embedding(C, 4), torch.nn.Linear(4, C), L, frozen=True)
    with pytest.raises(InvalidParameterError, match="frozen"):
        train_language(frozen, text, RECIPE, bos=BOS, device=CPU)
