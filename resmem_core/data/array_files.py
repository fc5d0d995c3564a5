"""Arrays by name, from whatever holds them: an .npz file, a folder of .npy files, or a file of tensors."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from resmem_core.common import mapped
from resmem_core.data.file_tree import ending, is_litter
from resmem_core.data.tensor_files import safetensors_in, torch_in

CHUNK = 2**20  # bytes read at a time
ENDINGS = (".npz", ".safetensors", ".pt", ".pth")
_TENSORS = {".safetensors": safetensors_in, ".pt": torch_in, ".pth": torch_in}


def npy_files(folder: Path) -> dict[str, Path]:
    """Return the arrays in a folder by their names."""
    files = (file for file in sorted(folder.iterdir()) if ending(file.name) == ".npy" and not is_litter(file.name))
    return {file.stem: file for file in files}


def arrays_in(path: Path) -> dict[str, Callable[[], Any]] | None:
    """Return the names of the arrays in a file or a folder, and what reads each; None where it is neither.

    What is large is mapped where the file has it as it is. What is read may be no array, where the file says so.
    """
    if path.is_dir():
        return {name: partial(_read_npy, file) for name, file in npy_files(path).items()}
    if (tensors := _TENSORS.get(ending(path.name))) is not None:
        return tensors(path)
    archive = np.load(path, allow_pickle=False) if zipfile.is_zipfile(path) else None
    if not isinstance(archive, np.lib.npyio.NpzFile):
        return None
    with archive:
        return {name: partial(_read_member, path, name) for name in archive.files}


def _read_npy(file: Path) -> np.ndarray:
    return np.load(file, mmap_mode="r" if file.stat().st_size >= mapped.LARGE else None, allow_pickle=False)


def _read_member(path: Path, name: str) -> np.ndarray:
    """Return an array of an archive.

    Large arrays are mapped where they lie if they are stored as they are (`numpy.savez`), and unpacked into a file that
    is mapped if they are compressed (`numpy.savez_compressed`); both are checked against the archive's checksum.
    """
    with np.load(path, allow_pickle=False) as archive:
        member = archive.zip.NameToInfo.get(f"{name}.npy")
        if member is None or member.file_size < mapped.LARGE:
            return archive[name]
        with archive.zip.open(member) as stream:
            shape, fortran, dtype = npy_header(stream)
            if dtype.hasobject:
                raise ValueError("it holds Python objects")
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            if size != member.file_size - stream.tell():
                raise ValueError(f"it promises {size} bytes and has {member.file_size - stream.tell()}")
            if member.compress_type != zipfile.ZIP_STORED:
                return _unpacked(stream, shape, dtype, fortran)
            begins = _data_of(path, member) + stream.tell()
            while stream.read(CHUNK):  # which compares the checksum at the end
                pass
    return np.memmap(path, dtype, "r", begins, shape, "F" if fortran else "C")


def npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether columns come first, and type, from the beginning of an .npy file."""
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(stream)
    if version not in read:
        raise ValueError(f"it is written in version {version} of NumPy's format")
    header: tuple[tuple[int, ...], bool, np.dtype[Any]] = read[version](stream)
    return header


def _data_of(path: Path, member: zipfile.ZipInfo) -> int:
    """Return where in the archive the bytes of a member begin: its own header tells the length of what is before."""
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        lengths = file.read(4)
    return member.header_offset + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")


def _unpacked(stream: zipfile.ZipExtFile, shape: tuple[int, ...], dtype: np.dtype[Any], fortran: bool) -> np.ndarray:
    array = mapped.room(shape[::-1] if fortran else shape, dtype)
    content, done = array.reshape(-1).view(np.uint8).data, 0
    while n := stream.readinto(content[done : done + CHUNK]):
        done += n
    if done != content.nbytes:
        raise ValueError(f"it promises {content.nbytes} bytes and has {done}")
    return array.T if fortran else array
