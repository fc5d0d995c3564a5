"""Image files of any format and mode that Pillow reads, as pixels of one size; what is damaged is None."""

from __future__ import annotations

import errno
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

# Formats that Pillow opens but cannot draw by itself; EPS would even run another program.
_NOT_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
_LIKELY = ("JPEG", "PNG")
_OF_PHONES = (".heic", ".heif", ".hif")
_WHOLE_FIRST = ("HEIF", "MPO", "PSD")  # whose other frames are previews, depths or layers
_GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_DEEP = ("I", "F")  # modes of more than 8 bits begin so
_TOPS = (1, *(2**bits - 1 for bits in (8, 10, 12, 14, 16, 24, 32)))  # largest values that cameras and scanners give
MOST_PIXELS = 2**29  # of an image; more would take gigabytes
LARGE_PIXELS = 2**25  # of which one image is decoded at a time
_OPENING, _LARGE = threading.Lock(), threading.Lock()
_ORIENTATION = 0x0112  # EXIF tag
_SIDEWAYS = (5, 6, 7, 8)  # its values that swap width and height


class Look(NamedTuple):
    """What an image says of itself.

    Attributes
    ----------
    size : tuple of int
        Width and height, upright.
    grey : bool
    mode : str
        As Pillow calls it.
    values : tuple of float or None
        The least and the largest, where they are of more than 8 bits.
    shortened : bool
        Whether Pillow reads but the upper 8 of 16 bits of each channel.
    frames : int
        How many pictures it holds, of which the first is read; of a photograph or drawing that is the whole.
    """

    size: tuple[int, int]
    grey: bool
    mode: str
    values: tuple[float, float] | None = None
    shortened: bool = False
    frames: int = 1

    @property
    def too_large(self) -> bool:
        """Whether it has more pixels than are decoded."""
        return self.size[0] * self.size[1] > MOST_PIXELS


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats to try, the likely ones first, as Pillow tries them one by one."""
    from PIL import Image

    Image.init()
    with suppress(ImportError):  # not everybody has it
        from pillow_heif import register_heif_opener

        register_heif_opener()
    return tuple(sorted(Image.OPEN.keys() - _NOT_PICTURES, key=lambda name: (name not in _LIKELY, name)))


@cache
def _damage() -> tuple[type[Exception], ...]:
    """Return what Pillow raises on damaged bytes; to be caught around its reading alone, never around our own code.

    Seen on 240,000 truncated and bit-flipped files of 30 formats with Pillow 10.3 and 13.0, apart from EOFError,
    struct.error and zlib.error, which its readers catch in places themselves. Some readers take the bytes at their
    word, so a TypeError (TIFF), an AttributeError (SPIDER) or a division by zero (DDS) may be theirs. Memory that
    runs out while pixels are loaded is no damage.
    """
    from PIL import Image

    told = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, Image.DecompressionBombError)
    slips = (TypeError, AttributeError, LookupError, ArithmeticError, AssertionError, struct.error, zlib.error)
    return told + slips


def image_endings() -> frozenset[str]:
    """Return how the names of files may end, in lower case and with the dot."""
    from PIL import Image

    formats = _formats()
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in formats)


def how_to_read(endings: Iterable[str]) -> str:
    """Return what lets files of these endings be read that are not yet, after a semicolon; "" where nothing does."""
    unread = set(endings) - image_endings()
    if unread.intersection(_OF_PHONES):
        return "; to read HEIC, pip install pillow-heif"
    return "; to read AVIF, pip install 'pillow>=11.3'" if ".avif" in unread else ""


@contextmanager
def _opened(file: IO[bytes]) -> Iterator[Image.Image]:
    """Yield the image; one at a time where it is large.

    Pillow's own limit, of pixels that a small file may unpack to, does not hold here, as `MOST_PIXELS` does.
    """
    from PIL import Image

    with _OPENING:
        usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(file, formats=_formats())
        finally:
            Image.MAX_IMAGE_PIXELS = usual
    with image, _LARGE if image.width * image.height > LARGE_PIXELS else nullcontext():
        yield image


def _raise_if_of_the_system(error: BaseException) -> None:
    """Raise what the system says of a file, such as of a disk that fails: the file need not be damaged."""
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # of a place before the file's begin
        raise error


def look(file: IO[bytes]) -> Look | None:
    """Return what the image says of itself, or None if it is damaged."""
    from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile

    found = None
    try:
        with _opened(file) as image:
            (width, height), mode = image.size, image.mode
            if isinstance(image, TiffImageFile):  # whose `size` is turned already, but not in older Pillows
                width, height = int(image.tag_v2[IMAGEWIDTH]), int(image.tag_v2[IMAGELENGTH])
            shortened = mode not in _GREY_MODES and ";16" in str(getattr(image, "tile", ""))
            found = Look((width, height), mode in _GREY_MODES, mode, None, shortened)
            if found.too_large:
                return found
            if image.getexif().get(_ORIENTATION) in _SIDEWAYS:
                found = found._replace(size=(height, width))
            if mode[0] in _DEEP:
                image.load()
                deep = np.asarray(image)
            with suppress(*_damage()):  # the first frame may be whole where others are not
                found = found._replace(frames=1 if image.format in _WHOLE_FIRST else getattr(image, "n_frames", 1))
    except _damage() as error:
        _raise_if_of_the_system(error)
        return None
    except MemoryError:
        if found is not None:
            raise
        return None  # a damaged header may promise any length
    return found._replace(values=_range(deep)) if mode[0] in _DEEP else found


def _range(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)


def span(least: float, largest: float) -> tuple[float, float]:
    """Return what becomes 0 and what becomes 255, of images with values of more than 8 bits.

    From 0 to 1, or to the largest number of 8, 10, 12, 14, 16, 24 or 32 bits that holds all; where some are negative,
    from the least to the largest.
    """
    if least < 0:
        return least, max(largest, least + 1)
    return 0.0, next((top for top in _TOPS if largest <= top), largest)


def decode(
    file: IO[bytes], size: tuple[int, int], mode: str, spans: Mapping[str, tuple[float, float]]
) -> np.ndarray | None:
    """Return the pixels, upright, (C, height, width), or None if the file is damaged.

    Parameters
    ----------
    file : file
    size : tuple of int
        Width and height to scale to and cut from the middle.
    mode : str
        "L" or "RGB".
    spans : mapping
        `span` of images of whole numbers ("I") and of others ("F").
    """
    from PIL import Image, ImageOps

    try:
        with _opened(file) as image:
            image.draft(None, (2 * size[0], 2 * size[1]))  # a large JPEG need not be decoded in full
            ImageOps.exif_transpose(image, in_place=True)
            image.load()
    except _damage() as error:
        _raise_if_of_the_system(error)
        return None
    image = _eight_bits(image, spans)
    image = image if image.mode == mode else image.convert(mode)
    if image.size != size:
        image = ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    pixels = np.asarray(image)
    return pixels[None] if mode == "L" else pixels.transpose(2, 0, 1)


def _eight_bits(image: Image.Image, spans: Mapping[str, tuple[float, float]]) -> Image.Image:
    """Return the image with 8 bits a channel, opaque."""
    from PIL import Image

    if image.mode[0] in _DEEP:
        low, high = spans[image.mode[0]]
        values = np.nan_to_num(np.asarray(image).astype(np.float32), nan=low, posinf=high, neginf=low)
        return Image.fromarray(np.clip(np.rint((values - low) * (255 / (high - low))), 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image
