from dataclasses import replace

import numpy as np
import pytest

from resmem_core.common.errors import Cancelled, InvalidParameterError
from resmem_core.common.runner import NeedsPreparing, Runner
from resmem_core.common.store import Store
from resmem_core.data.contexts import context_of
from resmem_core.experiment.text_prepare import prepare_language
from resmem_core.memory.explain import explain
from resmem_core.memory.indexes.exact import ExactIndex
from resmem_core.memory.types import Neighbors, Params, Queries
from resmem_core.models.fitted_text import MOST


def test_nothing_is_done_twice(tiny, tiny_config, tiny_store):
    again = prepare_language(tiny_config, store=tiny_store, may_wait=False)
    np.testing.assert_array_equal(again.memory.logits.embeddings, tiny.memory.logits.embeddings)
    np.testing.assert_array_equal(again.test.neighbors.indices, tiny.test.neighbors.indices)
    assert tiny.tune() == again.tune()


def test_what_takes_long_is_not_begun_unasked(tiny_config, tiny, tmp_path):
    with pytest.raises(NeedsPreparing, match="no weights"):
        prepare_language(tiny_config, store=Store(tmp_path), may_wait=False)
    with pytest.raises(NeedsPreparing, match="not chosen yet"):
        replace(tiny, _runner=Runner(Store(tmp_path), may_wait=False)).tune()


def test_a_cancelled_preparation_goes_on_to_the_same_result(tiny_config, tiny, tmp_path):
    for stage in ("Training", "Embedding"):

        def stop(step, stage=stage):
            if step.stage.startswith(stage) and step.done > 0:
                raise Cancelled

        with pytest.raises(Cancelled):
            prepare_language(tiny_config, store=Store(tmp_path), progress=stop)
    resumed = prepare_language(tiny_config, store=Store(tmp_path))
    np.testing.assert_array_equal(resumed.memory.logits.embeddings, tiny.memory.logits.embeddings)


def test_every_token_of_train_is_remembered_with_what_was_read_before_it(tiny):
    text = "".join(document.text for document in tiny.corpus.train)
    assert tiny.tokenizer.decode(tiny.memory.labels) == text
    assert tiny.memory.logits.embeddings.dtype == np.float16
    assert len(tiny.memory.logits) == len(tiny.memory)
    np.testing.assert_array_equal(
        tiny.class_counts, np.bincount(tiny.streams["train"].ids, minlength=tiny.tokenizer.size)
    )


def test_a_training_position_recalls_its_own_token(tiny):
    """Invariant 2: k = 1, leave-in. Where contexts are the same word for word, the first of them answers."""
    z = np.asarray(tiny.memory.logits.embeddings, np.float32)
    rows = np.random.default_rng(0).choice(len(z), 60, replace=False)
    found = ExactIndex(z).search(z[rows], 1)
    assert (found.distances == 0).all()
    for row, near in zip(rows, found.indices[:, 0], strict=True):
        own = Neighbors(np.zeros((1, 1), np.float32), near[None, None])
        asked = Queries(tiny.memory.logits.take([row]), np.array([-1]), own)
        told = explain(tiny.memory, asked, 0, Params(1, 1.0, 1.0))
        np.testing.assert_array_equal(told.scores, np.eye(tiny.tokenizer.size)[tiny.memory.labels[near]])
        assert near == row or (z[near] == z[row]).all()
    unique = len(np.unique(z, axis=0))
    assert (found.indices[:, 0] == rows).mean() > 0.9 * unique / len(z)


def test_explanations_of_test_tokens_and_of_their_contexts_agree(tiny):
    params = Params(8, tiny.sigma_scale, 1.0)
    for row in (0, 5, len(tiny.test) - 1):
        of_row = tiny.explain_test(row, params)
        start = tiny.streams["test"].starts[tiny.streams["test"].documents[row]]
        of_text = tiny.explain(tiny.streams["test"].ids[start:row], params)
        np.testing.assert_allclose(of_text.base, of_row.base, atol=5e-3)
        np.testing.assert_allclose(of_text.distances, of_row.distances, atol=0.05)
        assert of_row.label == tiny.test.labels[row]
        np.testing.assert_allclose(of_row.scores, of_row.base + of_row.memory, atol=1e-6)
        np.testing.assert_allclose(of_row.scores.sum(), 1, atol=1e-5)
        np.testing.assert_allclose(of_row.final.sum(), 1, atol=1e-5)
        np.testing.assert_allclose(
            of_row.contributions[:, of_row.prediction].sum(), of_row.memory[of_row.prediction], atol=1e-6
        )
        assert {of_row.prediction, of_row.base_prediction, of_row.label} <= set(of_row.top(3).tolist())


def test_evaluation_and_explanation_predict_the_same(tiny):
    params = tiny.tune().params
    found = tiny.evaluate(params)
    assert found.n == len(tiny.test)
    for row in range(0, len(tiny.test), 97):
        told = tiny.explain_test(row, params)
        assert told.prediction == found.predictions["resmem"][row]
        assert told.base_prediction == found.predictions["base"][row]


def test_contexts_show_where_a_row_comes_from(tiny):
    stream = tiny.streams["train"]
    row = int(stream.starts[3]) + 20
    shown = tiny.context(row, stream.before(row, 40), before=15, after=5)
    assert shown.document == stream.names[3]
    assert shown.matched == 20  # all there are, shown or not
    assert shown.match == tiny.tokenizer.decode(stream.before(row, 15))
    text = next(d.text for d in tiny.corpus.train if d.name == shown.document)
    assert shown.before + shown.match + shown.token + shown.after in text
    other = context_of(stream, tiny.tokenizer, row, None, before=15)
    assert (other.matched, other.match) == (0, "")


def test_generation_follows_the_predictions(tiny):
    params, prompt = tiny.tune().params, tiny.tokenizer.encode("the red fox")
    with_memory = list(tiny.generate(prompt, 3, params, with_memory=True))
    assert with_memory[0].token == tiny.explain(prompt, params).prediction
    written = np.append(prompt, np.int32(with_memory[0].token))
    assert with_memory[1].token == tiny.explain(written, params).prediction
    alone = list(tiny.generate(prompt, 2, params, with_memory=False))
    assert alone[0].token == alone[0].base_choice == tiny.explain(prompt, params).base_alone.argmax()
    drawn = [
        [s.token for s in tiny.generate(prompt, 8, params, with_memory=True, temperature=1.0, seed=seed)]
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(("n", "temperature"), [(0, 0.0), (3, -1.0), (3, float("nan"))])
def test_generation_refuses_what_it_cannot_do(tiny, n, temperature):
    with pytest.raises(InvalidParameterError, match="must be"):
        list(tiny.generate(np.array([1]), n, Params(1, 1, 1), with_memory=True, temperature=temperature, smoothing=0.1))


def test_an_empty_context_is_the_beginning_of_a_document(tiny):
    told = tiny.explain(np.array([], np.int32), Params(4, tiny.sigma_scale, 1.0))
    firsts = tiny.streams["train"].starts[:-1]
    assert set(told.ids.tolist()) <= set(firsts.tolist())


def test_of_a_long_context_the_end_is_read_and_told(tiny):
    """As `embed_stream` reads the tokens of a document: at least half a window of them."""
    stream, reads = tiny.streams["train"], tiny.context_length
    ids = np.concatenate([stream.before(int(start) - 1) for start in stream.starts[1:6]])
    for n in (reads - 1, reads, reads + 1, reads + reads // 2, 2 * reads):
        asked = tiny.explain(ids[:n], tiny.default_params())
        some = len(asked.context)
        assert asked.context.tolist() == ids[n - some : n].tolist()
        assert some == n if n < reads else reads / 2 < some <= reads


def test_k_beyond_the_neighbours_kept_is_refused(tiny):
    with pytest.raises(InvalidParameterError, match=f"from 0|between 1 and {tiny.k_max}"):
        tiny.check(Params(tiny.k_max + 1, 1.0, 1.0))
    with pytest.raises(InvalidParameterError, match="point=-1"):
        tiny.explain_test(-1, Params(1, 1.0, 1.0))


def test_only_so_many_tokens_are_trained_on_and_judged(tiny_config, tiny_store, monkeypatch):
    monkeypatch.setitem(MOST, "test", 300)
    small = prepare_language(replace(tiny_config, limit_train=1500, epochs=1), store=tiny_store)
    assert len(small.memory) == 1500
    assert len(small.test) == 300
    assert any("300 of" in note for note in small.notes)


def test_the_command_line_judges_explains_and_writes(tiny, tiny_config, tiny_store, told, printed, monkeypatch):
    monkeypatch.setenv("RESMEM_CACHE", str(tiny_store.root))
    options = tiny_config.options()
    found = printed("evaluate", *options, "--tune")
    assert set(found["perplexity"]) >= {"base", "interpolation", "resmem"}
    assert sum(band["n"] for band in found["by_frequency"]) == found["n_test"] == len(tiny.test)
    assert found["accuracy"]["resmem"] - found["accuracy"]["base"] == pytest.approx(found["delta"])
    assert found["tuned_on"] == "validation"
    assert found["delta_ci95"][0] <= found["delta"] <= found["delta_ci95"][1]
    (listed,) = printed("runs")["runs"]
    assert (listed["dataset"], listed["k"], listed["tuned"]) == (tiny_config.dataset, found["k"], True)
    assert listed["resmem"] == found["accuracy"]["resmem"]
    explained = printed("explain", *options, "--context", "the red fox follows", "--k=5")
    assert len(explained["neighbors"]) == 5
    assert explained["context"] == "the red fox follows"
    assert printed("explain", *options, "--point=3", "--tune")["label"] == tiny.class_names[tiny.test.labels[3]]
    written = printed("generate", *options, "--prompt=the red fox", "--tokens=4", "--tune")
    assert written["base"]
    assert written["resmem"]
    assert printed("tune", *options, "--objective=perplexity")["tuned_on"] == "validation"
    assert printed("train", *options)["weights"] == "trained here"
    assert "in train" in told("evaluate", *options, "--tune")
    assert "training context" in told("explain", *options, "--context=the red fox")
