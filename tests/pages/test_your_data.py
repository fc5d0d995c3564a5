"""The page Your data: what is uploaded, told, opened and deleted."""

import pytest

from resmem_core.data.example_files import EXAMPLES, example_file
from resmem_core.data.uploads import Uploads
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.experiment.runs import Runs

ME = "0123456789abcdef" * 2


def as_visitor(at, token=ME):
    at.session_state["visitor"] = token
    return at.run()


def button(at, key):
    return next(button for button in at.button if button.key.startswith(key))


def upload(at, name, content):
    return at.file_uploader[0].upload(name, content).run()


def test_an_empty_page_says_what_to_do_and_offers_examples(opened):
    at = opened("your_data")
    assert "Drop a file above" in at.text
    assert "at most 200 MB" in at.file_uploader[0].label
    assert "train_embeddings" in at.text
    assert [found.proto.label for found in at.get("download_button")] == [f"Example {kind}" for kind in EXAMPLES]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_file_is_taken_opened_and_deleted(opened, read, kind):
    at = as_visitor(opened("your_data"))
    upload(at, f"mine{kind}", example_file(kind))
    assert f"**mine{kind}** was read and is kept: 60 train, 15 validation, 15 test rows" in read(at.success[0].value)
    (kept,) = Uploads(ME).list()
    at.run()
    assert Uploads(ME).list() == (kept,)  # once, however often the page runs
    button(at, "open-").click().run()
    assert (at.session_state["left_for"], at.address("dataset")) == ("pages/overview.py", kept.dataset)
    shown = as_visitor(opened("your_data", dataset=kept.dataset))
    assert "shown now on every page" in shown.text
    assert button(shown, "open-").disabled
    experiment = prepare(ExperimentConfig(kept.dataset))
    params = experiment.default_params()
    Runs().record(experiment, params, experiment.evaluate(params), tuned=False)
    assert len(Runs().list(private={kept.dataset})) == 1
    button(shown, "delete-").click().run()
    assert Runs().list(private={kept.dataset}) == ()
    assert Uploads(ME).list() == ()
    assert "dataset" not in shown.query_params
    assert "Drop a file above" in shown.text


def test_a_bad_file_is_told_and_not_kept(opened):
    at = as_visitor(opened("your_data"))
    upload(at, "mine.csv", b"label,e0\na,1\nb,x\n")
    assert "column 'e0' has 'x' in row 1" in at.error[0].value
    assert "Nothing was kept" in at.error[0].value
    assert Uploads(ME).list() == ()
    upload(at, "mine.csv", example_file(".csv"))
    assert not at.error
    assert len(Uploads(ME).list()) == 1


def test_notes_on_a_file_are_told(opened):
    at = as_visitor(opened("your_data"))
    upload(at, "mine.csv", b"label,e0\n" + b"a,1\nb,2\n" * 9)
    assert any("logistic regression" in info.value for info in at.info)


def test_another_visitor_sees_none_of_it_but_can_be_shown_it(opened):
    kept = Uploads(ME).add("mine.csv", example_file(".csv"))
    other = as_visitor(opened("your_data"), "f" * 32)
    assert "mine.csv" not in other.text
    assert not any(button.key.startswith("delete-") for button in other.button)
    shown = opened("overview", dataset=kept.dataset)
    assert not shown.error
    Uploads(ME).delete(kept.id)
    assert "deleted by its owner" in opened("overview", dataset=kept.dataset).text


def test_a_visitor_is_remembered_by_a_cookie_that_says_nothing(opened):
    at = opened("your_data")
    token = at.session_state["visitor"]
    assert len(token) == 32
    (script,) = (found.proto.body for found in at.get("html") if "cookie" in found.proto.body)
    assert f"resmem_visitor={token}; path=/; max-age=31536000; SameSite=Lax" in script
    assert opened("your_data").session_state["visitor"] != token
