"""Short texts for the page "Language", and an experiment on them."""

import numpy as np

from resmem_core.cli.settings import OBJECTIVES
from resmem_core.common.progress import silent
from resmem_core.common.store import Store
from resmem_core.experiment.jobs import Job
from resmem_core.experiment.text_prepare import prepare_language

SUBJECTS = ("the red fox", "a small boat", "the `old` clock", "my <b>neighbour</b>", "the night train", "a $grey$ hen")
VERBS = ("follows", "carries", "waits for", "forgets", "returns to", "looks at")
ENDINGS = ("the harbour.", "a *paper* lantern.", "the last_letter_.", "[the](bridge).")


def write_tales(folder):
    """Write 24 short texts about six subjects that have habits of their own, with all that pages must escape."""
    for number in range(24):
        rng, subject = np.random.default_rng([7, number]), number % 6
        lines = [f"{SUBJECTS[subject]} {VERBS[subject]} {ENDINGS[rng.integers(4)]}" for _ in range(8)]
        (folder / f"tale <{number}>.txt").write_text("\n".join([f"Tale {number}", "", *lines, ""]))


def prepared(config, root):
    """Prepare an experiment as the job would."""
    store = Store(root)
    with Job(config, store=store).reporting(silent):
        experiment = prepare_language(config, store=store)
        for objective in OBJECTIVES:
            experiment.tune(objective)
    return experiment
