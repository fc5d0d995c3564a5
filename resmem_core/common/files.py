"""Files that a reader sees whole or not at all, and what is said where one cannot be written."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from resmem_core.common.errors import StoreError


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, whole or not at all."""
    write_whole(path, json.dumps(value, indent=1, allow_nan=False).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it and rename it: a reader sees all of it or none."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:  # of the draft, whose name says nothing to a user
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def writing(what: object) -> Iterator[None]:
    """Raise `StoreError` where `what`, as the message calls it, cannot be written."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"could not write {what}: {error.strerror or error}; free some space there") from error
