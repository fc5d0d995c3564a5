"""Pages by Streamlit's own test runner: the app's router with one page as the default."""

import json
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from pages._shared import live, stamps
from resmem_core.experiment.config import LanguageConfig
from tests.pages.tales import prepared, write_tales

# An app of Streamlit's test runner looks through every installed package for components; once is enough.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)

PAGES = sorted(map(str, (Path(__file__).parents[2] / "pages").glob("[a-z]*.py")))
ROUTER = """
import streamlit as st
from pages._shared.frame import run
pages = [st.Page(path, default=path.endswith("/{page}.py")) for path in {paths}]
run(st.navigation(pages), "{page}")
"""
BLOCKS = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error", "toast")


class App(AppTest):
    """The app as a visitor has it before them; a run in which anything is raised fails the test."""

    def _run(self, *args: Any, **options: Any) -> "App":
        super()._run(*args, **options)
        assert [raised.value for raised in self.exception] == []
        return self

    @property
    def text(self) -> str:
        """All that the page says, as it is read."""
        return read_markdown("\n".join(str(block.value) for kind in BLOCKS for block in getattr(self, kind)))

    @property
    def numbers(self) -> dict[str, str]:
        """The figures that stand alone, by label."""
        return {metric.label: metric.value for metric in self.metric}

    @property
    def headings(self) -> list[str]:
        """Its headings of the first level below the title."""
        return [heading.value for heading in self.header]

    @property
    def mounted(self) -> dict[str, Any]:
        """What the components of the page are told, by key: a mapping, or bytes."""
        found = (element.proto for element in self.get("bidi_component"))
        return {_key_of(told.id): json.loads(told.json) if told.json else told.bytes for told in found}

    @property
    def headline(self) -> dict[str, str]:
        """What stands beside the title, by part."""
        told: dict[str, str] = self.mounted["headline"]["told"]
        return told

    @property
    def knobs(self) -> dict[str, dict[str, Any]]:
        """The knobs, by name: where each stands, and its label, steps ("values") and help."""
        told = self.mounted["knobs"]
        return {knob["name"]: {**knob, "at": told["setting"][knob["name"]]} for knob in told["knobs"]}

    def turn(self, **setting: float) -> "App":
        """Turn knobs, as a visitor would: the browser tells of all of them, and how often any was turned."""
        told = self.mounted["knobs"]
        turned = {**told["setting"], **setting, "count": told["heard"] + 1}
        states = self._tree.get_widget_states()
        (of_knobs,) = (e.proto.id for e in self.get("bidi_component") if _key_of(e.proto.id) == "knobs")
        states.widgets.add(id=of_knobs, json_value=json.dumps({"setting": turned}))
        return self._run(states)

    @property
    def tabs_of_section(self) -> list[str]:
        """The titles of the pages of this section, which are linked to below the title."""
        return [link.proto.label for link in self.get("page_link") if not link.proto.icon]

    def address(self, name: str) -> str | None:
        """Return a value of the page's address; None where it is not in it."""
        value = self.query_params.get(name)
        return value[0] if isinstance(value, list) else value

    def labelled(self, kind: str, label: str) -> Any:
        """Return the widget of a kind ("slider") that has this label."""
        return next(widget for widget in getattr(self, kind) if widget.label == label)

    def press(self, label: str) -> "App":
        """Press the button with this label."""
        return self.labelled("button", label).click().run()

    def select_run(self, row: int) -> "App":
        """Select a row of the table of runs, as a click would."""
        self.session_state["runs"] = {"selection": {"rows": [row], "columns": [], "cells": []}}
        return self.run()


def _key_of(component: str) -> str:
    """Return the key in the name of a component, "$$ID-digest-key"."""
    return component.split("-", 2)[-1]


@pytest.fixture(autouse=True)
def _default_is_open(_digits_ready):
    """Spare every page the default experiment's preparation, which others test."""


def _leave(page: str) -> None:
    """Note which page this one is left for; Streamlit's test runner cannot go there."""
    st.session_state.left_for = page
    st.stop()


@pytest.fixture
def opened(monkeypatch, tmp_path_factory):
    """Return a function from a page's file name and query to the app as it looks when that address is opened."""
    monkeypatch.setattr(st, "switch_page", _leave)
    monkeypatch.setattr(live, "_begun", lambda job: None)  # no test waits for every setting to be judged
    monkeypatch.setattr(stamps, "REST", 0)  # on a busy machine, looking at files takes long enough to miss a change

    def opened(page: str, **query: str) -> App:
        router = tmp_path_factory.mktemp("router") / "app.py"
        router.write_text(ROUTER.format(page=page, paths=PAGES))
        at = App(router, default_timeout=60)
        for name, value in query.items():
            at.query_params[name] = value
        return at.run()

    return opened


@pytest.fixture
def read():
    """Return a function from Markdown to the text in which nothing is escaped."""
    return read_markdown


def read_markdown(markdown: str) -> str:
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown).replace("\u2060", "")


@pytest.fixture
def arrays(tmp_path):
    """Return a function that writes a small dataset of two classes and returns its name.

    It takes the spread of points within a class, the base model's logits, by default guesses, how many points there are
    in each part, and a seed. Five test points are copies of training points.
    """

    def write(spread: float = 0.2, logits: Any = None, n: int = 60, seed: int = 0) -> str:
        rng, labels = np.random.default_rng(seed), np.arange(n) % 2
        found = {}
        for part in ("train", "test"):
            found[f"{part}_embeddings"] = labels[:, None] + rng.normal(0, spread, (n, 3))
            found[f"{part}_logits"] = rng.normal(size=(n, 2)) if logits is None else logits
            found[f"{part}_labels"] = labels
        found["test_embeddings"][:5] = found["train_embeddings"][:5]
        np.savez(tmp_path / "mine.npz", **found)
        return f"arrays:{tmp_path / 'mine.npz'}"

    return write


@pytest.fixture(scope="module")
def tales(tmp_path_factory):
    """Return an experiment that is prepared, its folder, and its settings as an address."""
    folder, root = (tmp_path_factory.mktemp(name) for name in ("tales", "store"))
    write_tales(folder)
    config = LanguageConfig(f"text:{folder}", tokenizer="words", vocabulary=512, epochs=3)
    experiment = prepared(config, root)
    query = {"dataset": config.dataset, "tokenizer": "words", "vocabulary": "512", "epochs": "3"}
    return SimpleNamespace(experiment=experiment, root=root, query=query, params=experiment.tune().params)


@pytest.fixture
def ready(tales, opened, monkeypatch):
    """Return a function that opens the page on that experiment."""
    monkeypatch.setenv("RESMEM_CACHE", str(tales.root))
    return lambda **query: opened("language", **tales.query, **query)
