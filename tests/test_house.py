"""The plan of the house: which package may import which, and what must not be imported at all."""

import ast
import importlib
import json
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "resmem_core"
FLOORS = (  # from the ground up; what shares a floor does not import each other
    {"common"},
    {"data"},
    {"models"},
    {"memory"},
    {"evaluation"},
    {"experiment"},
    {"analysis", "teaching"},
    {"plots"},
    {"cli"},
)
FLOOR = {package: floor for floor, packages in enumerate(FLOORS) for package in packages}
SLOW = {"torch", "torchvision", "numba", "annoy", "sklearn", "scipy", "pandas", "pyarrow", "plotly", "streamlit", "PIL"}


@cache
def modules() -> dict[str, Path]:
    """Return every module of the core by its dotted name."""
    found = {}
    for path in CORE.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imported_by(path: Path) -> frozenset[str]:
    """Return what a module imports, wherever in it: modules of the core by dotted name, others by their first name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {one if one in modules() else str(node.module) for one in full}
    return frozenset(one if one in modules() else one.partition(".")[0] for one in found)


def imported(name: str) -> frozenset[str]:
    return imported_by(modules()[name])


def package_of(name: str) -> str:
    return [*name.split("."), ""][1]


def upward(name: str) -> list[str]:
    """Return what a module imports from its own floor or from one above it, other than its own package."""
    own = package_of(name)
    others = [other for other in imported(name) if package_of(other) in FLOOR and package_of(other) != own]
    return [other for other in others if own in FLOOR and FLOOR[package_of(other)] >= FLOOR[own]]


def test_the_core_is_these_packages_and_no_other():
    found = {path.name for path in CORE.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert found == set(FLOOR)
    assert len(found) <= 10
    assert {path.name for path in CORE.glob("*.py")} == {"__init__.py", "__main__.py", "estimators.py"}


def test_imports_run_downwards_only():
    assert {name: above for name in modules() if (above := upward(name))} == {}


def test_no_circles():
    graph = {name: {other for other in imported(name) if other in modules() and other != name} for name in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_the_core_knows_nothing_of_streamlit():
    assert [name for name in modules() if "streamlit" in imported(name)] == []


def test_pages_ask_the_core_and_the_core_never_asks_pages():
    assert [name for name in modules() if imported(name) & {"pages", "app"}] == []


def test_help_imports_nothing_slow():
    code = (
        "import json, sys\n"
        "from resmem_core.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = json.loads(run.stdout.splitlines()[-1])
    assert "resmem_core" in loaded
    assert SLOW & set(loaded) == set()


@pytest.mark.parametrize("home", ["cli.dashboard", "common.errors", "common.progress", "common.store"])
def test_modules_are_found_by_the_name_that_scripts_know_them_by(home):
    name = home.split(".")[1]
    old, new = (importlib.import_module(f"resmem_core.{path}") for path in (name, home))
    assert getattr(importlib.import_module("resmem_core"), name) is old
    for key, value in vars(new).items():
        assert key.startswith("__") or getattr(old, key) is value
