"""Inspect: stepping, searching, forgetting; and the command that every page names."""

import io
import json
import shlex

import pandas as pd
import pytest

from resmem_core.cli.main import main
from resmem_core.data.example_files import example_file


def test_next_and_previous_go_through_the_list(opened):
    at = opened("inspect", k="5", outcome="both wrong")
    at.press("Next")
    second = int(at.address("point"))
    assert f"Test point **{second}**" in at.text
    at.press("Next")
    assert int(at.address("point")) > second
    at.press("Previous")
    assert int(at.address("point")) == second


@pytest.mark.parametrize(("typed", "says"), [("140", "Test point **140**"), ("nobody", "no number or name"), ("1", "")])
def test_a_point_is_found_by_number(opened, typed, says):
    at = opened("inspect", k="5")
    at.text_input(key="find-point").set_value(typed).run()
    assert says in at.text


def test_what_else_its_owner_says_of_a_point_is_told_as_text(opened, tmp_path):
    data = pd.read_csv(io.BytesIO(example_file(".csv")))
    data.assign(**{"*site*": "[ward](http://x.y)", "empty": None}).to_csv(tmp_path / "a.csv", index=False)
    at = opened("inspect", dataset=f"table:{tmp_path / 'a.csv'}", point="3")
    assert "*site*: [ward](http://x.y)" in at.text
    assert not any("[ward](http" in str(block.value) for block in at.caption)  # escaped
    assert "empty:" not in at.text


def test_a_neighbour_is_forgotten_and_the_change_is_told(opened):
    at = opened("inspect", k="5", point="35")
    first, *others = (button.label for button in at.button if button.label.startswith("Forget #"))
    assert len(others) == 4
    at.press(first)
    assert "**Memory is edited** (1 training points)" in at.text
    assert first not in [button.label for button in at.button]
    at.press("Restore all")
    assert "Memory is edited" not in at.text


def test_the_command_prints_the_same_numbers(opened, capsys):
    at = opened("inspect", k="5", sigma="0.4", temperature="2.0", point="35")
    command = next(code.value for code in at.code if "resmem_core" in code.value)
    assert main(shlex.split(command)[3:]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["point"], told["k"], told["sigma"], told["temperature"]) == (35, 5, 0.4, 2.0)
    assert f"ResMem says **{told['prediction']}**" in "\n".join(str(block.value) for block in at.markdown)
