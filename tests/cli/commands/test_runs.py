"""`runs`: what `train` and `evaluate` leave there, for people and as JSON."""

import pytest

from resmem_core.data.example_files import example_file
from resmem_core.data.uploads import Uploads
from resmem_core.experiment.runs import Runs


def test_what_was_judged_is_listed(told, printed):
    assert "nothing yet" in told("runs")
    assert printed("runs")["runs"] == []
    evaluated = printed("evaluate", "--k", "5")
    told("train")
    trained, by_hand = printed("runs")["runs"]
    assert (trained["tuned"], by_hand["tuned"]) == (True, False)
    assert (by_hand["k"], by_hand["sigma"]) == (5, evaluated["sigma"])
    assert by_hand["resmem"] == evaluated["accuracy"]["resmem"]
    assert [by_hand["delta_low"], by_hand["delta_high"]] == evaluated["delta_ci95"]
    assert by_hand["rivals"] == evaluated["rivals"]
    assert by_hand["best_rival"] == evaluated["best_rival"]
    assert by_hand["against_rival"] == evaluated["against_rival"]
    lines = told("runs").splitlines()
    assert len(lines) == 3
    assert len(set(map(len, lines))) == 1
    assert [("validation" in line, "by hand" in line) for line in lines[1:]] == [(True, False), (False, True)]
    assert f"{by_hand['against_rival']['gain']:+.2%} ({by_hand['best_rival']})" in lines[2]
    assert told("runs", "--dataset", "mnist").startswith("nothing with 'mnist': ")
    assert told("runs", "--dataset", "digits", "--backbone", "resnet8").startswith("nothing with 'digits' and 'res")
    assert "linear" in told("runs", "--dataset", "digits", "--backbone", "linear")


def test_uploads_are_not_listed(told):
    upload = Uploads("me").add("mine.csv", example_file(".csv"))
    told("evaluate", "--dataset", upload.dataset)
    assert upload.id not in told("runs", "--json")
    assert len(Runs().list(private={upload.dataset})) == 1


def test_a_file_that_was_set_aside_is_told(told):
    Runs().path.parent.mkdir(parents=True)
    Runs().path.write_text("no database" * 99)
    with pytest.warns(UserWarning, match="set aside"):
        assert "note: " in told("runs")


def test_a_list_that_cannot_be_written_breaks_no_evaluation(printed):
    Runs().path.mkdir(parents=True)
    with pytest.warns(UserWarning, match="not listed among the experiments"):
        assert printed("evaluate")["n_test"] == 640
