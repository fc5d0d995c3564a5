"""What the documents promise: their commands, pictures and code; and what they ask to be installed."""

import importlib
import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from resmem_core.cli.base import COMMANDS
from resmem_core.data import DATASETS
from resmem_core.data.text_loading import load_corpus
from resmem_core.evaluation.evaluate import METRICS
from resmem_core.memory.indexes import INDEXES
from resmem_core.models import BACKBONES
from tests.memory.indexes import test_contract as index_contract
from tests.models.families import test_contract as model_contract
from tests.test_house import imported_by

ROOT = Path(__file__).parents[1]


def blocks(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_what_is_linked_is_there(document):
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / document).read_text())
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).is_file()] == []


def test_whatever_is_imported_is_asked_for():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = [
        *(ROOT / "requirements.txt").read_text().splitlines(),
        *(line for extra in extras.values() for line in extra),
    ]
    named = {match[0].lower() for line in asked if (match := re.match(r"[\w.-]+", line))}
    modules = [ROOT / "app.py", *(ROOT / "resmem_core").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]
    names = {name.partition(".")[0] for module in modules for name in imported_by(module)}
    others = names - sys.stdlib_module_names - {"resmem_core", "pages"}
    assert {"PIL", "threadpoolctl", "transformers"} <= others  # inside functions
    called = {"PIL": "pillow", "sklearn": "scikit-learn", "openTSNE": "opentsne"}  # where the name differs
    assert {name for name in others if called.get(name, name.replace("_", "-")) not in named} == set()


def test_the_readme_carries_both_commands():
    text = (ROOT / "README.md").read_text()
    assert "pip install -r requirements.txt && streamlit run app.py" in text
    assert "pip install -r requirements-dev.txt && pytest" in text


def test_the_classifier_example_runs_and_gains():
    example = next(block for block in blocks("README.md") if "ResMemClassifier" in block)
    done = subprocess.run([sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True, check=True)
    base, resmem = map(float, done.stdout.split())
    assert resmem > base


def test_the_module_example_runs_and_gains(tmp_path):
    example = next(block for block in blocks("README.md") if "import ResMemModule, attach" in block)
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    base, resmem = map(float, done.stdout.split())
    assert resmem > 0.95 > base + 0.3


EXAMPLES = dict(
    re.findall(
        r"^### [^\n]*`(\S+)`\n.*?```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL | re.MULTILINE
    )
)
REGISTRIES = (DATASETS, BACKBONES, INDEXES, METRICS, COMMANDS)


@pytest.fixture
def add(tmp_path, monkeypatch):
    """Return a function that puts an example of CONTRIBUTING where its heading says, as far as anyone can tell."""
    added = []

    def put(path: str) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(EXAMPLES[path])
        package = importlib.import_module(".".join(Path(path).parent.parts))
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(file.parent)])
        added.append(f"{package.__name__}.{file.stem}")
        for registry in REGISTRIES:
            if registry._package == package.__name__:
                registry.names()
                monkeypatch.setattr(registry, "_items", dict(registry._items))
                monkeypatch.setattr(registry, "_discovered", False)

    yield put
    for name in added:
        sys.modules.pop(name, None)


def test_the_tree_names_every_package_and_what_is_found_in_folders():
    tree = re.findall(r"```\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)[1]
    core = ROOT / "resmem_core"
    packages = {path.parent.name for path in core.glob("*/__init__.py")}
    assert set(re.findall(r"^  (\w+)/", tree, re.MULTILINE)) == packages
    within = {registry._package.rpartition(".")[2] for registry in REGISTRIES} | {"tokenizers"}
    assert within == {path.parent.name for path in core.glob("*/*/__init__.py")}
    assert all(f" {name}/" in tree for name in within)


def test_there_is_an_example_of_each():
    assert set(EXAMPLES) == {
        "resmem_core/data/loaders/iris.py",
        "resmem_core/data/loaders/numpy_docs.py",
        "resmem_core/models/families/perceptron.py",
        "resmem_core/memory/indexes/kd_tree.py",
        "resmem_core/evaluation/measures/balanced.py",
        "resmem_core/analysis/hubs.py",
        "resmem_core/cli/commands/hubs.py",
        "pages/hubs.py",
    }
    assert not [path for path in EXAMPLES if (ROOT / path).exists()]


def test_a_dataset_is_one_file(add, printed):
    add("resmem_core/data/loaders/iris.py")
    assert "iris" in [row["name"] for row in printed("datasets")["datasets"]]
    assert printed("evaluate", "--dataset", "iris")["dataset"] == "iris"


def test_a_text_dataset_is_one_file(add):
    add("resmem_core/data/loaders/numpy_docs.py")
    corpus = load_corpus("numpy-docs")
    assert any("linspace" in document.name for part in (corpus.train, corpus.test) for document in part)
    assert all(len(part) > 10 for part in (corpus.train, corpus.validation, corpus.test))


def test_a_base_model_is_one_file_and_keeps_the_contract(add, printed):
    add("resmem_core/models/families/perceptron.py")
    found = printed("evaluate", "--backbone", "perceptron", "--limit-train", "300")
    assert (found["backbone"], found["weights"]) == ("perceptron", "trained here")
    assert found["accuracy"]["base"] > 0.5
    model_contract.test_a_backbone_knows_its_name_and_has_a_recipe("perceptron")
    model_contract.test_network_takes_any_shape("perceptron", (3, 9, 17))
    model_contract.test_initial_weights_depend_on_the_seed_alone("perceptron", (1, 8, 8))


def test_an_index_is_one_file_and_keeps_the_contract(add, printed, tmp_path, monkeypatch):
    add("resmem_core/memory/indexes/kd_tree.py")
    found, exact = printed("evaluate", "--index", "kd-tree"), printed("evaluate")
    assert (found["index"], found["recall_at_k"]) == ("kd-tree", 1.0)
    assert found["accuracy"] == exact["accuracy"]
    (tmp_path / "empty").mkdir()
    given = {"kind": INDEXES.get("kd-tree"), "tmp_path": tmp_path / "empty", "monkeypatch": monkeypatch}
    for name, check in vars(index_contract).items():
        wants = inspect.signature(check).parameters if name.startswith("test_") else {"nothing"}
        if given.keys() >= set(wants):
            check(**{name: given[name] for name in wants})


def test_a_metric_is_one_file(add, told, printed):
    add("resmem_core/evaluation/measures/balanced.py")
    found = printed("evaluate")["metrics"]["balanced"]
    assert 0.8 < found["base"] < found["resmem"] < 1
    (listed,) = printed("runs")["runs"]
    assert listed["balanced_resmem"] == found["resmem"]
    assert re.search(r"balanced .*higher is better", told("evaluate"))


def test_an_analysis_and_its_command_are_one_file_each(add, printed):
    add("resmem_core/analysis/hubs.py")
    add("resmem_core/cli/commands/hubs.py")
    hubs = printed("hubs", "--k", "5")["hubs"]
    assert list(hubs.values()) == sorted(hubs.values(), reverse=True)
    assert printed("hubs", "--k", "5")["hubs"] == hubs
    assert len(list(Path(os.environ["RESMEM_CACHE"]).glob("hubs/*"))) == 1  # kept


def test_a_page_is_one_file(add, tmp_path):
    add("resmem_core/analysis/hubs.py")
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "_shared").symlink_to(ROOT / "pages" / "_shared")
    (tmp_path / "pages" / "hubs.py").write_text(EXAMPLES["pages/hubs.py"])
    (tmp_path / "app.py").write_text((ROOT / "app.py").read_text())  # the router, which finds this page alone
    at = AppTest.from_file(str(tmp_path / "app.py"), default_timeout=60).run()
    assert not at.exception
    assert int(at.metric[0].value) == at.dataframe[0].value["test points"].max() > 1
    assert at.code[1].value.startswith("python -m resmem_core hubs ")


def test_the_app_listens_to_this_machine_only():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert config["server"]["address"] == "127.0.0.1"
    assert "--server.address 0.0.0.0" in (ROOT / "README.md").read_text()
