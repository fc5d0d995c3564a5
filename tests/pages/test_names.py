"""Names on every page: shown as text, whatever they hold; uploads by their file's name; memory, where it is edited."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from pages._shared.frame import FORMS
from pages._shared.text import plain
from resmem_core.common.store import Store
from resmem_core.data.example_files import example_file
from resmem_core.data.uploads import Uploads
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.experiment.runs import Runs
from resmem_core.memory.edits import Edits
from resmem_core.memory.types import Params

PAGES = sorted(path.stem for path in (Path(__file__).parents[2] / "pages").glob("[a-z]*.py"))
OF_RESULTS = [page for page in PAGES if page not in {"experiments", "long_tail", "your_data", *FORMS}]
ME = "0123456789abcdef" * 2
HOSTILE = (
    "[x](http://evil)",
    "![i](http://evil/i.png)",
    '<b>bold</b><a href="http://evil">x</a>',
    ":red[hi] $x^2$ **b** _i_",
    "%{x}%{y}",
    "`code` :smile:",
    "\\[x\\] www.evil.com",
    "a@evil.com -> b",
)
FILE = "[f](x) :red[hi].csv"
TEXTS = {"Code.code_text", "Selectbox.options", "PlotlyChart.alt", "TextInput.value"}  # no Markdown: shown as they are
IN_FIGURES = ("<a href", "<b>bold", "$x^2$", "%{x}%{y}")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Return a dataset in which everything that can be named has a hostile name; memory fixes some and breaks some."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("names") / FILE
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "label", "name", "e0", "e1", f"{HOSTILE[0]} $x$"])
        for row in range(480):
            split = "train" if row < 300 else "validation" if row < 380 else "test"
            cluster = int(rng.integers(0, 16))  # two a class, opposite each other: no straight border tells them apart
            angle, label = 2 * np.pi * cluster / 16, cluster % 8 if rng.random() < 0.8 else int(rng.integers(0, 8))
            place = 3 * np.array([np.cos(angle), np.sin(angle)]) + rng.normal(0, 0.4, 2)
            writer.writerow([split, HOSTILE[label], f"{HOSTILE[row % 8]} {row}", *place, 0])
    return f"table:{path}"


@pytest.fixture
def edited(table, _in_shared_store):
    """Return the reference of edits of the table's memory, in the store that tests share."""
    return Edits((3, 4), ((7, 1), (9, 2))).save(Store(), prepare(ExperimentConfig(table)).dataset)


def strings(message):
    """Yield every string of a message, with the name of its field."""
    for field, value in message.ListFields():
        for one in [value] if isinstance(value, str) or not hasattr(value, "__iter__") else value:
            if isinstance(one, str):
                yield f"{message.DESCRIPTOR.name}.{field.name}", one
            elif hasattr(one, "ListFields"):
                yield from strings(one)


def texts(value):
    """Yield every string of a figure."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def messages(block):
    """Yield what Streamlit sends for each element below a block, and for the block."""
    for child in block.children.values():
        if child.proto is not None:
            yield child.proto
        if hasattr(child, "children"):
            yield from messages(child)


def assert_names_are_text(at):
    for message in messages(at._tree):
        for field, said in strings(message):
            if field == "PlotlyChart.spec":
                wrong = [text for text in texts(json.loads(said)) for name in IN_FIGURES if name in text]
                assert not wrong, wrong
            elif field not in TEXTS:
                assert not [name for name in (*HOSTILE, FILE) if name in said], (field, said)
    for table in at.table:  # whose cells are Markdown, and no strings of a message
        said = table.value.to_csv()
        assert not [name for name in (*HOSTILE, FILE) if name in said], said


@pytest.mark.parametrize("page", PAGES)
def test_names_are_text_on_every_page(opened, table, edited, page):
    experiment, params = prepare(ExperimentConfig(table)), Params(5, 0.5)
    result = experiment.evaluate(params)
    assert result.fixed
    assert result.broken
    Runs().record(experiment, params, result, tuned=False)
    query = {"dataset": table, "edits": edited, "k": str(params.k), "point": "5", "train_point": "7"}
    query |= {"by": "class-size", "near": "1", "region": "-99_-99,99_-99,99_99,-99_99", "other": f"dataset={table}&k=3"}
    at = opened(page, **query)
    assert_names_are_text(at)
    for outcome in ("broken", "both right") if page == "points" else ():
        assert_names_are_text(opened(page, **query, outcome=outcome))
    if page == "experiments":
        assert_names_are_text(at.select_run(0))


@pytest.mark.usefixtures("_in_shared_store")
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"dataset": f"table:/no/{FILE}"}, [f"/no/{FILE}"]),
        ({"dataset": HOSTILE[0]}, ["'[x](http'"]),
        ({"dataset": f"upload:{'0' * 32}"}, ["deleted by its owner"]),
        ({"point": HOSTILE[2], "sigma": "-1", "k": "99999"}, ["showing k=", "above 0"]),
    ],
)
def test_what_cannot_be_is_told_on_every_page_and_quoted_as_text(opened, page, query, says):
    at = opened(page, **query, other=f"k={HOSTILE[3]}")
    assert_names_are_text(at)
    assert page not in OF_RESULTS or all(part in at.text for part in says)


def test_what_a_person_searched_for_is_text(opened, table):
    at = opened("points", dataset=table, k="5")
    at.text_input(key="setting-find").set_value(HOSTILE[3]).run()
    assert "test points selected" in at.text
    assert_names_are_text(at)


@pytest.mark.parametrize("name", HOSTILE)
def test_escaped_text_reads_as_it_was(read, name):
    assert name not in plain(name)
    assert read(plain(name)) == name


@pytest.mark.parametrize("page", OF_RESULTS)
def test_edited_memory_is_said_once_and_can_be_restored(opened, table, edited, page):
    at = opened(page, dataset=table, k="5", edits=edited)
    (restore,) = (button for button in at.button if button.label == "Restore all")
    assert at.text.count("Memory is edited" if page != "memory" else "Effect of the edits") == 1
    restore.click().run()
    assert "edits" not in at.query_params
    assert "Restore all" not in [button.label for button in at.button]


@pytest.mark.parametrize("page", [*OF_RESULTS, "experiments", "your_data"])
def test_an_upload_is_called_by_its_file(opened, page):
    uploaded = Uploads(ME).add("_my_ file.csv", example_file(".csv"))
    at = opened(page, dataset=uploaded.dataset)
    at.session_state["visitor"] = ME
    at.run()
    assert uploaded.id not in at.text
    tables = "".join(str(table.value) for table in at.table)
    assert "_my_" not in "".join((tables, *(str(block.value) for block in (*at.markdown, *at.caption))))
    if page in ("overview", "compare", "your_data"):
        assert "_my_ file.csv" in at.text
    if page == "compare":
        assert plain("_my_ file.csv") in tables
