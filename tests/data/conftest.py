import pytest

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


@pytest.fixture
def give_source(monkeypatch):
    """Return a function that makes a source the dataset `given`."""

    def register(source, key=None, kind=DatasetLoader.kind):
        loader = Given(source, key, kind)
        DATASETS.names()
        monkeypatch.setitem(DATASETS._items, "given", loader)
        return loader

    return register
