"""A training run on disk: taken up as it was, or not at all."""

import pytest
import torch

from resmem_core.common.errors import StoreError
from resmem_core.models.checkpoint import Run

OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "plain": lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.1),
    "fused": lambda parameters: torch.optim.AdamW(parameters, lr=0.1, fused=True),
}


def begun(kind, steps, seed=0):
    """Return a network after so many steps, and its optimiser."""
    torch.manual_seed(seed)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    network.to(memory_format=torch.channels_last)
    optimizer = OPTIMIZERS[kind](network.parameters())
    go_on(network, optimizer, steps)
    return network, optimizer


def go_on(network, optimizer, steps):
    x = torch.arange(300.0).view(2, 3, 5, 10).sin()
    for _ in range(steps):
        optimizer.zero_grad()
        network(x).square().mean().backward()
        optimizer.step()


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_what_is_taken_up_goes_on_as_if_never_stopped(tmp_path, kind):
    network, optimizer = begun(kind, 3)
    Run("this", [2.0, 1.5], 4.5, steps=3, seen=6, total=0.1).save(tmp_path / "checkpoint", network, optimizer)
    go_on(network, optimizer, 4)

    other, its_optimizer = begun(kind, 0, seed=1)
    run = Run("this")
    assert run.resume(tmp_path / "checkpoint", other, its_optimizer)
    assert run == Run("this", [2.0, 1.5], 4.5, steps=3, seen=6, total=0.1)
    go_on(other, its_optimizer, 4)
    assert same(network, other)


DAMAGES = {
    "absent": None,
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(40),
    "half": lambda content: content[: len(content) // 2],
    "head": lambda content: content[:8] + b"[" + content[9:],
    "bit": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "no safetensors": lambda content: b"{}" * 40,
    "other run": lambda content: content,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_anything_else_changes_nothing(tmp_path, damage):
    path = tmp_path / "checkpoint"
    Run("that" if damage == "other run" else "this", [1.0]).save(path, *begun("adamw", 2))
    if damage == "absent":
        path.unlink()
    else:
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    network, optimizer = begun("adamw", 0, seed=1)
    untouched, _ = begun("adamw", 0, seed=1)
    run = Run("this")
    assert not run.resume(path, network, optimizer)
    assert run == Run("this")
    assert same(network, untouched)
    assert not optimizer.state


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(StoreError, match=r"could not write the checkpoint .*nowhere"):
        Run("this").save(tmp_path / "nowhere" / "checkpoint", *begun("sgd", 1))
