import base64
import io

import numpy as np
import pytest
from PIL import Image

from resmem_core.data.pictures import data_url, picture, title
from resmem_core.data.types import Examples

LABELS = np.zeros(2, dtype=np.int64)


def examples(channels=3, side=8):
    images = np.random.default_rng(0).integers(0, 256, (2, channels, side, side), dtype=np.uint8)
    return Examples(LABELS, images, names=np.array(["one", "two"]))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_enlarged_pixel_by_pixel(channels):
    some = examples(channels)
    large = picture(some, 1, 32)
    assert large.shape == (32, 32, 3)
    small = np.broadcast_to(some.images[1].transpose(1, 2, 0), (8, 8, 3))
    np.testing.assert_array_equal(large[::4, ::4], small)
    np.testing.assert_array_equal(large[3::4, 3::4], small)


def test_a_data_url_holds_the_picture():
    some = examples()
    kind, content = data_url(some, 0, 64).split(",")
    assert kind == "data:image/png;base64"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))), picture(some, 0, 64))


def test_a_large_image_is_made_small():
    content = data_url(examples(side=300), 0, 64).split(",")[1]
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (128, 128)


def test_without_images_there_is_nothing_to_show():
    nothing = Examples(LABELS)
    assert picture(nothing, 0) is data_url(nothing, 0) is None
    assert title(nothing, 1) == "1"
    assert title(examples(), 1) == "two"
