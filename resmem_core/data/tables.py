"""Tables of every kind that `table:` reads, by how their files are called."""

from __future__ import annotations

from pathlib import Path

from resmem_core.data.csv_files import read_csv
from resmem_core.data.model_file import refuse_other_kinds, wrong
from resmem_core.data.table_columns import TableFile
from resmem_core.data.table_files import read_arrow, read_parquet
from resmem_core.data.table_folders import files_in, read_folder

_READERS = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".csv.gz": read_csv,
    ".tsv.gz": read_csv,
    ".parquet": read_parquet,
    ".feather": read_arrow,
    ".arrow": read_arrow,
}
ENDINGS = tuple(_READERS)
EXPECTED = "a .csv, .tsv, .parquet, .feather or .arrow file"


def ending_of(name: str) -> str | None:
    """Return how the name of a table's file ends; None where it is no table's."""
    return next((ending for ending in ENDINGS if name.lower().endswith(ending)), None)


def table_files(folder: Path) -> list[Path]:
    """Return the files of the tables in a folder; none where it is no folder of tables."""
    return [path for paths in files_in(folder, ending_of).parts.values() for path in paths]


def read_table(path: Path) -> TableFile:
    """Return the table in a file or a folder.

    Raises
    ------
    DatasetError
        If it cannot be read, or it cannot be told which columns hold what.
    """
    if path.is_dir():
        return read_folder(path, files_in(path, ending_of), read_table)
    kind = ending_of(path.name)
    refuse_other_kinds(path, ".gz" if kind and kind.endswith(".gz") else kind or ".csv")
    if kind is None:
        raise wrong(path, "the file's name", f"the ending {path.suffix!r}", f"that of {EXPECTED}")
    return _READERS[kind](path)
