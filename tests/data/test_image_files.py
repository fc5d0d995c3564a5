"""Image files, damaged in every way; what whole ones look like is told by the tests of `folder:PATH`."""

import random
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from resmem_core.data import image_files
from resmem_core.data.image_files import decode, look, span


def damaged(content, chance):
    """Cut bytes off, take some out or change a few, in the header more often than elsewhere."""
    content = bytearray(content)
    match chance.randrange(3):
        case 0:
            del content[chance.randrange(len(content)) :]
        case 1:
            start = chance.randrange(len(content))
            del content[start : start + chance.randrange(1, 40)]
        case 2:
            for _ in range(chance.choice([1, 2, 8])):
                place = chance.randrange(min(len(content), chance.choice([60, 160, len(content)])))
                content[place] = chance.choice([0, 255, content[place] ^ 1 << chance.randrange(8)])
    return bytes(content)


@pytest.mark.parametrize(
    ("ending", "modes"),
    [
        ("png", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]),
        ("jpg", ["L", "RGB", "CMYK"]),
        ("gif", ["L", "P"]),
        ("tif", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F", "CMYK"]),
        ("webp", ["RGB", "RGBA"]),
        ("bmp", ["1", "L", "P", "RGB", "RGBA"]),
        ("ppm", ["1", "L", "RGB", "I"]),
        ("ico", ["RGBA"]),
        ("tga", ["L", "P", "RGB", "RGBA"]),
        ("dds", ["L", "RGB", "RGBA"]),
        ("jp2", ["L", "RGB"]),
        ("pcx", ["L", "P", "RGB"]),
        ("sgi", ["L", "RGB"]),
    ],
)
@pytest.mark.filterwarnings("ignore")  # Pillow's, of odd EXIF and large sizes
def test_no_damaged_file_ends_the_loading(tmp_path, ending, modes, monkeypatch):
    monkeypatch.setattr(image_files, "MOST_PIXELS", 1_000_000)  # damaged bytes may promise much
    chance = random.Random(ending)
    noise = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    path = tmp_path / f"damaged.{ending}"
    results = []
    for mode in modes:
        grey = Image.fromarray(noise[..., 0])
        image = Image.fromarray(noise[..., 0].astype(np.uint16)) if mode == "I;16" else None
        image = image or (grey if mode in ("1", "I", "F") else Image.fromarray(noise)).convert(mode)
        image.save(path, **({"sizes": [(16, 16)]} if ending == "ico" else {}))
        whole = path.read_bytes()
        for _ in range(50):
            path.write_bytes(damaged(whole, chance))
            with path.open("rb") as file:
                seen = look(file)
            wanted = ["RGB", "L"] if seen is not None and seen.grey else ["RGB"]
            spans = {seen.mode[0]: span(*seen.values)} if seen is not None and seen.values else {}
            wanted = [] if seen is None or seen.too_large else wanted
            pixels = [decode(BytesIO(path.read_bytes()), (8, 8), mode, spans) for mode in wanted] or [None]
            assert all(x is None or (x.shape[1:], x.dtype) == ((8, 8), np.uint8) for x in pixels)
            results += pixels
    assert any(x is None for x in results)
    assert any(x is not None for x in results)
