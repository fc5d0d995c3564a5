"""A raw table as numbers, by what its training part alone says: the embedding of examples that have features.

Shapes: N examples, D numbers of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from resmem_core.common.errors import DatasetError
from resmem_core.common.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MOST_CATEGORIES = 50  # of a column that have a number each; the rarest beyond them share one
DAY = np.timedelta64(1, "D")
CYCLES = (7.0, 365.2425)  # days of a week and of a year


def encoded(tables: Mapping[str, pa.Table]) -> dict[str, FloatArray]:
    """Return the features of each part as numbers, (N, D) of float32, encoded by what "train" says.

    Numbers and times are standardised, what is missing being the median, with a column that says where it was missing;
    categories are 0 and 1, those that train lacks 0 everywhere, or where there are too many of them as the rare ones.
    A time is its days and where it stands in the week and in the year, as sine and cosine.

    Raises
    ------
    DatasetError
        If numbers are too large.
    """
    frames = {part: table.to_pandas() for part, table in tables.items()}
    encoder = _encoder(tables["train"])
    with np.errstate(over="ignore", invalid="ignore"):  # which is told below
        made = {"train": encoder.fit_transform(frames["train"])}
        made |= {part: encoder.transform(frame) for part, frame in frames.items() if part != "train"}
        found = {part: np.asarray(made[part], np.float32) for part in tables}
    for part, numbers in found.items():
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0])
            raise DatasetError(
                f"row {row} of {part} has features too large to be standardised: expected numbers whose squares a "
                "float64 holds; leave the row out, or scale its columns"
            )
    return found


def _encoder(table: pa.Table) -> Any:
    import pyarrow as pa
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    kinds = {field.name: field.type for field in table.schema}
    numbers = [name for name, kind in kinds.items() if pa.types.is_floating(kind)]
    times = [name for name, kind in kinds.items() if pa.types.is_timestamp(kind)]
    texts = [name for name in kinds if name not in (*numbers, *times)]

    def filled() -> SimpleImputer:
        return SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)

    categories = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES, sparse_output=False
    )
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(filled(), StandardScaler()), numbers),
            ("times", make_pipeline(FunctionTransformer(_of_times), filled(), StandardScaler()), times),
            ("categories", make_pipeline(FunctionTransformer(_of_texts), categories), texts),
        ]
    )


def _of_texts(frame: pd.DataFrame) -> np.ndarray:
    """Return categories, (N, columns), what is missing being one of them."""
    return frame.astype(object).where(frame.notna(), "").to_numpy(dtype=str).astype(object)


def _of_times(frame: pd.DataFrame) -> FloatArray:
    """Return days since 1970 and the place in each of `CYCLES`, (N, 5 times the columns); NaN where missing."""
    times = frame.to_numpy("datetime64[us]")
    days = np.where(np.isnat(times), np.nan, (times - np.datetime64(0, "us")) / DAY)
    turns = [2 * np.pi * days / cycle for cycle in CYCLES]
    return np.hstack([days, *(wave(turn) for turn in turns for wave in (np.sin, np.cos))])
