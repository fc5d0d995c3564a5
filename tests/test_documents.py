"""What the documents promise: their commands, pictures and code; and what they ask to be installed."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from resmem_core.cli.main import main
from resmem_core.data import DATASETS

ROOT = Path(__file__).parents[1]


def blocks(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_what_is_linked_is_there(document):
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / document).read_text())
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).is_file()] == []


def imported(path: Path) -> set[str]:
    """Return the packages that a module imports, inside functions too, as they are called there."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
    return {name.partition(".")[0] for name in names}


def test_whatever_is_imported_is_asked_for():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = [
        *(ROOT / "requirements.txt").read_text().splitlines(),
        *(line for extra in extras.values() for line in extra),
    ]
    named = {match[0].lower() for line in asked if (match := re.match(r"[\w.-]+", line))}
    modules = [ROOT / "app.py", *(ROOT / "resmem_core").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]
    others = set().union(*map(imported, modules)) - sys.stdlib_module_names - {"resmem_core", "pages"}
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


def test_the_dataset_example_is_one_file_and_evaluates(capsys):
    example = next(block for block in blocks("CONTRIBUTING.md") if "class Wine" in block)
    try:
        exec(example, {"__name__": "resmem_core.data.wine"})
        assert main(["evaluate", "--dataset", "wine", "--json"]) == 0
        assert '"dataset": "wine"' in capsys.readouterr().out
    finally:
        DATASETS._items.pop("wine", None)


def test_the_app_listens_to_this_machine_only():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert config["server"]["address"] == "127.0.0.1"
    assert "--server.address 0.0.0.0" in (ROOT / "README.md").read_text()
