"""Names to implementations, found by importing a package's modules."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace

import pytest

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.registry import Registry


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a writer of modules into a new package, which they see as `shared`."""
    name = f"plugins_{tmp_path.name.replace('-', '_')}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    shared = SimpleNamespace(registry=Registry("plugin", name), imports=[])
    monkeypatch.setitem(sys.modules, "shared_with_plugins", shared)

    def write(module, code):
        text = f"import shared_with_plugins as shared\nshared.imports.append({module!r})\n{code}\n"
        (tmp_path / name / f"{module}.py").write_text(text)

    yield SimpleNamespace(write=write, shared=shared, registry=shared.registry)
    for module in [m for m in sys.modules if m.startswith(name)]:
        del sys.modules[module]


def test_discovers_once_on_first_use(package):
    package.write("b_second", "shared.registry.register('two', 2)")
    package.write("a_first", "shared.registry.register('one', 1); shared.registry.register('another', 11)")
    package.write("c_nothing", "")
    assert package.shared.imports == []
    assert package.registry.names() == ["one", "another", "two"]
    assert package.registry.get("two") == 2
    assert list(package.registry) == [1, 11, 2]
    assert package.shared.imports == ["a_first", "b_second", "c_nothing"]


def test_an_unknown_name_lists_the_known_and_a_name_is_taken_once(package):
    package.write("a", "shared.registry.register('zebra', 1); shared.registry.register('ant', 2)")
    with pytest.raises(InvalidParameterError, match="unknown plugin 'bee'; choose one of: ant, zebra"):
        package.registry.get("bee")
    item = object()
    assert package.registry.register("one", item) is item
    with pytest.raises(ValueError, match="plugin 'one' is registered twice"):
        package.registry.register("one", object())
    assert package.registry.get("one") is item


def test_a_module_that_fails_fails_again(package):
    """A list that is short without a word would be worse."""
    package.write("a", "shared.registry.register('one', 1)")
    package.write("b", "raise ImportError('libstrange is missing')")
    package.write("c", "shared.registry.register('three', 3)")
    for _ in range(2):
        with pytest.raises(ImportError, match="libstrange"):
            package.registry.names()


def test_a_thread_that_comes_second_sees_all(package):
    package.shared.entered, package.shared.release = threading.Event(), threading.Event()
    package.write("slow", "shared.entered.set(); shared.release.wait(30); shared.registry.register('slow', 1)")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(package.registry.get, "slow")
        assert package.shared.entered.wait(30)
        second = pool.submit(package.registry.get, "slow")
        wait([second], timeout=0.2)  # time to answer too early
        package.shared.release.set()
    assert [first.result(), second.result()] == [1, 1]
    assert package.shared.imports == ["slow"]


def test_a_module_may_ask_while_it_is_imported(package):
    package.write("a", "shared.registry.register('one', 1); shared.seen = shared.registry.names()")
    package.write("b", "shared.registry.register('two', 2)")
    assert sorted(package.registry.names()) == ["one", "two"]
