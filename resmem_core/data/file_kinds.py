"""What kind of file something is that is not what it was taken for, by how it begins; nothing in it is run."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, NamedTuple

HEAD = 512  # bytes that are looked at


class Kind(NamedTuple):
    """What a file is called, and what to do with it where numbers were wanted."""

    name: str
    advice: str


_ARRAYS = "write its arrays with numpy.savez, as train_embeddings=array and so on"
_FRAME = "write it as .parquet or .csv, with pandas for one"
_UTF8, _UNPACK, _OTHER = "save it as UTF-8", "unpack it first", "give a file of data"
UTF_16 = Kind("text in UTF-16", _UTF8)
NPZ = Kind("an .npz file", "it should be called .npz, and is read by arrays:PATH")
PARQUET = Kind("a Parquet file", "it should be called .parquet, and is read by table:PATH")
SAFETENSORS = Kind("a safetensors file", "it should be called .safetensors, and is read by arrays:PATH")
TORCH = Kind("a torch file (torch.save)", "it should be called .pt, and is read by arrays:PATH")
PICKLE = Kind(
    "a pickle, as older torch files are, too, and is not opened: that would run what is in it",
    f"call it .pt if torch.save wrote it, else {_ARRAYS}",
)
ARROW = Kind("an Arrow (Feather) file", "it should be called .feather, and is read by table:PATH")
STREAM = Kind("a stream of Arrow", "it should be called .arrow, and is read by table:PATH")
GZIP = Kind("packed with gzip", "unpack it first, or call it .csv.gz if it is a packed CSV file")
OWN_KINDS = {  # by ending
    ".npz": (NPZ,),
    ".parquet": (PARQUET,),
    ".safetensors": (SAFETENSORS,),
    ".pt": (TORCH, PICKLE),
    ".pth": (TORCH, PICKLE),
    ".feather": (ARROW, STREAM),
    ".arrow": (ARROW, STREAM),
    ".gz": (GZIP,),
}
OFFICE = Kind("a document of Microsoft Office, such as an Excel workbook", _FRAME)
IMAGES = tuple(
    Kind(name, "give a folder of images as folder:PATH") for name in ("a PNG image", "a JPEG image", "a GIF")
)
_BEGINNINGS = (
    (b"\x93NUMPY", "a single array in an .npy file", "put train_embeddings.npy and so on into a folder, and give that"),
    (b"\x80", *PICKLE),
    (b"\x89HDF", "an HDF5 file, of Keras, h5py or MATLAB", _ARRAYS),
    (b"MATLAB", "a MATLAB file", _ARRAYS),
    (b"PAR1", *PARQUET),
    (b"ARROW1", *ARROW),
    (b"\xff\xff\xff\xff", *STREAM),
    (b"\xff\xfe\0\0", "text in UTF-32", _UTF8),
    (b"\xff\xfe", *UTF_16),
    (b"\xfe\xff", *UTF_16),
    (b"\xd0\xcf\x11\xe0", *OFFICE),
    (b"SQLite format 3", "an SQLite database", _FRAME),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch it with git lfs pull"),
    (b"<!DOCTYPE html", "a web page", _OTHER),
    (b"<html", "a web page", _OTHER),
    (b"%PDF", "a PDF document", _OTHER),
    (rb"{\rtf", "a document in rich text (RTF)", _OTHER),
    (b"\x1f\x8b", *GZIP),
    (b"BZh", "packed with bzip2", _UNPACK),
    (b"\xfd7zXZ", "packed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", _UNPACK),
    (b"7z\xbc\xaf", "a 7-Zip archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"\x89PNG", *IMAGES[0]),
    (b"\xff\xd8\xff", *IMAGES[1]),
    (b"GIF8", *IMAGES[2]),
)
_FILMS = ((b"hei", "a HEIC image"), (b"hev", "a HEIC image"), (b"mif", "a HEIC image"), (b"avi", "an AVIF image"))
_MEMBERS = (  # of a ZIP archive; the first that one of its members ends in
    (".npy", *NPZ),
    ("data.pkl", *TORCH),
    ("[Content_Types].xml", *OFFICE),
    ("model.weights.h5", "a Keras model", "give what the model says of your data: " + _ARRAYS),
)


def other_kind(stream: IO[bytes], ending: str) -> str | None:
    """Return what a file is and what to do with it, if it is of a known kind other than its ending says.

    As "not a .csv file, but text in UTF-16; save it as UTF-8".
    """
    found = kind_of(stream)
    if found is None or found in OWN_KINDS.get(ending, ()):
        return None
    return f"not {'an' if ending == '.npz' else 'a'} {ending} file, but {found.name}; {found.advice}"


def kind_of(stream: IO[bytes]) -> Kind | None:
    """Return what a file is, read from its beginning; None where it is text, or nothing that is known."""
    begins = stream.read(HEAD)
    if begins[8:9] == b"{" and begins[5:8] == bytes(3):  # a length, which may look like a pickle, then JSON
        return SAFETENSORS
    for beginning, *kind in _BEGINNINGS:
        if begins.startswith(beginning):
            return Kind(*kind)
    if begins[4:8] == b"ftyp":
        return Kind(next((name for mark, name in _FILMS if begins[8:11] == mark), "a film (MP4)"), _OTHER)
    if begins[257:262] == b"ustar":
        return Kind("a tar archive", _UNPACK)
    if b"\0" in begins and not (begins[::2].strip(b"\0") and begins[1::2].strip(b"\0")):
        return UTF_16
    return _of_zip(stream, begins) if begins.startswith(b"PK") else None


def _of_zip(stream: IO[bytes], begins: bytes) -> Kind | None:
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.namelist()
    except Exception:  # damaged bytes make zipfile raise almost anything
        return next((Kind(*kind) for end, *kind in _MEMBERS if end.encode() in begins), None)
    found = (Kind(*kind) for end, *kind in _MEMBERS if any(name.endswith(end) for name in members))
    return next(found, Kind("a ZIP archive of other files", _UNPACK) if members else None)


def kind_of_file(path: Path) -> str | None:
    """Return what a file's kind is called, or None where it may be anything."""
    with path.open("rb") as file:
        kind = kind_of(file)
    return None if kind is None else kind.name


def saved_by_hugging_face(folder: Path) -> bool:
    """Return whether `save_to_disk` of the package `datasets` wrote the folder."""
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))
