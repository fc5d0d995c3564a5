"""Small raw tables that come with scikit-learn: always there, ready at once."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from resmem_core.common.progress import Progress
from resmem_core.data.base import DATASETS, FEATURES, DatasetLoader, Source
from resmem_core.data.types import Examples


class ScikitTable(DatasetLoader):
    """One of scikit-learn's tables; test and validation are cut off."""

    kind: ClassVar[str] = FEATURES
    embedded: ClassVar[bool] = True

    def __init__(self, name: str, loads: str, summary: str) -> None:
        self.name, self._loads, self.summary = name, loads, summary  # type: ignore[misc]  # one class for all

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Return all of them, classes by their names, or values as they come."""
        import pyarrow as pa
        from sklearn import datasets

        data = getattr(datasets, self._loads)()
        table = pa.table({str(name): column for name, column in zip(data.feature_names, data.data.T, strict=True)})
        names = tuple(map(str, getattr(data, "target_names", ())))
        labels = data.target.astype(np.int64 if names else np.float64)
        metadata = pa.table({name: table[name].cast(pa.string()) for name in table.column_names})
        return Source(names, Examples(labels, metadata=metadata, features=table))


for scikit_table in (
    ScikitTable("breast-cancer", "load_breast_cancer", "569 tumours, 30 measurements, 2 classes; nothing to download"),
    ScikitTable("wine", "load_wine", "178 wines, 13 measurements, 3 cultivars; nothing to download"),
    ScikitTable("diabetes", "load_diabetes", "442 patients, 10 measurements, a value to predict; nothing to download"),
):
    DATASETS.register(scikit_table.name, scikit_table)
