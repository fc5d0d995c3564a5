"""Image files of any format and mode that Pillow reads, as pixels of one size; what is damaged is None."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

# Formats that Pillow opens but cannot draw by itself; EPS would even run another program.
_NOT_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
_LIKELY = ("JPEG", "PNG")
_GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_ORIENTATION = 0x0112  # EXIF tag
_SIDEWAYS = (5, 6, 7, 8)  # its values that swap width and height


class Look(NamedTuple):
    """What an image's header says."""

    size: tuple[int, int]  # width, height
    grey: bool


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats to try, the likely ones first, as Pillow tries them one by one."""
    from PIL import Image

    Image.init()
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

    known = Image.registered_extensions().items()
    return frozenset(ending for ending, name in known if name in _formats())


def look(path: Path) -> Look | None:
    """Return what the header says, or None if the file is damaged or promises too many pixels."""
    from PIL import Image
    from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile

    try:
        with Image.open(path, formats=_formats()) as image:
            (width, height), mode = image.size, image.mode
            if isinstance(image, TiffImageFile):  # whose `size` is turned already, but not in older Pillows
                width, height = int(image.tag_v2[IMAGEWIDTH]), int(image.tag_v2[IMAGELENGTH])
            if width * height > (Image.MAX_IMAGE_PIXELS or np.inf):
                return None
            orientation = image.getexif().get(_ORIENTATION)
    except _damage():
        return None
    except MemoryError:  # a damaged header may promise any length
        return None
    if orientation in _SIDEWAYS:
        width, height = height, width
    return Look((width, height), mode in _GREY_MODES)


def decode(path: Path, size: tuple[int, int], mode: str) -> np.ndarray | None:
    """Return the pixels, upright, (C, height, width), or None if the file is damaged."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=_formats()) as opened:
            opened.draft(None, (2 * size[0], 2 * size[1]))  # a large JPEG need not be decoded in full
            loaded = ImageOps.exif_transpose(opened)
    except _damage():
        return None
    image = _eight_bits(loaded).convert(mode)
    if image.size != size:
        image = ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    pixels = np.asarray(image)
    return pixels[None] if mode == "L" else pixels.transpose(2, 0, 1)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return the image with 8 bits a channel, opaque."""
    from PIL import Image

    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image))
        scale = 255 if values.max() <= 1 else 1
        return Image.fromarray(np.clip(np.round(values * scale), 0, 255).astype(np.uint8))
    if image.mode.startswith("I"):  # 16 bits; older Pillows keep them in 32
        values = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image
