import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import resmem_core
from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.evaluation.attach import attach
from resmem_core.evaluation.tuning import tune
from resmem_core.evaluation.values import tune_values
from resmem_core.memory.indexes.exact import ExactIndex
from resmem_core.memory.residuals import auto_sigma
from resmem_core.memory.types import Memory, Queries
from resmem_core.memory.values import ValueMemory, ValueQueries
from resmem_core.models.module_outputs import embed_module


def drawn(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)).astype(np.float32)
    return x, ((x[:, 0] > 0) ^ (x[:, 1] > 0)).astype(np.int64)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))


X, Y = drawn(400, 0)
HELD_OUT = drawn(150, 1)
TENSORS = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))


def test_memory_corrects_a_model_that_cannot_fit(model):
    module = resmem_core.attach(model, "0", (X, Y), validation=HELD_OUT)
    x, y = drawn(500, 2)
    base = model(torch.from_numpy(x)).argmax(1).numpy()
    assert (module.predict(x).numpy() == y).mean() > 0.9 > (base == y).mean() + 0.2


@pytest.mark.parametrize(
    "data",
    [TENSORS, DataLoader(TENSORS, batch_size=7), [(X[:150], Y[:150]), (X[150:], torch.from_numpy(Y[150:, None]))]],
    ids=["dataset", "loader", "batches"],
)
def test_data_come_from_anything(model, data):
    expected, module = attach(model, "0", (X, Y)).state_dict(), attach(model, "0", data)
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, expected[name])
    assert torch.equal(module.targets, torch.from_numpy(Y)[module.rows])


def test_settings_nobody_chose(model):
    params = attach(model, "0", (X, Y)).params
    z = embed_module(model, "0", X).embeddings
    nearest = ExactIndex(z).search(z, 1, exclude=np.arange(len(z))).distances
    assert (params.k, params.temperature, params.gamma) == (20, 1.0, 1.0)
    assert params.sigma == pytest.approx(auto_sigma(nearest), rel=1e-4)
    assert attach(model, "0", (X[:3], Y[:3])).params.k == 3
    assert attach(model, "0", (X[:1], Y[:1])).params.sigma == 1.0


def test_settings_are_chosen_on_validation(model):
    module = attach(model, "0", (X, Y), validation=HELD_OUT, gamma=0.5)
    memory, asked = (embed_module(model, "0", x) for x in (X, HELD_OUT[0]))
    found = ExactIndex(memory.embeddings).search(asked.embeddings, 256)
    scale = auto_sigma(found.distances[:, 0])
    tuned = tune(Memory(memory.logits, Y), Queries(asked.logits, HELD_OUT[1], found), scale).params
    assert (module.params.k, module.params.temperature) == (tuned.k, pytest.approx(tuned.temperature))
    assert module.params.sigma == pytest.approx(tuned.sigma, rel=1e-4)
    assert module.params.gamma == 0.5


def test_settings_of_a_regressor_are_chosen_on_validation():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    targets, held_out = (x[:, 0] * x[:, 1] for x in (X, HELD_OUT[0]))
    module = attach(model, "0", (X, targets), validation=(HELD_OUT[0], held_out))
    base, asked = (model(torch.from_numpy(x))[:, 0].detach().double().numpy() for x in (X, HELD_OUT[0]))
    z, q = (model[0](torch.from_numpy(x)).detach().numpy() for x in (X, HELD_OUT[0]))
    found = ExactIndex(z).search(q, 256)
    queries = ValueQueries(asked, held_out.astype(float), found)
    tuned = tune_values(ValueMemory(base, targets.astype(float)), queries, auto_sigma(found.distances[:, 0]))
    assert (module.params.k, module.params.gamma) == (tuned.params.k, tuned.params.gamma)
    error = float(np.square(module.predict(HELD_OUT[0])[:, 0].numpy() - held_out).mean() ** 0.5)
    assert error == pytest.approx(tuned.rmse["resmem"], rel=0.01)
    assert error < 0.7 * tuned.rmse["base"]


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"k": 401}, InvalidParameterError, "k=401 cannot exceed"),
        ({"k": 0}, InvalidParameterError, "k=0"),
        ({"sigma": -1.0}, InvalidParameterError, "sigma=-1.0"),
        ({"temperature": float("nan")}, InvalidParameterError, "temperature=nan"),
        ({"gamma": -1}, InvalidParameterError, "gamma=-1"),
        ({"k": 5, "validation": HELD_OUT}, InvalidParameterError, "k=5 cannot be given beside validation"),
        ({"dtype": torch.float64}, InvalidParameterError, "dtype=torch.float64"),
        ({"logits": "odds"}, InvalidParameterError, "logits='odds'"),
        ({"layer": "2"}, InvalidParameterError, "no layer '2'"),
        ({"loader": (X, Y + 1)}, DatasetError, "from 1 to 2; expected whole numbers from 0 to 1"),
        ({"loader": (X, Y.astype(float))}, DatasetError, "labels are float64"),
        ({"loader": (X, Y[1:])}, DatasetError, r"labels of shape \(399,\)"),
        ({"loader": (X, np.eye(2)[Y])}, DatasetError, r"labels of shape \(400, 2\)"),
        ({"loader": (X * np.nan, Y)}, DatasetError, "not finite"),
        ({"loader": (1e9 * X, Y), "dtype": torch.float16}, DatasetError, "too large for torch.float16"),
        ({"loader": []}, DatasetError, "no examples"),
        ({"loader": [X]}, InvalidParameterError, r"a batch is a ndarray; expected a pair"),
        ({"loader": [("text", Y)]}, InvalidParameterError, "inputs are a str"),
        ({"loader": DataLoader(TENSORS, shuffle=True)}, InvalidParameterError, "shuffle=False"),
        ({"model": nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))}, DatasetError, "one column"),
    ],
)
def test_what_cannot_be_attached_is_told(model, given, error, said):
    with pytest.raises(error, match=said):
        attach(**({"model": model, "layer": "0", "loader": (X, Y)} | given))
    assert not any(part._forward_hooks for part in model.modules())


def test_work_is_told(model):
    steps = []
    attach(model, "0", (X, Y), validation=HELD_OUT, progress=steps.append)
    assert {"Embedding", "Searching neighbours", "Choosing on validation"} <= {step.stage for step in steps}
    assert [step for step in steps if step.stage == "Embedding"][-1].total == len(HELD_OUT[0])
