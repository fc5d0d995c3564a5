"""Files that change while the app runs: pages show what is there now."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from pages._shared import stamps
from resmem_core.common.progress import silent
from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.jobs import Job
from resmem_core.experiment.prepare import prepare


def test_a_file_that_changed_is_not_shown_as_it_was(opened, arrays):
    query = {"dataset": arrays(spread=0.7), "k": "5"}
    pages = {page: opened(page, **query) for page in ("overview", "classes", "tune")}
    inspected = opened("points", **query, point="55")
    before = {page: (at.headline, at.text) for page, at in pages.items()}
    for n, seed in ((60, 0), (50, 1), (60, 0)):
        arrays(spread=0.7, n=n, seed=seed)
        for page, at in pages.items():
            at.run()
            shown, fresh = (at.headline, at.text), opened(page, **query)
            assert shown == (fresh.headline, fresh.text)
            assert (shown == before[page]) is (seed == 0)
        inspected.run()
        assert ("no test point 55" in inspected.text) is (n == 50)


def test_a_folder_that_changed_is_offered_to_be_prepared(opened, tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    monkeypatch.setenv("RESMEM_CACHE", str(store.root))
    rng = np.random.default_rng(0)

    def save(name, seed):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)

    for part, n in (("train", 20), ("test", 6)):
        for kind in ("cat", "dog"):
            for number in range(n):
                save(f"{part}/{kind}/{number}.png", int(rng.integers(10**6)))
    config = ExperimentConfig(f"folder:{tmp_path / 'pictures'}", "linear", epochs=2)

    def train():
        with Job(config, store=store).reporting(silent):
            prepare(config, store=store)

    train()
    query = {"dataset": config.dataset, "backbone": "linear", "epochs": "2", "k": "3"}
    at = opened("overview", **query)
    assert at.headline
    before = at.text
    save("test/cat/6.png", 7)
    at.run()
    assert at.text != before
    train()
    at.run()
    assert at.headline
    assert at.text == opened("overview", **query).text != before


def test_everything_kept_of_an_experiment_is_keyed_by_its_data():
    text = (Path(stamps.__file__).parent / "cache.py").read_text()
    kept = re.findall(r"@st\.cache_(?:data|resource)\((.*)\)\ndef \w+\((.*)\)", text)
    assert [decorated for decorated, taken in kept if "Config" in taken and "hash_funcs=BY_DATA" not in decorated] == []
    assert len(kept) > 20


def test_large_folders_are_not_looked_through_at_every_turn(monkeypatch):
    now, asked = [0.0], []
    monkeypatch.setattr(stamps, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(stamps.st, "session_state", {})
    found = {}
    monkeypatch.setattr(stamps, "_looks", lambda: found)

    def stamp(argument):
        now[0] += 0.5
        asked.append(argument)
        return str(len(asked))

    def look():
        stamps.look("folder:x", SimpleNamespace(stamp=stamp), "x")
        return stamps.key_of(ExperimentConfig("folder:x"))[1]

    assert look() == "1"
    now[0] += 9
    assert look() == "1"
    now[0] += 1.5
    assert look() == "2"
    assert stamps.key_of(ExperimentConfig("digits"))[1] == ""
