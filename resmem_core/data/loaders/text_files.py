"""`text:PATH`: a person's own plain text files."""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.names import clean_name
from resmem_core.common.progress import Progress, Step
from resmem_core.common.store import digest_key
from resmem_core.data.base import DATASETS, PART_OF, PARTS, TEXT, DatasetLoader, TextSource, file_state, user_path
from resmem_core.data.file_kinds import kind_of, saved_by_hugging_face
from resmem_core.data.file_tree import by_ending, is_litter
from resmem_core.data.text import Document
from resmem_core.data.wikitext import articles

_PREFIX = re.compile(rf"({'|'.join(PART_OF)})=(.*)", re.DOTALL | re.IGNORECASE)
_WRITE = "write text:PATH, text:PATH,PATH or text:train=PATH,test=PATH"


class TextFiles(DatasetLoader):
    """Plain UTF-8 files: each a path, a folder (its `*.txt`) or a pattern (`notes/*.md`), with commas between them.

    With `train=`, `validation=` or `test=` before every path the parts are as given; without, validation and test are
    cut off. A file of WikiText articles gives a document for each, any other file is one document.
    """

    name = "text"
    summary = "your own plain text: a file, folder or pattern, several with commas, or train=PATH,test=PATH"
    argument = "PATH"
    kind = TEXT

    def unavailable(self, argument: str | None) -> str | None:
        """Return what is wrong with the paths."""
        try:
            _files(argument or "", [])
        except (DatasetError, InvalidParameterError) as error:
            return str(error)
        return None

    def stamp(self, argument: str | None) -> str:
        """Return a digest of the files' names, sizes and times.

        Raises
        ------
        DatasetError, InvalidParameterError
            As `load`, of files that are not there.
        """
        paths = [path for paths in _files(argument or "", []).values() for path in paths]
        return digest_key({str(path): file_state(path) for path in paths})

    def load(self, argument: str | None, progress: Progress) -> TextSource:
        """Read all files.

        Raises
        ------
        DatasetError
            If a file is missing, empty, or not plain text in UTF-8, or is given twice.
        InvalidParameterError
            If only some of the paths say which part they are, or train or test lacks a path.
        """
        left: list[str] = []
        parts = _files(argument or "", left)
        names = _names([path for paths in parts.values() for path in paths])
        found: dict[str, tuple[Document, ...]] = {}
        notes = [f"only *.txt of a folder is read; passed over: {by_ending(left)}"] if left else []
        for part, paths in parts.items():
            documents: list[Document] = []
            for path in paths:
                progress(Step("Reading text", 0, 0, names[path]))
                inside = articles(_text(path), names[path])
                documents += inside
                if len(inside) > 1:
                    notes.append(f"{names[path]} holds {len(inside)} WikiText articles, each a document")
            found[part] = tuple(documents)
        return TextSource(**found, notes=tuple(notes))


def _files(argument: str, left: list[str]) -> dict[str, list[Path]]:
    """Return the files of each part that is given; all are in train where none says which part it is.

    The names of files of folders that are not read are put into `left`.
    """
    entries = [entry.strip() for entry in argument.split(",")]
    if "" in entries:
        raise InvalidParameterError(f"text:{argument}: a path is missing before or after a comma; {_WRITE}")
    prefixed = [_PREFIX.fullmatch(entry) for entry in entries]
    given: dict[str, list[Path]] = {}
    if not any(prefixed):
        given["train"] = [path for entry in entries for path in _paths(entry, left)]
    else:
        for entry, match in zip(entries, prefixed, strict=True):
            if match is None:
                raise InvalidParameterError(
                    f"text:{argument}: {entry!r} says no part, as others do; put train=, validation= or test= before it"
                )
            given.setdefault(PART_OF[match[1].lower()], []).extend(_paths(match[2].strip(), left))
        if missing := [part for part in ("train", "test") if part not in given]:
            raise InvalidParameterError(
                f"text:{argument}: there is no {missing[0]}=PATH; {_WRITE}, or give no part at all and both are cut off"
            )
    places: dict[Path, str] = {}
    for part in PARTS:
        for path in given.get(part, []):
            if (place := path.resolve()) in places:
                raise DatasetError(f"{path} is given twice, in {places[place]} and in {part}; give each file once")
            places[place] = part
    return given


def _paths(entry: str, left: list[str]) -> list[Path]:
    """Return the files that a path, folder or pattern means."""
    try:
        return _found(entry, user_path(entry), left)
    except OSError as error:  # no permission to look, a name too long
        raise DatasetError(f"{entry} cannot be read: {error.strerror or error}") from error


def _found(entry: str, path: Path, left: list[str]) -> list[Path]:
    if path.is_dir():
        inside = sorted(file for file in path.iterdir() if file.is_file() and not is_litter(file.name))
        found = [file for file in inside if file.suffix.lower() == ".txt"]
        others = [file.name for file in inside if file.suffix.lower() != ".txt"]
        if saved_by_hugging_face(path):
            raise DatasetError(f"the folder {path} was saved by the package datasets (save_to_disk); write hf:{path}")
        if not found:
            there = f", but {by_ending(others)}" if others else ""
            raise DatasetError(
                f"the folder {path} has no *.txt in it{there}; give a file, or a pattern such as {path}/*.md"
            )
        left += others
        return found
    if path.exists() or not glob.has_magic(entry):
        if not path.is_file():
            raise DatasetError(f"{path} is {'no file' if path.exists() else 'not there'}; {_WRITE}")
        return [path]
    matched = map(Path, sorted(glob.glob(str(path), recursive=True)))  # noqa: PTH207
    found = [file for file in matched if file.is_file() and not any(map(is_litter, set(file.parts) - set(path.parts)))]
    if not found:
        raise DatasetError(f"no file matches the pattern {entry}")
    return found


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return what to call each file: its name, or its path where two have the same name."""
    names = Counter(clean_name(path.name) for path in paths)
    return {path: clean_name(path.name if names[clean_name(path.name)] == 1 else path.as_posix()) for path in paths}


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error
    if kind := kind_of(BytesIO(content)):
        raise DatasetError(f"{path} is {kind.name}; save it as plain text in UTF-8")
    if (place := content.find(b"\0")) >= 0:
        raise DatasetError(f"{path} is no plain text: byte {place} is zero; give text files in UTF-8")
    try:
        text = content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x} ({error.reason}); "
            "save it as UTF-8"
        ) from error
    if not text.strip():
        raise DatasetError(f"{path} has no text in it; remove it, or give another file")
    return text.replace("\r\n", "\n").replace("\r", "\n")


DATASETS.register(TextFiles.name, TextFiles())
