import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, TensorDataset
from torchvision.models import vgg11

from resmem_core.common import mapped
from resmem_core.common.errors import Cancelled, DatasetError, InvalidParameterError
from resmem_core.models import BACKBONES, batch_size
from resmem_core.models.batch_size import affordable
from resmem_core.models.embedding import embed
from resmem_core.models.module_outputs import embed_module
from resmem_core.models.training import new_network


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (11, 3, 16, 16), dtype=np.uint8)


@pytest.fixture
def network():
    return new_network(BACKBONES.get("resnet8"), (3, 16, 16), 5, seed=0)


def as_inputs(images):
    return images.astype(np.float32) / 255


def test_embed_module_agrees_with_embed(network, images):
    expected = embed(network, images)
    result = embed_module(network, "trunk", as_inputs(images), batch_size=3)
    np.testing.assert_allclose(result.embeddings, expected.embeddings, atol=1e-5)
    np.testing.assert_allclose(result.logits, expected.logits, atol=1e-5)


def test_each_mode_is_given_back(network, images):
    network.train()
    network.head.eval()
    before = [module.training for module in network.modules()]
    embed(network, images)
    embed_module(network, "trunk", as_inputs(images))
    assert [module.training for module in network.modules()] == before


def test_progress_counts_images_and_may_cancel(network, images):
    steps = []
    embed_module(network, "trunk", as_inputs(images), batch_size=4, progress=steps.append)
    assert [(s.stage, s.done, s.total) for s in steps] == [("Embedding", done, 11) for done in (0, 4, 8, 11)]

    def cancel(step):
        raise Cancelled("enough")

    network.train()
    with pytest.raises(Cancelled):
        embed_module(network, "trunk", as_inputs(images), progress=cancel)
    assert network.training
    assert not network.trunk._forward_hooks


def test_deep_outputs_are_flattened():
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(2 * 3 * 4, 5))
    x = torch.rand(6, 1, 3, 4)
    result = embed_module(module, "0", x)
    np.testing.assert_allclose(result.embeddings, module[0](x).flatten(1).detach().numpy(), atol=1e-6)
    assert result.logits.shape == (6, 5)


@pytest.mark.parametrize("layer", ["0", "1", "3"])
def test_layers_that_work_in_place_change_neither_the_embedding_nor_the_inputs(layer):
    torch.manual_seed(0)
    first, second, third = (nn.ReLU(inplace=True) for _ in range(3))
    module = nn.Sequential(first, nn.Linear(4, 6), second, nn.Linear(6, 6), third, nn.Linear(6, 3))
    x = torch.randn(7, 4)
    before = x.clone()
    found = embed_module(module, layer, x, batch_size=3).embeddings
    assert torch.equal(x, before)
    expected = before.relu() if layer == "0" else module[1](before.relu())
    expected = module[3](expected.relu()) if layer == "3" else expected
    assert (expected < 0).any() or layer == "0"
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-6)


def test_an_unknown_layer_lists_the_likeliest(network, images):
    with pytest.raises(InvalidParameterError, match=r"no layer 'trunc'.*: trunk"):
        embed_module(network, "trunc", as_inputs(images))
    with pytest.raises(InvalidParameterError, match="no layer ''"):
        embed_module(network, "", as_inputs(images))


class Odd(nn.Module):
    """A classifier with a layer for each way to be of no use."""

    def __init__(self, output) -> None:
        super().__init__()
        self.pair = Pair()
        self.column = nn.Flatten(0)
        self.idle = nn.Linear(4, 4)
        self.linear = nn.Linear(4, 3)
        self.output = output

    def forward(self, x):
        self.column(x)
        return self.output(self.linear(self.pair(x)[0]))


class Pair(nn.Module):
    def forward(self, x):
        return x, x


AS_IT_IS = nn.Identity()


@pytest.mark.parametrize(
    ("layer", "output", "message"),
    [
        ("pair", AS_IT_IS, "output of layer 'pair' must be one tensor.*but is tuple"),
        ("column", AS_IT_IS, r"output of layer 'column'.*B=5, but is a tensor of shape \(20,\)"),
        ("idle", AS_IT_IS, "layer 'idle' was not reached"),
        ("linear", lambda x: {"logits": x}, "but is dict"),
        ("linear", lambda x: x[:, :, None], r"shape \(B, C\).*\(5, 3, 1\)"),
        ("linear", lambda x: x.sum(1), r"but is a tensor of shape \(5,\)"),
        ("linear", lambda x: x[:, :1], r"with C of 2 or more.* but is a tensor of shape \(5, 1\)"),
    ],
)
def test_what_gives_no_embedding_or_no_logits_is_refused(layer, output, message):
    module = Odd(output)
    with pytest.raises(InvalidParameterError, match=message):
        embed_module(module, layer, np.zeros((5, 4), np.float32))
    assert not any(part._forward_hooks for part in module.modules())
    assert module.training


# Layers ----------------------------------------------------------------------------------------------------


@pytest.fixture
def mlp():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Linear(6, 6), nn.ReLU(inplace=True), nn.Linear(6, 3)
    )


X = torch.randn(70, 4, generator=torch.Generator().manual_seed(0))


def test_several_layers_and_what_enters_them_come_from_one_pass(mlp):
    passes = []
    mlp.register_forward_hook(lambda *_: passes.append(1))
    names = ["0", "2", "input:2", "input:3", "3", "input:0"]
    found = embed_module(mlp, names, X, batch_size=64)
    assert len(passes) == 2
    with torch.no_grad():
        first = mlp[0](X)
        second = mlp[2](first.relu())
        expected = dict(zip(names, [first, second, first.relu(), second, second.relu(), X], strict=True))
        logits = mlp[4](second.relu())
    assert list(found) == names
    for name in names:
        np.testing.assert_allclose(found[name].embeddings, expected[name], atol=1e-6)
        np.testing.assert_allclose(found[name].logits, logits, atol=1e-6)
        np.testing.assert_allclose(embed_module(mlp, name, X).embeddings, found[name].embeddings, atol=1e-6)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in list(mlp))


def test_the_input_may_be_named_or_stand_before_a_layer_that_gives_several():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)

        def forward(self, x):
            return self.head(input=self.lstm(x)[0][:, -1])

    model, x = Model(), torch.randn(6, 7, 4)
    found = embed_module(model, ["input:head", "input:lstm"], x)
    np.testing.assert_allclose(found["input:head"].embeddings, model.lstm(x)[0][:, -1].detach(), atol=1e-6)
    np.testing.assert_array_equal(found["input:lstm"].embeddings, x.flatten(1))


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("input:fc", r"no layer 'input:fc'; the likeliest of the 5"),
        ("input:", "no layer 'input:'"),
        (["0", "6"], "no layer '6'"),
        ([], "names no layer"),
    ],
)
def test_layers_that_are_not_there_are_refused(mlp, layer, said):
    with pytest.raises(InvalidParameterError, match=said):
        embed_module(mlp, layer, X)
    assert not any(part._forward_hooks for part in mlp)


def test_layers_in_place_of_a_network_of_torchvision():
    torch.manual_seed(0)
    module = vgg11(num_classes=3).eval()
    x = torch.randn(2, 3, 32, 32)
    found = embed_module(module, ["classifier.3", "input:classifier.6"], x)
    with torch.no_grad():
        before = module.classifier[:4](module.avgpool(module.features(x)).flatten(1))
    assert (before < 0).any()
    np.testing.assert_allclose(found["classifier.3"].embeddings, before, atol=1e-5)
    np.testing.assert_allclose(found["input:classifier.6"].embeddings, before.relu(), atol=1e-5)


def test_what_the_module_gives_in_float64_keeps_its_digits(mlp):
    far = nn.Sequential(nn.Linear(4, 4).double(), nn.Linear(4, 3).double())
    nn.init.eye_(far[0].weight)
    nn.init.constant_(far[0].bias, 1e8)
    found = embed_module(far, "0", X.double()).embeddings
    np.testing.assert_allclose(found - 1e8, X, atol=1e-7)
    assert embed_module(mlp.bfloat16(), "0", X.bfloat16()).embeddings.dtype == np.float32


# Inputs ----------------------------------------------------------------------------------------------------


class Stream(IterableDataset):
    def __iter__(self):
        return iter(X)


LABELS = torch.zeros(70)
INPUTS = {
    "array": X.numpy,
    "dataset": lambda: TensorDataset(X, LABELS),
    "loader": lambda: DataLoader(TensorDataset(X, LABELS), batch_size=16),
    "loader of inputs alone": lambda: DataLoader(X, batch_size=16),
    "loader of a stream": lambda: DataLoader(Stream(), batch_size=16),
    "loader of batches": lambda: DataLoader(list(X.split(9)), batch_size=None),
    "tuples": lambda: ((part, None) for part in X.split(33)),
    "generator": lambda: (part.numpy() for part in (X[:0], *X.split(1))),
    "list": lambda: list(X.split(64)),
}


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("size", [None, 7])
def test_batches_come_from_anything(mlp, kind, size):
    sizes, steps = [], []
    mlp.register_forward_pre_hook(lambda _module, args: sizes.append(len(args[0])))
    before = X.clone()
    found = embed_module(mlp, "input:4", INPUTS[kind](), batch_size=size, progress=steps.append)
    expected = embed_module(mlp, "input:4", X)
    np.testing.assert_allclose(found.embeddings, expected.embeddings, atol=1e-6)
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-6)
    assert torch.equal(X, before)
    assert size is None or max(sizes[: len(steps) - 1]) <= 7
    known = kind in {"array", "dataset", "loader", "loader of inputs alone"}
    assert {step.total for step in steps} == {70 if known else 0}
    assert (steps[0].done, steps[-1].done) == (0, 70)


@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(TensorDataset(X), shuffle=True),
        DataLoader(TensorDataset(X), sampler=torch.utils.data.SubsetRandomSampler(range(9))),
        DataLoader(TensorDataset(X), batch_sampler=BatchSampler(RandomSampler(X), 4, drop_last=False)),
    ],
)
def test_batches_in_random_order_are_refused(mlp, loader):
    with pytest.raises(InvalidParameterError, match=r"in random order \(.*RandomSampler\).*shuffle=False"):
        embed_module(mlp, "0", loader)


def test_a_loader_that_leaves_examples_out_is_refused(mlp):
    with pytest.raises(InvalidParameterError, match=r"leave out the last 6 of 70 examples.*drop_last=False"):
        embed_module(mlp, "0", DataLoader(TensorDataset(X), batch_size=8, drop_last=True))
    assert len(embed_module(mlp, "0", DataLoader(TensorDataset(X), batch_size=7, drop_last=True)).logits) == 70


def test_of_a_layer_that_runs_twice_the_last_counts_and_it_is_told(mlp):
    relu = nn.ReLU()
    twice = nn.Sequential(mlp[0], relu, mlp[2], relu, mlp[4])
    with pytest.warns(UserWarning, match=r"layer '1' runs several times .*: the output .* is that of the last"):
        found = embed_module(twice, ["1", "4"], X)
    np.testing.assert_array_equal(found["1"].embeddings, embed_module(mlp, "3", X).embeddings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embed_module(twice, "4", X)


def test_sparse_results_are_made_dense(mlp):
    class Sparse(nn.Module):
        def forward(self, x):
            return x.to_sparse()

    found = embed_module(nn.Sequential(mlp[0], Sparse(), mlp[2]), "1", X)
    np.testing.assert_array_equal(found.embeddings, embed_module(mlp, "0", X).embeddings)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (7, "inputs is a int"),
        ("x.npy", "inputs is a str"),
        (pd.DataFrame(X.numpy(), columns=list("abcd")), "begins with, a str; expected an array or tensor"),
        (X.tolist(), "begins with, a float"),
        ([{"x": X}], "begins with, a dict"),
        ([X, torch.randn(3, 5, 4)], r"float32 rows of shape \(20,\) come after float32 rows of shape \(4,\)"),
    ],
)
def test_what_are_no_batches_is_refused(inputs, said):
    with pytest.raises(InvalidParameterError, match=said):
        embed_module(nn.Sequential(nn.Flatten()), "0", inputs)


@pytest.mark.parametrize("inputs", [X[:0], [], iter([X[:0]])])
def test_no_examples_are_refused(mlp, inputs):
    with pytest.raises(DatasetError, match="no examples"):
        embed_module(mlp, "0", inputs)


# Memory ----------------------------------------------------------------------------------------------------


def test_large_results_lie_in_a_file(mlp, tmp_path, monkeypatch):
    monkeypatch.setenv("RESMEM_CACHE", str(tmp_path))
    expected = embed_module(mlp, "0", X)
    monkeypatch.setattr(mapped, "LARGE", 500)
    found = embed_module(mlp, "0", X, batch_size=4)
    assert isinstance(found.embeddings, np.memmap)
    np.testing.assert_allclose(found.embeddings, expected.embeddings, atol=1e-6)
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-6)


def test_batches_are_as_large_as_memory_takes(monkeypatch):
    module = nn.Sequential(nn.Conv2d(3, 8, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    largest = (3 + 8) * 64 * 64 * 4  # bytes that the convolution takes and gives
    monkeypatch.setattr(batch_size, "BUDGET", 10 * batch_size.HELD * largest)
    sizes = []
    for inputs in (torch.rand(25, 3, 64, 64), [torch.rand(25, 3, 64, 64)]):
        handle = module.register_forward_pre_hook(lambda _module, args: sizes.append(len(args[0])))
        embed_module(module, "2", inputs)
        handle.remove()
    assert sizes == [2, 10, 10, 5] * 2  # two are looked at first
    assert affordable(module, torch.rand(1, 3, 512, 512)) == 1
    assert affordable(module, torch.rand(1, 3, 2, 2)) == batch_size.MOST


# Probabilities ---------------------------------------------------------------------------------------------


def test_a_module_that_returns_probabilities_is_told_of(mlp):
    probable = nn.Sequential(mlp, nn.Softmax(1))
    logits = embed_module(mlp, "0", X).logits
    with pytest.warns(UserWarning, match="the module returns probabilities.*logits='raw'"):
        found = embed_module(probable, "0", X)
    shift = logits - found.logits
    np.testing.assert_allclose(shift, np.tile(shift[:, :1], 3), atol=1e-5)
    np.testing.assert_array_equal(embed_module(probable, "0", X, logits="probabilities").logits, found.logits)
    np.testing.assert_allclose(embed_module(probable, "0", X, logits="raw").logits.sum(1), 1, atol=1e-6)
    with pytest.raises(InvalidParameterError, match="returns rows that are not 0 or more with the sum 1"):
        embed_module(mlp, "0", X, logits="probabilities")
    with pytest.raises(InvalidParameterError, match="logits='softmax' must be None or one of: raw, probabilities"):
        embed_module(mlp, "0", X, logits="softmax")
