"""A text in batches: windows of a ring, what is predicted in them, and what networks learn of it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.data.text import Stream
from resmem_core.models.batches import generator_of
from resmem_core.models.token_batches import TokenBatches
from resmem_core.models.token_blocks import LanguageNetwork
from resmem_core.models.training import train
from resmem_core.models.types import Recipe
from tests.models.texts import counting, stream_of, tiny

C, BOS, L = 12, 11, 8
CPU = torch.device("cpu")
RECIPE = Recipe(40, batch_size=4, learning_rate=0.01, weight_decay=0.1, optimizer="adamw", clip=1.0)


@pytest.fixture(scope="module")
def text():
    return counting()


def trained(stream, recipe=RECIPE, kind="transformer"):
    network = tiny(kind, C, L)
    return network, train(network, TokenBatches(stream, BOS, L), recipe, device=CPU)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_an_epoch_covers_the_text(text, batch_size):
    data, recipe = TokenBatches(text, BOS, L), replace(RECIPE, batch_size=batch_size)
    tokens = sorted([*text.ids.tolist(), *[BOS] * 5])
    for epoch in range(5):
        batches = list(data.epoch(recipe, generator_of(0, epoch)))
        windows = math.ceil(len(tokens) / L)
        assert len(batches) == data.steps(batch_size) == math.ceil(windows / batch_size)
        assert sum(len(batch.inputs) for batch in batches) == windows
        seen = sorted(torch.cat([batch.targets for batch in batches]).tolist())
        again = windows * L - len(tokens)  # the last window goes on where the first began
        assert len(seen) == len(tokens) + again
        for token in set(tokens):
            assert seen.count(token) >= tokens.count(token)
        assert sum(batch.n for batch in batches) == sum(token != BOS for token in seen)


def test_windows_are_pieces_of_the_ring(text):
    ring = np.insert(text.ids.astype(np.int64), text.starts[:-1], BOS).tolist()
    pieces = {tuple((ring + ring)[begin : begin + L + 1]) for begin in range(len(ring))}
    for batch in TokenBatches(text, BOS, L).epoch(RECIPE, generator_of(0, 0)):
        for inputs, targets in zip(batch.inputs.tolist(), batch.targets.view(-1, L).tolist(), strict=True):
            assert inputs[1:] == targets[:-1]
            assert (*inputs, targets[-1]) in pieces


@pytest.mark.parametrize("kind", ["transformer", "recurrent"])
def test_a_network_learns_what_comes_next(text, kind):
    network, history = trained(text, kind=kind)
    assert history.losses[0] == pytest.approx(math.log(C), abs=0.5)
    assert history.losses[-1] < 0.7
    with torch.inference_mode():
        logits = network(torch.tensor([[BOS, 0, 3, 6, 9, 2]]))
    assert logits[0, 2:].argmax(1).tolist() == [6, 9, 2, 5]


def test_what_begins_a_document_is_never_predicted(text):
    """It is no text; all it gets is its share of what other tokens do not."""
    network, _ = trained(text, replace(RECIPE, epochs=20, dropout=0.2))
    with torch.inference_mode():
        probabilities = network(torch.from_numpy(text.ids[None, :L].astype(np.int64))).softmax(-1)
    assert probabilities[..., BOS].max() < 0.02


@pytest.mark.parametrize("tokens", [[3], [3, 4], range(L), range(L + 1)])
def test_a_text_shorter_than_a_window_is_read_round_and_round(tokens):
    _, history = trained(stream_of([i % 10 for i in tokens]), replace(RECIPE, epochs=30, dropout=0.2))
    assert history.losses[-1] < history.losses[0]


def test_no_text_is_refused():
    with pytest.raises(DatasetError, match="one token at least"):
        TokenBatches(Stream(np.zeros(0, np.int32), np.zeros(1, np.int64), ()), BOS, L)


@pytest.mark.parametrize(
    ("tokens", "bos", "message"),
    [
        ([0, 12], BOS, "numbered 0 to 12, but the network knows 0 to 11"),
        ([-1, 2], BOS, "numbered -1 to 11"),
        ([0, 1], 40, "numbered 0 to 40"),
    ],
)
def test_tokens_that_the_network_does_not_know_are_refused(tokens, bos, message):
    with pytest.raises(DatasetError, match=message):
        TokenBatches(stream_of(tokens), bos, L).prepare(tiny("transformer", C, L))


def test_a_frozen_network_is_not_trained(text):
    frozen = LanguageNetwork(torch.nn.Embedding(C, 4), torch.nn.Linear(4, C), L, frozen=True)
    with pytest.raises(InvalidParameterError, match="frozen"):
        train(frozen, TokenBatches(text, BOS, L), RECIPE, device=CPU)
