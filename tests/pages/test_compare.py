"""Compare: two settings, two experiments, several seeds."""

from urllib.parse import parse_qs


def test_two_settings_are_compared_point_by_point(opened, text_of):
    at = opened("compare", k="1", other="k=100&temperature=5")
    assert not at.exception
    table = at.table[0].value
    assert table.loc["k, sigma, temperature", "A"].startswith("1, ")
    assert table.loc["k, sigma, temperature", "B"].startswith("100, ")
    assert "**B - A: " in text_of(at)
    assert [s.value for s in at.header if s.value.startswith("Only")]


def test_a_knob_of_b_is_kept_in_the_address(opened):
    at = opened("compare", k="2")
    assert "right on the same test points" in at.info[0].value
    at.number_input(key="other-k").set_value(40).run()
    assert not at.exception
    other = at.query_params["other"]
    assert parse_qs(other if isinstance(other, str) else other[0])["k"] == ["40"]
    assert at.query_params["k"] in ("2", ["2"])


def test_swapping(opened):
    at = opened("compare", k="1", other="k=100")
    before = at.table[0].value
    next(button for button in at.button if button.label == "Swap A and B").click().run()
    assert not at.exception
    assert at.query_params["k"] in ("100", ["100"])
    after = at.table[0].value
    assert (after["A"] == before["B"]).all()
    assert (after["B"] == before["A"]).all()


def test_a_damaged_other_is_told(opened, text_of):
    at = opened("compare", other="k=-1&colour=red")
    assert not at.exception
    assert "B: k: '-1'" in text_of(at)
    assert "B: colour" in text_of(at)


def test_another_experiment_that_is_not_there_is_offered(opened):
    at = opened("compare", other="backbone=small-cnn&seed=9")
    assert not at.exception
    assert [button.label for button in at.button if "Train" in button.label] == ["Train and prepare"]


def test_seeds_that_are_not_there_are_offered(opened):
    at = opened("compare", compare="seeds")
    assert not at.exception
    assert [button.label for button in at.button if "Train" in button.label] == ["Train and prepare"]


def test_seeds_that_are_there_are_shown(opened, text_of):
    from resmem_core.cli.main import main

    main(["seeds", "--count=5", "--epochs=1"])
    at = opened("compare", compare="seeds", epochs="1")
    assert not at.exception
    assert "Over 5 seeds" in text_of(at)
