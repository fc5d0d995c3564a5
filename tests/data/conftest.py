import pytest
from hypothesis import strategies as st

from resmem_core.data import DATASETS, DatasetLoader


class Given(DatasetLoader):
    """Returns the source it was made with, and counts how often it was asked."""

    name = "given"
    summary = "for tests"
    argument = None

    def __init__(self, source, key, kind):
        self.source, self.key, self.kind, self.loads = source, key, kind, 0

    def cache_key(self, argument):
        return self.key

    def load(self, argument, progress):
        self.loads += 1
        return self.source


@pytest.fixture(scope="session")
def damaged():
    """Return a function that cuts a file's content short, changes a few of its bytes, or neither."""

    def damage(data, content):
        changed = bytearray(content)
        if data.draw(st.booleans()):
            del changed[data.draw(st.integers(0, len(changed))) :]
        for position in data.draw(st.lists(st.integers(0, max(len(changed) - 1, 0)), max_size=4)):
            if changed:
                changed[position] = data.draw(st.integers(0, 255))
        return bytes(changed)

    return damage


@pytest.fixture
def give_source(monkeypatch):
    """Return a function that makes a source the dataset `given`."""

    def register(source, key=None, kind=DatasetLoader.kind):
        loader = Given(source, key, kind)
        DATASETS.names()
        monkeypatch.setitem(DATASETS._items, "given", loader)
        return loader

    return register
