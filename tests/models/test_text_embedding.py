"""Embeddings of a text: which tokens each row was read from, resumed, whole or not at all."""

from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.common import row_writer
from resmem_core.common.errors import Cancelled, InvalidParameterError
from resmem_core.data.text import Stream
from resmem_core.models import text_embedding
from resmem_core.models.text_embedding import embed_stream, hidden_of
from resmem_core.models.token_blocks import LanguageNetwork
from tests.models import texts

C, BOS, L, D = 50, 49, 8, 16
KINDS = pytest.mark.parametrize("kind", ["transformer", "recurrent"])
CPU = torch.device("cpu")


def stream_of(*lengths, seed=0):
    rng = np.random.default_rng(seed)
    return texts.stream_of(*[rng.integers(0, C - 1, n) for n in lengths])


def network(kind="transformer", seed=0):
    return texts.tiny(kind, C, L, seed=seed).eval()


class Trail(torch.nn.Module):
    """States that say what was read: the last token, how many there were, the first one."""

    def forward(self, ids):
        counts = torch.arange(1, ids.shape[1] + 1).expand_as(ids)
        return torch.stack([ids, counts, ids[:, :1].expand_as(ids)], -1).float()


def trail(length=L):
    return LanguageNetwork(Trail(), torch.nn.Linear(3, C), length)


def embedded(network, stream, folder, bos=BOS, batch_size=512, **kwargs):
    file = folder / "rows.npy"
    with mock.patch.object(text_embedding, "BATCH_TOKENS", batch_size * network.context_length):
        embed_stream(network, stream, bos=bos, file=file, device=CPU, **kwargs)
    return np.load(file)


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    length=st.integers(1, 9),
    batch_size=st.integers(1, 7),
)
def test_every_row_is_read_from_the_tokens_before_it(tmp_path_factory, lengths, length, batch_size):
    stream = stream_of(*lengths)
    rows = embedded(trail(length), stream, tmp_path_factory.mktemp("rows"), batch_size=batch_size)
    assert rows.dtype == np.float16
    assert rows.shape == (len(stream), 3)
    for row, (last, count, first) in enumerate(rows.astype(int).tolist()):
        start = stream.starts[stream.documents[row]]
        inputs = [BOS, *stream.ids[start:row].tolist()]  # of its document, up to the token before it
        assert last == inputs[-1]
        assert first == inputs[-count]
        assert min(len(inputs), length - length // 2) <= count <= length
        if len(inputs) <= length:
            assert count == len(inputs)


@KINDS
def test_a_prefix_of_a_document_asked_for_itself_has_the_row_of_memory(kind, tmp_path):
    stream, model = stream_of(1, 30, 5), network(kind)
    rows = embedded(model, stream, tmp_path)
    for row in range(len(stream)):
        context = stream.before(row, 10**6)
        found = hidden_of(model, context, bos=BOS, device=CPU)
        assert found.dtype == np.float16
        assert found.shape == (D,)
        np.testing.assert_allclose(found.astype(float), rows[row].astype(float), rtol=2e-3, atol=2e-3)


@KINDS
def test_who_is_read_with_it_changes_a_row_by_rounding_only(kind, tmp_path):
    """Sums of other batches may round another way: float16 has 11 bits, so about 0.001 of a value."""
    stream, model = stream_of(40, 3, 17, 1, 26), network(kind)
    one = embedded(model, stream, tmp_path, batch_size=1)
    for batch_size in (2, 5, 100):
        many = embedded(model, stream, tmp_path, batch_size=batch_size)
        np.testing.assert_allclose(many.astype(float), one.astype(float), rtol=2e-3, atol=1e-3)
    alone = Stream(stream.ids[43:60], np.array([0, 17]), ("alone",))
    np.testing.assert_allclose(embedded(model, alone, tmp_path).astype(float), one[43:60].astype(float), atol=1e-3)


def stop_at(tokens):
    def progress(step):
        if step.done >= tokens:
            raise Cancelled("enough")

    return progress


@pytest.mark.parametrize("tokens", [1, 60, 87])
@pytest.mark.parametrize(
    ("other", "change"),
    [
        ("", {}),
        ("text", {"stream": stream_of(40, 3, 17, 1, 26, seed=1)}),
        ("weights", {"network": network(seed=1)}),
        ("bos", {"bos": 3}),
    ],
)
def test_what_was_stopped_goes_on_from_there_if_it_is_of_the_same(tmp_path, monkeypatch, tokens, other, change):
    monkeypatch.setattr(row_writer, "NOTE_EVERY", 0)
    first = {"stream": stream_of(40, 3, 17, 1, 26), "network": network(), "folder": tmp_path, "batch_size": 2}
    with pytest.raises(Cancelled):
        embedded(**first, progress=stop_at(tokens))
    steps = []
    found = embedded(**{**first, **change}, progress=steps.append)
    assert steps[0].done == 0 if other else steps[0].done >= tokens
    assert (steps[-1].stage, steps[-1].done, steps[-1].total) == ("Embedding", 87, 87)
    assert np.array_equal(found, embedded(**{**first, **change}))


def test_a_state_beyond_float16_is_refused(tmp_path):
    class Large(torch.nn.Module):
        def forward(self, ids):
            return ids[..., None] * torch.tensor([1.0, 1e4, 0.0])

    model = LanguageNetwork(Large(), torch.nn.Linear(3, C), L)
    with pytest.raises(InvalidParameterError, match=r"an entry of 490000.*float16, up to 65504; use another base"):
        embedded(model, stream_of(5), tmp_path)
    with pytest.raises(InvalidParameterError, match=r"an entry of 70000"):
        hidden_of(model, np.array([3, 7], np.int32), bos=BOS, device=CPU)


def test_training_mode_is_given_back(tmp_path):
    model = network().train()
    embedded(model, stream_of(5), tmp_path)
    hidden_of(model, np.zeros(0, np.int32), bos=BOS, device=CPU)
    assert all(module.training for module in model.modules())
