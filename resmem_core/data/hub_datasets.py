"""Datasets of Hugging Face, on the hub or in a folder: what is written for one, and its splits as parts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from resmem_core.common.errors import DatasetError, InvalidParameterError, UnavailableError
from resmem_core.common.names import clean_name
from resmem_core.data.base import PART_NAMES, PARTS, shown, user_path
from resmem_core.data.file_kinds import saved_by_hugging_face

MIN_VERSION = 4  # of the package: earlier ones run scripts that a dataset brings
_INSTALL = f"pip install 'datasets>={MIN_VERSION}'"
# Neither CONFIG nor COLUMN may hold a slash, so that paths with a colon or @ in a folder's name are paths.
_ARGUMENT = re.compile(r"(?P<name>[^@]+?|.+?/[^@/]*?)(?::(?P<config>[^:/\\@]+))?(?:@(?P<column>[^@/\\]+))?")


class Wanted(NamedTuple):
    """What a person wrote: a dataset's name or folder, and a configuration and a column of it, if they named them."""

    name: str
    config: str | None
    column: str | None


def wanted(loader: str, argument: str | None) -> Wanted:
    """Return what stands after the colon, as in hf:NAME:CONFIG@COLUMN.

    Raises
    ------
    InvalidParameterError
        If it names no dataset.
    """
    match = _ARGUMENT.fullmatch(argument or "")
    if match is None or match["name"] == "pandas":  # which would unpickle files of the working folder
        raise InvalidParameterError(f"{loader}:{argument}: there can be no dataset of that name; {ways(loader)}")
    folder = user_path(match["name"])
    # A folder's whole path: the package takes bare names such as "json" for one of its own readers.
    name = str(folder.resolve()) if folder.is_dir() else match["name"]
    return Wanted(name, match["config"], match["column"])


def ways(loader: str) -> str:
    """Return how datasets are written, for messages."""
    return f"write {loader}:NAME, {loader}:NAME:CONFIG or {loader}:NAME:CONFIG@COLUMN"


def package_missing() -> str | None:
    """Return how to install what is missing, if it is."""
    try:
        installed = version("datasets")
    except PackageNotFoundError:
        return f"the package datasets is not installed: {_INSTALL}"
    if int(installed.partition(".")[0]) < MIN_VERSION:
        return f"the package datasets {installed} can run code that comes with a dataset; take a newer one: {_INSTALL}"
    return None


def fetched(spec: str, name: str, config: str | None) -> dict[str, Any]:
    """Return the splits by name, fetching what is not here yet.

    Raises
    ------
    UnavailableError
        If the package is not installed, or there is no such dataset here and none could be fetched.
    DatasetError
        If it has no such configuration, or its files are damaged.
    """
    if reason := package_missing():
        raise UnavailableError(f"{spec}: {reason}")
    import datasets

    try:
        if not saved_by_hugging_face(Path(name)):
            return dict(datasets.load_dataset(name, config))
        saved = datasets.load_from_disk(name)
        return dict(saved) if isinstance(saved, dict) else {"train": saved}
    except (datasets.exceptions.DatasetBuildError, ValueError) as error:  # damaged files; no such configuration
        raise DatasetError(f"the Hugging Face dataset {name!r} cannot be used: {error}") from error
    except Exception as error:  # the network, the hub and the disk have classes of their own, from several packages
        raise UnavailableError(
            f"the Hugging Face dataset {name!r} is not here and could not be fetched ({error}); check the name, "
            f"and connect to the internet; or, where there is one, run datasets.load_dataset({name!r})"
            ".save_to_disk('FOLDER') in Python, bring that folder here, and give its path in place of the name"
        ) from error


def split_of_part(spec: str, splits: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Return which split is which part, and a note on the others; of several, the one that is called most like it.

    Raises
    ------
    DatasetError
        If there is none for train.
    """
    splits = list(splits)
    names = {clean_name(split).casefold(): split for split in splits}
    found = {part: [names[name] for name in PART_NAMES[part] if name in names] for part in PARTS}
    called = {part: of_part[0] for part, of_part in found.items() if of_part}
    if "train" not in called:
        raise DatasetError(f"{spec} has no split train but {shown(splits)}; use a dataset that has one")
    left = [split for split in splits if split not in called.values()]
    return called, [f"other splits were passed over: {shown(left)}"] if left else []


def image_columns(rows: Any) -> list[str]:
    """Return the columns of a split that hold images."""
    return [name for name, kind in rows.features.items() if type(kind).__name__ == "Image"]
