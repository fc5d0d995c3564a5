"""Tables of other libraries, as Arrow's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.data.table_columns import is_view

if TYPE_CHECKING:
    import pyarrow as pa


def as_arrow(given: Any) -> pa.Table:
    """Return a table of pandas, Polars, Arrow or any library with Arrow's stream interface; pandas' index is left out.

    Raises
    ------
    InvalidParameterError
        If it is no table.
    DatasetError
        If a column cannot be taken, such as one of objects.
    """
    import pandas as pd
    import pyarrow as pa

    kind = type(given).__name__
    is_pandas = isinstance(given, pd.DataFrame)
    if not is_pandas and not hasattr(given, "__arrow_c_stream__"):
        raise InvalidParameterError(f"a {kind} is no table; give a path, a DataFrame or a Table, or arrays by name")
    try:
        if is_pandas:  # which tells more of its columns of objects than its stream
            return pa.Table.from_pandas(given, preserve_index=False)
        table = pa.table(given)
        views = [(place, field) for place, field in enumerate(table.schema) if is_view(field.type)]
        for place, field in views:
            table = table.set_column(place, field.name, table[place].cast(pa.large_string()))
        return table
    except Exception as error:  # each library has errors of its own for what it cannot hand out
        raise DatasetError(
            f"a {kind} cannot be taken as a table: {error}; expected columns of numbers, text or lists of numbers"
        ) from error
