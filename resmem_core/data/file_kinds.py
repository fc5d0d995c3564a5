"""What kind of file something is that is not what it was taken for, by how it begins; nothing in it is run."""

from __future__ import annotations

import zipfile
from typing import BinaryIO

NPZ, PARQUET = "an .npz file", "a Parquet file"
OWN_KIND = {".npz": NPZ, ".parquet": PARQUET}  # by ending
_TENSORS = "write its tensors with numpy.savez, as train_embeddings=tensor.numpy() and so on"
_ARRAYS = "write its arrays with numpy.savez, as train_embeddings=array and so on"
_FRAME = "write it as .parquet or .csv, with pandas for one"
_UTF8 = "save it as UTF-8"
_UNPACK = "unpack it first"
_BEGINNINGS = (
    (b"\x93NUMPY", "a single array in an .npy file", "put train_embeddings.npy and so on into a folder, and give that"),
    (b"\x80", "a pickle, as older torch files are, too, and is not opened: that would run what is in it", _ARRAYS),
    (b"\x89HDF", "an HDF5 file, of Keras, h5py or MATLAB", _ARRAYS),
    (b"MATLAB", "a MATLAB file", _ARRAYS),
    (b"PAR1", PARQUET, "it should be called .parquet, and is read by table:PATH"),
    (b"ARROW1", "an Arrow (Feather) file", _FRAME),
    (b"\xff\xff\xff\xff", "a stream of Arrow", _FRAME),
    (b"\xff\xfe", "text in UTF-16", _UTF8),
    (b"\xfe\xff", "text in UTF-16", _UTF8),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", _FRAME),
    (b"SQLite format 3", "an SQLite database", _FRAME),
    (b"\x1f\x8b", "packed with gzip", _UNPACK),
    (b"BZh", "packed with bzip2", _UNPACK),
    (b"\xfd7zXZ", "packed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", _UNPACK),
    (b"7z\xbc\xaf", "a 7-Zip archive", _UNPACK),
)
_MEMBERS = (  # of a ZIP archive; the first that one of its members ends in
    (".npy", NPZ, "it should be called .npz, and is read by arrays:PATH"),
    ("data.pkl", "a torch file (torch.save)", _TENSORS),
    ("[Content_Types].xml", "an Excel workbook, or another of Office", _FRAME),
    ("model.weights.h5", "a Keras model", "give what the model says of your data: " + _ARRAYS),
)


def other_kind(stream: BinaryIO, ending: str) -> str | None:
    """Return what a file is and what to do with it, if it is of a known kind other than its ending says.

    As "not a .csv file, but text in UTF-16; save it as UTF-8".
    """
    found = kind_of(stream)
    if found is None or found[0] == OWN_KIND.get(ending):
        return None
    return f"not {'an' if ending == '.npz' else 'a'} {ending} file, but {found[0]}; {found[1]}"


def kind_of(stream: BinaryIO) -> tuple[str, str] | None:
    """Return what a file is and what to do with it; None where it is text, or nothing that is known."""
    begins = stream.read(64)
    for beginning, kind, advice in _BEGINNINGS:
        if begins.startswith(beginning):
            return kind, advice
    if begins[8:9] == b"{" and begins[5:8] == bytes(3):  # the length of what follows, then JSON
        return "a safetensors file", _TENSORS
    if b"\0" in begins and not (begins[::2].strip(b"\0") and begins[1::2].strip(b"\0")):
        return "text in UTF-16", _UTF8
    if not begins.startswith(b"PK"):
        return None
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.namelist()
    except Exception:  # damaged bytes make zipfile raise almost anything
        return None
    found = ((kind, advice) for end, kind, advice in _MEMBERS if any(name.endswith(end) for name in members))
    return next(found, ("a ZIP archive of other files", _UNPACK) if members else None)
