"""The page "Language": its address, what is inside a prediction, a walk, texts gone on with, and where memory helps."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from pages._shared.language_contexts import ANY
from pages._shared.language_test import next_of
from pages._shared.language_text import code
from pages._shared.opening import Opened
from pages._shared.summary import sentence
from resmem_core.cli.settings import Language
from resmem_core.experiment.config import LanguageConfig
from resmem_core.memory.types import Params
from tests.pages.tales import prepared, write_tales


def html(at):
    return "\n".join(block.proto.body for block in at.get("html"))


def charts(at):
    return len(at.get("plotly_chart"))


def test_first_it_says_what_it_takes(opened):
    at = opened("language")
    assert at.headings == [r"transformer\-small on python\-docs is not prepared yet"]
    assert "about three minutes" in at.text
    assert {button.label for button in at.button} >= {"Train and prepare"}
    assert not at.slider


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"dataset": "digits"}, "'digits'"),
        ({"dataset": "text:/no/such.txt"}, "/no/such.txt"),
        ({"dataset": "text:"}, "text needs PATH"),
        ({"backbone": "gpt-9"}, "gpt-9"),
        ({"tokenizer": "runes"}, "runes"),
        ({"vocabulary": "3"}, "512"),
        ({"context": "x" * 5000}, "5,000 characters"),
    ],
)
def test_nonsense_in_the_address_is_told(opened, query, says):
    at = opened("language", **query)
    assert says in at.text


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"k": "9999"}, "showing k="),
        ({"point": "999999"}, "There is no test token 999,999"),
        ({"view": "dance"}, "'dance' is none of"),
    ],
)
def test_nonsense_about_an_open_experiment_is_told(ready, query, says):
    at = ready(**query)
    assert says in at.text
    assert charts(at) == 1


def test_cold_temperatures_tiny_sigmas_and_blank_contexts_are_no_trace(ready):
    for view in ("inside", "walk", "gain"):
        ready(view=view, temperature="1e-9", sigma="1e-30")
    for context in ("", " ", "\n\n", "\x00"):
        ready(context=context)


def test_unasked_it_shows_a_token_that_memory_fixes(ready, tales):
    at = ready()
    assert not at.error
    point = at.number_input(key="setting-point").value
    result = tales.experiment.evaluate(tales.params)
    assert result.outcome[point] == "fixed"
    assert "fixed by memory" in at.text
    asked = tales.experiment.explain_test(point, tales.params)
    votes = at.dataframe[-1].value
    assert votes["weight"].sum() == pytest.approx(1)
    assert votes["contexts"].sum() == tales.params.k
    bars = at.dataframe[0].value
    np.testing.assert_allclose(bars["score"], bars["base"] + bars["memory"])
    assert bars["score"].iloc[0] == pytest.approx(asked.scores.max())
    assert (bars["score"].diff().iloc[1:] <= 0).all()
    assert any(token.endswith("✓") for token in bars["token"])
    assert f"explain --dataset={tales.experiment.config.dataset}" in at.code[1].value.replace("'", "")
    assert f"--point={point} --tune" in at.code[1].value


def test_retrieved_contexts_are_those_of_the_explanation(ready, tales):
    at = ready(point="40", shown="3", around="12")
    asked = tales.experiment.explain_test(40, tales.params)
    items = re.findall(r"<li>.*?</li>", html(at), re.DOTALL)
    assert len(items) == min(3, tales.params.k)
    for item, row, distance in zip(items, asked.ids, asked.distances, strict=False):
        context = tales.experiment.context(int(row), asked.context, before=12, after=12)
        assert context.document.replace("<", "&lt;").replace(">", "&gt;") in item
        assert f"distance {distance:.3g}" in item
        assert f"{context.matched} token" in item
        assert ('class="matched"' in item) == bool(context.match)
        assert 'class="next"' in item


def test_only_contexts_that_one_token_followed_can_be_listed(ready, tales):
    k = tales.experiment.k_max
    asked = tales.experiment.explain_test(40, Params(k, 5.0))
    token = int(asked.labels[-1])
    at = ready(point="40", k=str(k), sigma="5.0", temperature="1.0", followed=str(token), shown="64")
    wanted = np.flatnonzero(asked.labels == token)
    assert 1 < len(wanted) < k
    ranks = [int(rank) for rank in re.findall(r"<li>.*?<span>(\d+)\. ", html(at))]
    assert ranks == (wanted + 1).tolist()[:64]
    assert at.labelled("selectbox", "Followed by").value == token
    at.labelled("selectbox", "Followed by").set_value(ANY).run()
    assert at.address("followed") is None
    assert len(re.findall("<li>", html(at))) == 64
    ready(point="40", followed="400")  # nobody votes for it


def test_what_was_judged_is_listed_and_reopened(ready, opened, tales):
    ready(view="gain")
    at = opened("experiments")
    row = at.dataframe[0].value.iloc[0]
    assert (row["dataset"], row["tokens"], row["k"]) == (tales.query["dataset"], "words, 512", tales.params.k)
    assert row["test points"] == len(tales.experiment.test)
    at.select_run(0)
    assert "test tokens." in at.text
    assert "Compare with the current one" not in [button.label for button in at.button]
    at.press("Open")
    assert at.session_state["left_for"] == "pages/language.py"
    form = at.session_state["forms"][Language]
    assert (form.experiment(), form.view) == (tales.experiment.config, "gain")
    assert form.params(Params(1, 1.0)) == tales.params


def test_what_texts_hold_is_never_markup(ready):
    at = ready(context="my <b>neighbour</b> forgets <script>alert(1)</script> `[the](bridge)` :red[x] $x$", shown="20")
    shown = html(at)
    assert "<b>" not in shown
    assert "<script>alert" not in shown
    assert "&lt;" in shown


def test_a_text_is_typed_and_left_again(ready, tales):
    at = ready()
    at.text_area(key="setting-context").set_value("the red fox").run()
    assert at.address("context") == "the red fox"
    assert "3 tokens." in at.text
    asked = tales.experiment.explain(tales.experiment.tokenizer.encode("the red fox"), tales.params)
    said = tales.experiment.tokenizer.pieces([asked.prediction])[0].replace(" ", "·")
    assert f"ResMem `{said}`" in at.text
    assert "it is" not in at.text
    assert "'--context=the red fox'" in at.code[1].value
    at.press("Back to the test text")
    assert at.address("context") is None
    at.press("Edit as text")
    assert at.text_area(key="setting-context").value == at.address("context") != ""


def test_what_is_not_read_of_a_text_is_told(ready, tales):
    reads = tales.experiment.context_length
    at = ready(context="the red fox " * reads)
    ids = tales.experiment.tokenizer.encode("the red fox " * reads)
    read = len(tales.experiment.explain(ids, tales.params).context)
    assert reads / 2 < read <= reads
    assert f"The base model reads the last {read} of them" in at.text
    at = ready(context="zyzzyva 漢字")
    assert "do not occur in the training text" in at.text
    assert "&lt;unk&gt;" in html(at)


def test_the_next_token_that_memory_changed_is_found(ready, tales):
    result = tales.experiment.evaluate(tales.params)
    at = ready(point="0")
    for outcome in ("fixed", "broken"):
        rows = np.flatnonzero(result.outcome == outcome)
        at.press(f"Next {outcome}")
        if len(rows):
            after = int(at.address("point") or 0)
            assert after in rows
        else:
            assert f"no token of the test text is {outcome}" in at.text
    last = int(np.flatnonzero(result.outcome == "fixed")[-1])
    at = ready(point=str(last))
    at.press("Next fixed")
    assert at.address("point") == str(np.flatnonzero(result.outcome == "fixed")[0])  # on from the beginning
    at.press("Random")
    assert 0 <= int(at.address("point") or 0) < len(tales.experiment.test)


@pytest.mark.parametrize("after", [0, 1, 254, 255, 256, 257, 10**6])
def test_looking_for_an_outcome_goes_round(monkeypatch, after):
    wanted = {300, 511, 512}
    monkeypatch.setattr(
        "pages._shared.cache.outcomes_of_block",
        lambda config, params, block: np.array(
            ["fixed" if row in wanted else "broken" for row in range(256 * block, 256 * block + 256)]
        ),
    )
    experiment = SimpleNamespace(test=range(600), config=None)
    shown = Opened(Language(), experiment, None, Params(1, 1.0))
    later = [row for row in sorted(wanted) if row > after]
    assert next_of(shown, "fixed", after) == (later or sorted(wanted))[0]
    assert next_of(shown, "both right", after) is None


def test_sliders_are_tuned_until_they_are_moved(ready, tales):
    at = ready(view="gain")
    told = at.dataframe[0].value.set_index("method")
    result = tales.experiment.evaluate(tales.params)
    for method, name in (("base", "Base"), ("interpolation", "kNN-LM"), ("resmem", "ResMem")):
        assert told.loc[name, "top-1"] == result.accuracy[method]
        assert told.loc[name, "top-5"] == result.accuracy_top5[method]
        assert told.loc[name, "perplexity"] == pytest.approx(result.perplexity[method])
        assert told.loc[name, "perplexity, low"] == pytest.approx(result.perplexity_ci95[method][0])
    assert charts(at) == 7
    assert "the best value found like this is optimistic" not in at.text
    assert f"**{result.n_impossible:,}**" in at.text
    assert "95 %, of whole documents" in at.text
    assert "evaluate" in at.code[1].value
    assert "--tune --rivals=tuned --json" in at.code[1].value
    assert at.numbers["Tokens in memory"] == f"{tales.experiment.n_memory:,}"
    for note in tales.experiment.notes:
        assert sentence(note) in at.text
    for table in at.dataframe[1:4]:  # bands
        assert table.value["tokens"].sum() == len(tales.experiment.test)
        np.testing.assert_allclose(table.value["gain"], table.value["ResMem"] - table.value["base"], atol=1e-12)

    at.turn(k=1 if tales.params.k > 1 else 2)
    assert "the best value found like this is optimistic" in at.text
    assert "set by hand" in at.text
    assert "--tune" not in at.code[1].value
    at.press("Choose on validation")
    assert at.address("k") is None
    assert "--tune" in at.code[1].value


def test_what_is_chosen_for_can_be_changed(ready, tales):
    at = ready(view="gain", k="1")
    at.radio(key="setting-objective").set_value("perplexity").run()
    assert at.address("objective") == "perplexity"
    assert at.address("k") is None
    assert at.knobs["k"]["at"] == tales.experiment.tune("perplexity").params.k
    assert "--objective=perplexity" in at.code[1].value


def test_a_walk(ready, tales):
    at = ready(view="walk", point="0")
    stream, result = tales.experiment.streams["test"], tales.experiment.evaluate(tales.params)
    first = result.outcome[: stream.starts[1]]
    base, resmem = (int(result.right(method)[: len(first)].sum()) for method in ("base", "resmem"))
    assert f"Of these {len(first)} tokens base gets **{base}** right, ResMem **{resmem}**" in at.text
    assert charts(at) == 1
    at.labelled("selectbox", "Document").set_value(1).run()
    assert at.address("point") == str(stream.starts[1])
    at.press("Next")
    assert at.address("point") == str(stream.starts[1] + 1)
    at.press("Previous")
    at.press("Previous")
    assert at.labelled("selectbox", "Document").value == 0


def test_a_long_document_is_walked_in_passages(ready, monkeypatch):
    monkeypatch.setattr("pages._shared.language_walk.PASSAGE", 10)
    at = ready(view="walk", point="25")
    assert at.number_input(key="language-passage").value == 3
    at.number_input(key="language-passage").set_value(1).run()
    assert at.address("point") == "0"


def test_texts_are_gone_on_with(ready, tales):
    at = ready(view="generate", tokens="12", prompt="the red")
    assert "Both are written at once" in at.text
    at.press("Generate")
    written = at.session_state["language-written"]
    for with_memory in (False, True):
        expected = tales.experiment.generate(
            tales.experiment.tokenizer.encode("the red"), 12, tales.params, with_memory=with_memory
        )
        assert [token for token, _ in written.tokens[with_memory]] == [found.token for found in expected]
    assert "Stopped" not in at.text
    assert at.headings == ["Without memory", "With memory"]
    changed = tales.experiment.evaluate(tales.params).fixed > 0
    assert changed == any(kind == "changed" for _, kind in written.tokens[True])
    assert all(kind == "same" for _, kind in written.tokens[False])
    assert "generate" in at.code[1].value
    assert "--tokens=12" in at.code[1].value

    written.picked = 3  # as a click does
    at.run()
    assert "Retrieved contexts" in at.headings
    written.tokens[True].pop()
    at.run()
    assert "Stopped after 11 tokens" in at.text
    at.slider(key="setting-heat").set_value(0.8).run()
    assert "Both are written at once" in at.text  # what was there answers another question
    at.press("Generate")
    assert at.address("heat") == "0.8"


def test_an_empty_prompt_begins_a_document(ready):
    at = ready(view="generate", tokens="2")
    at.text_area(key="setting-prompt").set_value("").run()
    at.press("Generate")
    assert at.session_state["language-written"].prompt == ()


def test_what_belongs_to_one_experiment_is_forgotten_with_it(ready, tales):
    at = ready(k="2", point="7", followed="3", view="walk")
    at.labelled("number_input", "Seed").set_value(5).run()
    assert [at.address(name) for name in ("seed", "view", "k", "point", "followed")] == ["5", "walk", None, None, None]
    assert "is not prepared yet" in at.header[0].value
    at.labelled("number_input", "Seed").set_value(0).run()
    assert charts(at) == 1


def test_the_sidebar_has_the_fields_of_text(ready, tales):
    at = ready()
    shown = {widget.label: widget.value for widget in (*at.sidebar.selectbox, *at.sidebar.number_input)}
    assert shown == {
        "Dataset": "text",
        "Backbone": "transformer-small",
        "Tokens": "words",
        "Vocabulary": 512,
        "Seed": 0,
        "Index": "exact",
        "Training tokens": None,
        "Epochs": 3,
        "Scale embeddings to length 1": "chosen on validation",
    }
    assert at.labelled("text_input", "Path on this machine").value == tales.experiment.config.dataset[len("text:") :]
    assert "epochs 3, tokenizer words, vocabulary 512: " in at.text
    at.labelled("selectbox", "Dataset").set_value("python-docs").run()
    assert at.address("dataset") is None


def test_a_model_of_hugging_face_is_offered_to_be_fetched_and_brings_its_own_tokens(opened):
    at = opened("language", backbone="hf:someone/some-model")
    assert not at.error
    assert "Train and prepare" in [button.label for button in at.button]
    assert at.labelled("selectbox", "Backbone").value == "hf:someone/some-model"
    for widget in (at.labelled("selectbox", "Tokens"), at.labelled("number_input", "Vocabulary")):
        assert widget.disabled
    at.labelled("selectbox", "Backbone").set_value("gru-small").run()
    assert (at.labelled("selectbox", "Tokens").value, at.labelled("selectbox", "Tokens").disabled) == ("bpe", False)


def test_page_and_package_say_the_same_of_a_long_text(ready, tales):
    text = "the red fox follows the harbour.\nmy neighbour forgets " * 30
    asked = tales.experiment.explain(tales.experiment.tokenizer.encode(text), tales.params)
    at = ready(context=text)
    name = tales.experiment.class_names[asked.prediction]
    assert f"ResMem {code(name)} (score {asked.scores[asked.prediction]:.3f})" in at.text
    ranks = [int(rank) for rank in re.findall(r"<li>.*?<span>(\d+)\. ", html(at))]
    facts = re.findall(r"distance ([\d.]+)", html(at))
    assert facts == [f"{asked.distances[rank - 1]:.3g}" for rank in ranks]


def test_of_a_text_too_long_for_the_address_the_end_is_kept(ready, tales):
    at = ready(context="the red fox")
    at.text_area(key="setting-context").set_value("x" * 3000 + "the night train " * 200).run()
    assert at.address("context") == ("x" * 3000 + "the night train " * 200)[-4000:]


def test_another_token_is_shown_with_all_its_contexts(ready, tales):
    asked = tales.experiment.explain_test(40, tales.params)
    at = ready(point="40", followed=str(asked.labels[0]))
    at.press("Next")
    assert (at.address("point"), at.address("followed")) == ("41", None)


def test_a_text_that_changed_is_not_shown_as_it_was_and_what_train_holds_is_warned_of(opened, tmp_path, monkeypatch):
    write_tales(tmp_path)
    root = tmp_path / "store"
    monkeypatch.setenv("RESMEM_CACHE", str(root))
    config = LanguageConfig(f"text:{tmp_path}", "gru-small", tokenizer="words", vocabulary=512, epochs=1)
    query = {"dataset": config.dataset, "backbone": "gru-small", "tokenizer": "words", "vocabulary": "512"}
    prepared(config, root)
    at = opened("language", **query, epochs="1", view="gain")
    assert not at.warning
    before = at.text
    for number in range(24):
        with (tmp_path / f"tale <{number}>.txt").open("a") as file:
            file.write(" ".join(f"word{i}" for i in range(60)))
    at.run()
    assert at.header[0].value.endswith("is not prepared yet")
    share = prepared(config, root).corpus.leakage.parts["test"].share
    assert share > 0.3
    at.run()
    assert "How good it is" in at.headings
    assert at.text != before
    assert [w.value for w in at.warning if f"{share:.0%} of the words of the test text" in w.value]
