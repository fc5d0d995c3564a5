"""Inspect: stepping, searching, forgetting; and the command that every page names."""

import json
import shlex

import pytest

from resmem_core.cli.main import main


def button(at, label):
    return next(button for button in at.button if button.label.startswith(label))


def point(at):
    value = at.query_params["point"]
    return int(value if isinstance(value, str) else value[0])


def test_next_and_previous_go_through_the_list(opened, text_of):
    at = opened("inspect", k="5", outcome="both wrong")
    button(at, "Next").click().run()
    second = point(at)
    assert f"Test point **{second}**" in text_of(at)
    button(at, "Next").click().run()
    assert point(at) > second
    button(at, "Previous").click().run()
    assert point(at) == second
    assert not at.exception


@pytest.mark.parametrize(("typed", "says"), [("140", "Test point **140**"), ("nobody", "no number or name"), ("1", "")])
def test_a_point_is_found_by_number(opened, text_of, typed, says):
    at = opened("inspect", k="5")
    at.text_input(key="find-point").set_value(typed).run()
    assert not at.exception
    assert says in text_of(at)


def test_a_neighbour_is_forgotten_and_the_change_is_told(opened, text_of):
    at = opened("inspect", k="5", point="35")
    first = next(button.label for button in at.button if button.label.startswith("Forget #"))
    button(at, first).click().run()
    assert not at.exception
    assert "**Memory is edited** (1 training points)" in text_of(at)
    assert first not in [button.label for button in at.button]
    button(at, "Restore all").click().run()
    assert "Memory is edited" not in text_of(at)


def test_the_command_prints_the_same_numbers(opened, capsys):
    at = opened("inspect", k="5", sigma="0.4", temperature="2.0", point="35")
    command = next(code.value for code in at.code if "resmem_core" in code.value)
    assert main(shlex.split(command)[3:]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["point"], told["k"], told["sigma"], told["temperature"]) == (35, 5, 0.4, 2.0)
    assert f"ResMem says **{told['prediction']}**" in "\n".join(str(block.value) for block in at.markdown)
