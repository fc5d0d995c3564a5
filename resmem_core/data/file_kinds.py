"""What kind of file it is, by its first bytes, for messages about files that are not what is expected."""

from __future__ import annotations

import codecs
from pathlib import Path

HEAD = 512  # bytes that are looked at
_UTF_16 = "text in UTF-16"
_KINDS = {  # first bytes -> what people call it
    codecs.BOM_UTF32_LE: "text in UTF-32",
    codecs.BOM_UTF16_LE: _UTF_16,
    codecs.BOM_UTF16_BE: _UTF_16,
    b"%PDF": "a PDF document",
    rb"{\rtf": "a document in rich text (RTF)",
    b"\xd0\xcf\x11\xe0": "a document of Microsoft Office",
    b"\x1f\x8b": "compressed (gzip)",
    b"BZh": "compressed (bzip2)",
    b"\xfd7zXZ": "compressed (xz)",
    b"(\xb5/\xfd": "compressed (zstd)",
    b"7z\xbc\xaf\x27\x1c": "an archive (7z)",
    b"Rar!": "an archive (rar)",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"\x93NUMPY": "an array of NumPy (.npy)",
    b"PAR1": "a Parquet table",
    b"ARROW1": "an Arrow table",
    b"\x89HDF": "an HDF5 file",
    b"SQLite format 3": "an SQLite database",
    b"\x80\x02": "a Python pickle",
    b"\x80\x03": "a Python pickle",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
}
IMAGES = ("a PNG image", "a JPEG image", "a GIF image")  # that can be read
_IN_ZIP = {  # what stands near the beginning of a zip archive
    b"data.pkl": "a torch file",
    b".npy": "arrays of NumPy (.npz)",
    b"[Content_Types].xml": "a document of Microsoft Office",
    b"opendocument": "an OpenDocument file",
    b"epub": "an e-book (EPUB)",
}


def kind_of(head: bytes) -> str | None:
    """Return what a file that begins so is called, or None where it may be anything, such as plain text."""
    if head.startswith(b"PK\x03\x04"):
        return next((kind for mark, kind in _IN_ZIP.items() if mark in head), "a zip archive")
    if head[257:262] == b"ustar":
        return "an archive (tar)"
    if head[4:8] == b"ftyp":
        return (
            "a HEIC image"
            if head[8:11] in (b"hei", b"mif", b"hev")
            else "an AVIF image"
            if head[8:11] == b"avi"
            else "a film (MP4)"
        )
    if any(head) and not (any(head[::2]) and any(head[1::2])) and len(head) > 1:
        return f"{_UTF_16}, without its mark"
    return next((kind for start, kind in _KINDS.items() if head.startswith(start)), None)


def kind_of_file(path: Path) -> str | None:
    """Return what a file's kind is called, or None where it may be anything."""
    with path.open("rb") as file:
        return kind_of(file.read(HEAD))


def saved_by_hugging_face(folder: Path) -> bool:
    """Return whether `save_to_disk` of the package `datasets` wrote the folder."""
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))
