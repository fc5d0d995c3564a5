"""Several seeds: what is not there is offered, what is there is shown."""

from resmem_core.cli.main import main


def test_what_is_not_there_is_offered(opened):
    at = opened("seeds")
    assert [button.label for button in at.button if "Train" in button.label] == ["Train and prepare"]


def test_seeds_that_are_there_are_shown(opened):
    main(["seeds", "--count=5", "--epochs=1", "--limit-train=60"])
    at = opened("seeds", epochs="1", limit_train="60")
    assert "Over 5 seeds" in at.text
