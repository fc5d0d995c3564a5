import copy
import json
import threading

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from resmem_core.common.errors import InvalidParameterError, StoreError, UnavailableError
from resmem_core.evaluation.attach import attach
from resmem_core.memory.indexes.exact import ExactIndex, distances_to
from resmem_core.memory.module import ResMemModule, nearest
from resmem_core.memory.residuals import neighbor_weights, project_to_simplex, resmem_scores, resmem_values
from resmem_core.memory.rows import Points
from resmem_core.models.module_outputs import embed_module


def mlp(n_outputs=4, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, n_outputs))


def drawn(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 6)).astype(np.float32), rng.integers(0, 4, n)


X, Y = drawn(3000, 0)
ASKED = torch.from_numpy(drawn(700, 1)[0])


@pytest.fixture(scope="module")
def model():
    return mlp()


@pytest.fixture(scope="module")
def module(model):
    return attach(model, "2", (X, Y), k=20, sigma=0.3, temperature=1.7, gamma=0.8)


@pytest.mark.parametrize("n", [1, 15, 3000])  # all of them, fewer than spare candidates, and in groups
@pytest.mark.parametrize("normalize", [False, True])
def test_scores_are_those_of_the_formula_in_float64(model, n, normalize):
    k = min(n, 20)
    module = attach(model, "2", (X[:n], Y[:n]), k=k, sigma=0.3, temperature=1.7, gamma=0.8, normalize=normalize)
    memory, asked = (embed_module(model, "2", x) for x in (X[:n], ASKED))
    z, q = (
        e.embeddings / np.maximum(np.linalg.norm(e.embeddings, axis=1, keepdims=True), 1e-30)
        if normalize
        else e.embeddings
        for e in (memory, asked)
    )
    found = ExactIndex(z).search(q, k)
    distances = distances_to(q, Points(z), found.indices)
    logits = (e.logits.astype(np.float64) for e in (asked, memory))
    expected = resmem_scores(*logits, Y[:n], distances, found.indices, sigma=0.3, temperature=1.7, gamma=0.8)
    np.testing.assert_allclose(module(ASKED), expected, atol=1e-5)
    np.testing.assert_allclose(module(ASKED).sum(1), 1, atol=1e-5)
    near, rows = module.neighbors(ASKED)
    np.testing.assert_allclose(near, distances, atol=1e-5)
    np.testing.assert_allclose(distances_to(q, Points(z), rows.numpy()), distances, atol=1e-5)  # but for ties


def test_distances_keep_their_digits_far_from_the_origin():
    far = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 4))
    with torch.no_grad():
        far[0].weight.copy_(torch.eye(6))
        far[0].bias.fill_(1e5)
    module = attach(far, "0", (X, Y), k=5)
    memory, asked = (far[0](x).detach().numpy() for x in (torch.from_numpy(X), ASKED))
    found = ExactIndex(memory).search(asked, 5)
    np.testing.assert_allclose(module.neighbors(ASKED)[0], found.distances, atol=1e-6)


def test_a_training_point_asked_with_one_neighbour_has_its_label(model):
    module = attach(model, "2", (X, Y), k=1)
    scores = module(torch.from_numpy(X))
    unique = ~(module.neighbors(torch.from_numpy(X), 2)[0] == 0).all(1)  # units that are all off give one embedding
    assert unique.float().mean() > 0.9
    np.testing.assert_allclose(scores[unique], np.eye(4)[Y[unique]], atol=1e-6)
    np.testing.assert_array_equal(module.predict(X)[unique], Y[unique])


def test_no_class_wins_ties_for_standing_first_in_the_data(model):
    module = attach(model, "2", (np.repeat(X[:1], 4000, 0), np.repeat(np.arange(4), 1000)), k=20)
    distances, rows = module.neighbors(torch.from_numpy(X[:1]))
    assert distances.max() < 1e-5
    assert len(set((rows // 1000).flatten().tolist())) > 1
    assert len(set(rows.flatten().tolist())) == 20


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(("n", "k"), [(5, 5), (4000, 3), (4097, 40), (4000, 4000)])
def test_the_nearest_are_those_of_a_full_sort(n, k, dtype):
    rng = torch.Generator().manual_seed(0)
    points, queries = torch.randn(n, 5, generator=rng).to(dtype), torch.randn(9, 5, generator=rng)
    distances, places = nearest(points, points.float().square().sum(1) / 2, queries, k)
    everyone = (queries[:, None].double() - points.double()).norm(dim=2)
    expected = everyone.sort(1)
    torch.testing.assert_close(distances.double(), expected.values[:, :k], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(distances.double(), everyone.gather(1, places), atol=1e-5, rtol=1e-5)


def test_predictions_come_in_batches_of_any_size(module):
    scores = module(ASKED)
    for size in (None, 1, 64, 10_000):
        assert torch.equal(module.predict(ASKED, batch_size=size), scores.argmax(1))
    torch.testing.assert_close(module.predict_proba(ASKED.numpy(), batch_size=99), project_to_simplex(scores))
    with pytest.raises(InvalidParameterError, match="batch_size=0"):
        module.predict(ASKED, batch_size=0)


def test_the_model_stays_in_evaluation_mode_and_no_gradient_goes_through(module):
    expected = module(ASKED)
    module.train()
    assert not any(part.training for part in module.model.modules())
    torch.testing.assert_close(module(ASKED), expected)
    assert not module(ASKED.clone().requires_grad_()).requires_grad
    with torch.inference_mode():
        torch.testing.assert_close(module(ASKED), expected)
    module.eval()


def test_memory_moves_with_the_module_and_keeps_its_types(module):
    moved = copy.deepcopy(module).to("meta")
    assert {str(value.device) for value in moved.state_dict().values()} == {"meta"}
    half = copy.deepcopy(module).double()
    assert half.points.dtype == half.residuals.dtype == torch.float32
    torch.testing.assert_close(half(ASKED.double()), module(ASKED), atol=1e-4, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_scores_on_cuda_are_those_of_the_cpu(module):
    moved = copy.deepcopy(module).to("cuda")
    torch.testing.assert_close(moved(ASKED.cuda()).cpu(), module(ASKED), atol=1e-4, rtol=0)


def test_a_state_dict_carries_the_memory(model, module):
    other = attach(mlp(seed=1), "2", drawn(3000, 2), k=20, sigma=0.3, temperature=1.7, gamma=0.8)
    assert not torch.allclose(other(ASKED), module(ASKED))
    other.load_state_dict(module.state_dict())
    assert torch.equal(other(ASKED), module(ASKED))


def test_copies_and_threads_do_not_mix_up_their_embeddings(module):
    expected, twin = module(ASKED), copy.deepcopy(module)
    assert torch.equal(twin(ASKED), expected)
    assert twin.model is not module.model
    wrong = []

    def ask(rows):
        for _ in range(30):
            module.model(ASKED)  # of somebody else
            if not torch.allclose(module(ASKED[rows]), expected[rows], atol=1e-5):
                wrong.append(rows)

    threads = [threading.Thread(target=ask, args=(slice(i, None, 4),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert module._tap._kept == {}


def test_an_exported_program_gives_the_same_for_batches_of_any_size(module):
    batch = torch.export.Dim("batch", min=2, max=1000)
    program = torch.export.export(module, (ASKED[:3],), dynamic_shapes=({0: batch},), strict=False).module()
    torch.testing.assert_close(program(ASKED), module(ASKED))


def test_values_are_corrected_too():
    model, targets = mlp(1), X[:, 0] ** 2
    module = attach(model, "input:4", (X, targets[:, None]), k=7, sigma=0.2, gamma=0.5)
    memory, asked = (module.model(torch.from_numpy(x)).detach().numpy() for x in (X, ASKED.numpy()))
    distances, rows = (part.numpy() for part in module.neighbors(ASKED))
    expected = resmem_values(asked, targets[:, None] - memory, distances, rows, sigma=0.2, gamma=0.5)
    np.testing.assert_allclose(module(ASKED), expected, atol=1e-5)
    assert torch.equal(module.predict(ASKED, batch_size=1000), module(ASKED))
    with pytest.raises(InvalidParameterError, match="values, which have no probabilities"):
        module.predict_proba(ASKED)


def test_half_precision_is_near(model, module):
    half = attach(model, "2", (X, Y), k=20, sigma=0.3, temperature=1.7, gamma=0.8, dtype=torch.float16)
    assert half.points.dtype == torch.float16
    near, _ = half.neighbors(ASKED)
    np.testing.assert_allclose(near, module.neighbors(ASKED)[0], atol=5e-3)
    assert (half.predict(ASKED) == module.predict(ASKED)).float().mean() > 0.98


def test_what_is_saved_is_opened_again(module, model, tmp_path):
    module.save(tmp_path / "memory.safetensors")
    opened = ResMemModule.load(tmp_path / "memory.safetensors", copy.deepcopy(model))
    assert torch.equal(opened(ASKED), module(ASKED))
    assert (opened.params, opened.layer) == (module.params, module.layer)
    assert [path.name for path in tmp_path.iterdir()] == ["memory.safetensors"]


def test_only_its_own_model_opens_a_memory(module, tmp_path):
    module.save(tmp_path / "memory")
    with pytest.raises(InvalidParameterError, match="other weights"):
        ResMemModule.load(tmp_path / "memory", mlp(seed=1))
    with pytest.raises(UnavailableError, match="no file"):
        ResMemModule.load(tmp_path / "elsewhere", mlp())
    with pytest.raises(StoreError, match="could not write"):
        module.save(tmp_path / "no folder" / "memory")


def test_damaged_files_are_told(module, model, tmp_path):
    module.save(whole := tmp_path / "whole")
    content = whole.read_bytes()
    flipped = bytearray(content)
    flipped[-9] ^= 1
    newer = content.replace(b'\\"format\\": 1', b'\\"format\\": 9')
    for damaged in (b"", b"pickle", content[:-1], content[:100], bytes(flipped), newer):
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(StoreError, match=r"format 9" if damaged == newer else "damaged, or not a file of"):
            ResMemModule.load(tmp_path / "damaged", model)
    for notes in ({}, {"resmem": "[]"}, {"resmem": "{}"}, {"resmem": json.dumps({"format": 1})}):
        save_file(load_file(whole), tmp_path / "damaged", notes)
        with pytest.raises(StoreError, match="damaged"):
            ResMemModule.load(tmp_path / "damaged", model)


def test_another_output_than_that_of_the_training_data_is_refused(module):
    changed = copy.deepcopy(module)
    changed.model[4] = nn.Linear(8, 5)
    with pytest.raises(InvalidParameterError, match="output must have 4 numbers"):
        changed(ASKED)
    with pytest.raises(InvalidParameterError, match="k=3001"):
        module.neighbors(ASKED, 3001)


def test_probabilities_are_taken_as_their_logarithms():
    model = nn.Sequential(mlp(), nn.Softmax(1))
    with pytest.warns(UserWarning, match="returns probabilities"):
        module = attach(model, "0.2", (X, Y), k=20, sigma=0.3)
    expected = attach(model[0], "2", (X, Y), k=20, sigma=0.3)
    torch.testing.assert_close(module(ASKED), expected(ASKED), atol=1e-5, rtol=0)
    weights = neighbor_weights(module.neighbors(ASKED)[0], 0.3)
    torch.testing.assert_close(weights.sum(1), torch.ones(len(ASKED)))
