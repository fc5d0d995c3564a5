"""Compare: two settings, two experiments."""

from urllib.parse import parse_qs


def test_two_settings_are_compared_point_by_point(opened):
    at = opened("compare", k="1", other="k=100&temperature=5")
    table = at.table[0].value
    assert table.loc["k, sigma, temperature", "A"].startswith("1, ")
    assert table.loc["k, sigma, temperature", "B"].startswith("100, ")
    assert "**B - A: " in at.text
    assert [s.value for s in at.header if s.value.startswith("Only")]


def test_each_has_a_gamma_of_its_own_where_its_address_names_one(opened):
    at = opened("compare", k="5", gamma="0.5", other="k=5&gamma=0.25")
    table = at.table[0].value
    for name, gamma in (("A", 0.5), ("B", 0.25)):
        assert table.loc["k, sigma, temperature", name].endswith(f"gamma {gamma:g}")
    assert any("--gamma=0.5 '--with=k=5&gamma=0.25'" in code.value for code in at.code)
    at = opened("tune", k="5", gamma="0.5")
    assert "gamma = 0.5, set by hand" in at.text
    assert any("--gamma=0.5" in code.value for code in at.code)
    at.press("Choose on validation")
    assert (at.address("gamma"), "gamma" in at.text) == (None, False)


def test_a_knob_of_b_is_kept_in_the_address(opened):
    at = opened("compare", k="2")
    assert "right on the same test points" in at.info[0].value
    assert at.labelled("number_input", "temperature of B").value is None
    at.number_input(key="other-k").set_value(40).run()
    assert parse_qs(at.address("other"))["k"] == ["40"]
    assert at.address("k") == "2"


def test_swapping(opened):
    at = opened("compare", k="1", other="k=100")
    before = at.table[0].value
    at.press("Swap A and B")
    assert at.address("k") == "100"
    after = at.table[0].value
    assert (after["A"] == before["B"]).all()
    assert (after["B"] == before["A"]).all()


def test_a_damaged_other_is_told(opened):
    at = opened("compare", other="k=-1&colour=red&banana")
    assert "B: k: '-1'" in at.text
    assert "B: colour" in at.text
    assert "B: banana" in at.text


def test_what_is_not_there_is_offered(opened):
    at = opened("compare", other="backbone=small-cnn&seed=9")
    assert [button.label for button in at.button if "Train" in button.label] == ["Train and prepare"]


def test_an_old_address_leads_to_the_seeds(opened):
    at = opened("compare", compare="seeds", k="3")
    assert at.session_state["left_for"] == "pages/seeds.py"
    assert (at.address("compare"), at.address("k")) == (None, "3")
