"""The lines of Python that pages show do what they say."""

import pytest

from resmem_core.experiment.code import context_code, generate_code, point_code
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params


@pytest.mark.parametrize("params", [None, Params(7, 0.5, 2.0)], ids=["tuned", "given"])
def test_the_code_gives_the_numbers(params, capsys):
    config = ExperimentConfig(epochs=1, limit_train=60, imbalance=5, label_noise=0.1, normalize=False)
    exec(config.code(params), {})
    told = capsys.readouterr().out
    experiment = prepare(config)
    result = experiment.evaluate(params or experiment.tune().params)
    assert told.startswith(f"{result.n} test points, gain {result.delta} ")
    assert f"resmem {result.accuracy['resmem']}" in told


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (None, "{n} test tokens, gain"),
        (point_code(3), "-> "),
        (context_code("the red 'fox' {follows}\n"), "-> "),
        (generate_code("the red fox", 3, 0.5, 1), "\n"),
    ],
    ids=["figures", "point", "context", "generate"],
)
@pytest.mark.parametrize("params", [None, Params(5, 0.5)], ids=["tuned", "given"])
def test_the_code_that_pages_show_works(tiny, tiny_store, monkeypatch, capsys, work, says, params):
    monkeypatch.setenv("RESMEM_CACHE", str(tiny_store.root))
    exec(tiny.config.code(params, work), {})
    told = capsys.readouterr().out
    assert says.format(n=len(tiny.test)) in told
    if "-> " in says:
        assert told.count("-> ") == (params or tiny.tune().params).k
