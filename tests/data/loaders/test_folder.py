import errno
import os
import re
import shutil
import socket
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageOps

from resmem_core.common.errors import Cancelled, DatasetError, InvalidParameterError
from resmem_core.common.progress import silent
from resmem_core.common.store import Store
from resmem_core.data import DATASETS, image_files, load_dataset

FOLDER = DATASETS.get("folder")


def save(path, mode="RGB", size=(12, 10), seed=0, **options):
    """Save a random picture; return its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return pixels


@pytest.fixture
def root(tmp_path):
    """Two classes, five training and two test images each, all 12 x 10, in colour."""
    for part, n in (("train", 5), ("test", 2)):
        for c, name in enumerate(("cat", "dog")):
            for i in range(n):
                save(tmp_path / "pictures" / part / name / f"{i}.png", seed=100 * c + i)
    return tmp_path / "pictures"


def load(root, query=""):
    return FOLDER.load(f"{root}{query}", silent)


def assert_pixels(source, root):
    for name, pixels in zip(source.train.names, source.train.images, strict=True):
        assert np.array_equal(np.asarray(Image.open(root / name)).transpose(2, 0, 1), pixels)


def test_reads_pixels_labels_and_names(root):
    source = load(root)
    assert source.class_names == ("cat", "dog")
    assert source.train.labels.tolist() == [0] * 5 + [1] * 5
    assert source.test.labels.tolist() == [0, 0, 1, 1]
    assert source.validation is None
    assert source.notes == ()
    assert source.train.images.shape == (10, 3, 10, 12)
    assert source.train.images.dtype == np.uint8
    assert source.train.names[6] == "train/dog/1.png"
    assert_pixels(source, root)


def test_the_stamp_changes_with_the_files(root):
    before = FOLDER.stamp(str(root))
    assert FOLDER.stamp(str(root)) == before
    path = root / "train" / "cat" / "0.png"
    os.utime(path, (1, 1))
    changed = FOLDER.stamp(str(root))
    path.unlink()
    assert len({before, changed, FOLDER.stamp(str(root))}) == 3


@pytest.mark.parametrize("name", ["validation", "val", "valid", "dev"])
def test_a_validation_folder_is_used(root, name):
    pixels = save(root / name / "dog" / "x.png", seed=9)
    source = load(root)
    assert source.validation.labels.tolist() == [1]
    assert source.validation.names.tolist() == [f"{name}/dog/x.png"]
    assert np.array_equal(source.validation.images[0], pixels.transpose(2, 0, 1))
    other = "val" if name == "valid" else "valid"
    save(root / other / "dog" / "x.png")  # one too many
    with pytest.raises(DatasetError, match=f"{name} and {other}|{other} and {name}"):
        load(root)


def test_order_is_by_class_then_path_and_subfolders_count(root):
    for path in ("train/cat/b/1.png", "train/cat/a/2.png", "train/ant/z.png"):
        save(root / path)
    names = load(root).train.names.tolist()
    cats = [f"train/cat/{i}.png" for i in range(5)]
    assert names[:8] == ["train/ant/z.png", *cats, "train/cat/a/2.png", "train/cat/b/1.png"]


LITTER = (
    "train/.hidden/1.png",
    "train/cat/._1.png",
    ".git/x",
    "train/@eaDir/1.png",
    "test/dog/Thumbs.db",
    "__MACOSX/x",
)


def test_folders_of_several_names_within_those_of_classes_are_told(root):
    for name in ("cat/siam", "cat/manx", "dog/pug"):
        save(root / "train" / name / "0.png")
    told = "images in folders within those of the classes are of the outer class: 'cat/manx', 'cat/siam', 'dog/pug'"
    assert load(root).notes == (told,)
    for part in ("train", "test"):
        save(root / "other" / "cat" / part / "0.png")
        save(root / "other" / "dog" / part / "0.png")
    with pytest.raises(DatasetError, match=r"folders of parts within those of the classes, such as .*/t.*; images are"):
        load(root / "other")


def put(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(next((root / "train").rglob("*.png")).read_bytes())


def test_litter_is_skipped_and_all_else_that_is_passed_over_is_counted_by_ending(root):
    before = load(root)
    put(root, *LITTER)
    assert load(root).notes == ()
    put(
        root,
        "train/cat/readme.txt",
        *(f"test/dog/{i}.CR2" for i in range(3)),
        "LICENSE",
        "train/loose.png",
        "raw/0.png",
    )
    after = load(root)
    assert after.train.names.tolist() == before.train.names.tolist()
    assert after.notes == (
        "2 images in no folder of a class were passed over: raw/0.png, train/loose.png",
        "files that are no images which can be read were passed over: 3 .cr2, 1 without an ending, 1 .txt",
    )


def test_a_class_without_images_is_named_with_what_it_holds(root):
    (root / "test" / "eel").mkdir()
    put(root, "train/eel/1.avi", "train/eel/2.avi")
    source = load(root)
    assert source.class_names == ("cat", "dog")
    assert source.notes[0] == "2 classes without images were left out: train/eel (2 .avi), test/eel"
    for path in (root / "train/dog").iterdir():
        path.rename(path.with_suffix(".cr2"))
    with pytest.raises(DatasetError, match=r"no images that can be read in train/dog \(5 .cr2\).*convert"):
        load(root)
    for path in root.rglob("*.png"):
        path.rename(path.with_suffix(".cr2"))
    with pytest.raises(DatasetError, match=r"found 'cat', 'dog', 'eel' \(10 .cr2, 2 .avi\)"):
        load(root)


# --- layouts and names


def test_parts_may_be_called_in_any_capitals_and_test_or_all_parts_cut_off(root):
    (root / "train").rename(root / "Training")
    (root / "test").rename(root / "TEST")
    source = load(root)
    assert (len(source.train), len(source.test), source.notes) == (10, 4, ())
    (root / "TEST").rename(root / "Val")
    source = load(root)
    assert (len(source.train), len(source.validation), source.test) == (10, 4, None)
    assert source.notes == (f"{root} has no test/ in it: test was cut off train",)
    source = load(root / "Training")
    assert (source.class_names, len(source.train), source.test) == (("cat", "dog"), 10, None)
    assert source.train.names[0] == "cat/0.png"
    assert "its folders are the classes" in source.notes[0]


@pytest.mark.parametrize("inner", [".", "train"])
def test_one_folder_around_all_is_looked_into(root, inner):
    around = root.parent / "around"
    around.mkdir()
    (root / inner).rename(around / "Birds") if inner != "." else root.rename(around / "Birds")
    source = load(around)
    assert source.class_names == ("cat", "dog")
    assert source.train.names[0] == ("Birds/train/cat/0.png" if inner == "." else "Birds/cat/0.png")


def test_a_folder_that_may_or_may_not_be_a_part_is_an_error(root):
    (root / "test").rename(root / "tst")
    with pytest.raises(DatasetError, match="no test/ in it but 'train', 'tst'"):
        load(root)
    (root / "tst").rename(root / "Train")
    with pytest.raises(DatasetError, match="Train and train, which mean the same"):
        load(root)


@pytest.mark.parametrize("inner", ["", "pets"])
def test_a_zip_archive_is_read_as_its_folder_is(root, tmp_path, inner):
    put(root, *LITTER)
    before = load(root)
    path = Path(
        shutil.make_archive(str(tmp_path / "x"), "zip", root.parent if inner else root, "pictures" if inner else None)
    )
    stamp, key = FOLDER.stamp(str(path)), FOLDER.cache_key(str(path))
    source = load(path)
    assert source.notes == ()
    assert np.array_equal(source.train.images, before.train.images)
    assert source.train.labels.tolist() == before.train.labels.tolist()
    assert [name.removeprefix("pictures/") for name in source.train.names] == before.train.names.tolist()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{'pictures/' if inner else ''}train/cat/z.png", b"damaged")
    assert FOLDER.stamp(str(path)) != stamp
    assert FOLDER.cache_key(str(path)) != key
    assert "1 damaged image was skipped" in load(path).notes[-1]


@pytest.mark.parametrize(("begin", "slash"), [("", "\\"), ("./", "/"), ("/", "/")])
def test_an_archive_with_odd_paths_is_read(root, tmp_path, begin, slash):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path in sorted(root.rglob("*.png")):
            archive.writestr(f"{begin}{path.relative_to(root).as_posix()}".replace("/", slash), path.read_bytes())
    assert load(tmp_path / "x.zip").train.names.tolist() == load(root).train.names.tolist()


def test_a_damaged_member_of_an_archive_is_skipped_and_what_cannot_be_unpacked_is_told(root, tmp_path):
    path = Path(shutil.make_archive(str(tmp_path / "x"), "zip", root))
    content = path.read_bytes()
    place = content.index(b"IHDR")
    path.write_bytes(content[:place] + b"\0\0\0\0" + content[place + 4 :])
    assert load(path).notes[-1].startswith("1 damaged image was skipped")
    path.write_bytes(content.replace(b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\x01\0"))
    with pytest.raises(DatasetError, match="locked by a password"):
        load(path)
    path.write_bytes(content[:-30])
    with pytest.raises(DatasetError, match="a zip archive"):
        load(path)


def test_names_of_classes_are_the_same_in_either_form_of_unicode_and_with_blanks(root):
    for part, form, blank in (("train", "NFC", ""), ("test", "NFD", " ")):
        (root / part / "cat").rename(root / part / (unicodedata.normalize(form, "café") + blank))
    source = load(root)
    assert source.class_names == ("café", "dog")
    assert source.test.names[0] == "test/café/0.png"
    assert source.notes == ()
    put(root, "train/dog /x.png")
    source = load(root)
    assert source.train.labels.tolist() == [0] * 5 + [1] * 6
    assert source.notes == ("the folders 'dog', 'dog ' are one class",)


def test_a_home_folder_is_expanded_and_a_missing_folder_and_a_file_are_told(root, monkeypatch):
    monkeypatch.setenv("HOME", str(root.parent))
    monkeypatch.setenv("USERPROFILE", str(root.parent))
    assert FOLDER.unavailable("~/pictures") is None
    assert len(FOLDER.load("~/pictures", silent).train) == 10
    assert "not there" in FOLDER.unavailable(str(root / "nowhere"))
    assert "is a PNG image; give a folder" in FOLDER.unavailable(str(root / "train" / "cat" / "0.png"))
    with pytest.raises(DatasetError, match="not there"):
        FOLDER.cache_key(str(root / "nowhere"))
    assert FOLDER.unavailable(str(root)) is None
    (root / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"no train/ in it but nothing.* or CLASS/\*"):
        load(root / "empty")


# --- sizes and modes


def test_differing_or_large_sizes_become_64_and_size_chooses(root):
    assert load(root, "?size=8").test.images.shape[1:] == (3, 8, 8)
    save(root / "train" / "cat" / "wide.png", size=(90, 30))
    assert load(root).train.images.shape[1:] == (3, 64, 64)
    assert load(root, "?size=16").train.images.shape[1:] == (3, 16, 16)
    for path in root.rglob("*.png"):
        save(path, size=(300, 20))
    assert load(root).train.images.shape[1:] == (3, 64, 64)


def test_a_bad_size_is_quoted_and_resizing_keeps_the_centre(root):
    for size in ("0", "-8", "big", "", "2000", "8.5"):
        with pytest.raises(InvalidParameterError, match=f"size={size!r}"):
            load(root, f"?size={size}")
        assert "size" in FOLDER.unavailable(f"{root}?size={size}")
    wide = np.zeros((20, 60, 3), dtype=np.uint8)
    wide[:, 20:40] = 255
    Image.fromarray(wide).save(root / "train" / "cat" / "0.png")
    assert (load(root, "?size=10").train.images[0] > 200).all()


def test_grey_only_if_all_are(root):
    pixels = {path: save(path, mode="L", seed=3) for path in root.rglob("*.png")}
    source = load(root)
    assert source.train.images.shape[1:] == (1, 10, 12)
    assert np.array_equal(source.train.images[0, 0], pixels[root / "train" / "cat" / "0.png"])
    save(root / "test" / "cat" / "0.png")
    source = load(root)
    assert source.train.images.shape[1:] == (3, 10, 12)
    assert (source.train.images[0] == pixels[root / "train" / "cat" / "0.png"]).all()


def flat(mode, value):
    return Image.new(mode, (12, 10), value)


def palette():
    image = Image.new("P", (12, 10), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    return image


def sixteen_bits():
    return Image.fromarray(np.full((10, 12), 257 * 100, dtype=np.uint16))


@pytest.mark.parametrize(
    ("image", "ending", "expected"),
    [
        (palette(), "png", (10, 20, 30)),
        (flat("RGBA", (10, 20, 30, 255)), "png", (10, 20, 30)),
        (flat("RGBA", (10, 20, 30, 0)), "png", (255, 255, 255)),
        (flat("RGBA", (0, 0, 0, 51)), "png", (204, 204, 204)),
        (flat("LA", (50, 255)), "png", (50, 50, 50)),
        (flat("L", 50), "bmp", (50, 50, 50)),
        (flat("1", 1), "png", (255, 255, 255)),
        (sixteen_bits(), "png", (100, 100, 100)),
        (sixteen_bits(), "tif", (100, 100, 100)),
        (flat("I", 257 * 100), "tif", (100, 100, 100)),
        (flat("F", 0.4), "tif", (102, 102, 102)),
        (flat("F", 77.0), "tif", (77, 77, 77)),
        (flat("CMYK", (255, 0, 0, 0)), "tif", (0, 255, 255)),
        (palette(), "gif", (10, 20, 30)),
        (flat("RGB", (10, 20, 30)), "webp", (10, 20, 30)),
        (flat("CMYK", (0, 255, 255, 0)), "jpg", (255, 0, 0)),
    ],
)
def test_modes_become_rgb(root, image, ending, expected):
    options = {"webp": {"lossless": True}, "jpg": {"quality": 100}}.get(ending, {})
    image.save(root / "train" / "cat" / f"00.{ending}", **options)
    source = load(root)
    assert len(source.notes) == (image.mode[0] in "IF")
    row = source.train.names.tolist().index(f"train/cat/00.{ending}")
    found = source.train.images[row].astype(int) - np.array(expected)[:, None, None]
    assert np.abs(found).max() <= (15 if ending == "jpg" else 0)


@pytest.mark.parametrize("image", [sixteen_bits(), flat("LA", (100, 255)), flat("F", 100.0), flat("L", 100)])
def test_grey_modes_stay_grey(root, image):
    for path in root.rglob("*.png"):
        path.unlink()
        image.save(path.with_suffix(".png" if image.mode != "F" else ".tif"))
    images = load(root).train.images
    assert images.shape == (10, 1, 10, 12)
    assert (images == 100).all()


@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_exif_orientation_is_applied(root, ending):
    upright = np.zeros((10, 12, 3), dtype=np.uint8)
    upright[:5] = 255  # bright above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise for display
    turned = Image.fromarray(np.rot90(upright, 1).copy())
    (root / "train" / "cat" / "0.png").unlink()
    how = {"tiffinfo": dict(exif)} if ending == "tif" else {"exif": exif, "lossless": True}
    turned.save(root / "train" / "cat" / f"0.{ending}", **how)
    images = load(root).train.images
    assert images.shape[1:] == (3, 10, 12)  # as shown, it has the size of the others
    assert np.array_equal(images[0], upright.transpose(2, 0, 1))


def fill(root, values, ending="tif"):
    """Give each class an image of one value in train and test; the classes are called after them."""
    shutil.rmtree(root)
    for part in ("train", "test"):
        for value in values:
            (root / part / str(value)).mkdir(parents=True)
            Image.fromarray(np.full((4, 5), value)).save(root / part / str(value) / f"0.{ending}")


@pytest.mark.parametrize(
    ("kind", "values", "expected", "span"),
    [
        (np.uint16, (100, 1000), (25, 249), "0 to 1023"),
        (np.uint16, (100, 3000), (6, 187), "0 to 4095"),
        (np.uint16, (100, 40000), (0, 156), "0 to 65535"),
        (np.int32, (0, 1), (0, 255), "0 to 1"),
        (np.int32, (100, 200), (100, 200), "0 to 255"),
        (np.int32, (-1000, 3000), (0, 255), "-1000 to 3000"),
        (np.float32, (0.25, 1.0), (64, 255), "0 to 1"),
        (np.float32, (0.5, 200.0), (0, 200), "0 to 255"),  # dark images are no brighter than they are
        (np.float32, (0.5, float("inf")), (128, 255), "0 to 1"),
    ],
)
def test_values_of_more_than_8_bits_are_scaled_by_the_range_of_all(root, kind, values, expected, span):
    fill(root, [kind(value) for value in values])
    source = load(root)
    found = dict(zip(source.train.names.tolist(), source.train.images[:, 0, 0, 0].tolist(), strict=True))
    assert [found[f"train/{kind(value)}/0.tif"] for value in values] == list(expected)
    (note,) = source.notes
    assert note.startswith("4 images hold ")
    assert note.endswith(f": {span} were scaled to 0 to 255")


def test_colours_of_16_bits_are_told(root):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    pixels = zlib.compress((b"\0" + struct.pack(">H", 3000) * 36) * 10)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 12, 10, 16, 2, 0, 0, 0))
    path = root / "train" / "cat" / "0.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    assert load(root).notes[0].startswith("1 image has colours of 16 bits, of which the upper 8 were read")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("ending", "options"), [("gif", {}), ("tif", {}), ("png", {}), ("webp", {"lossless": True})])
def test_of_several_frames_the_first_is_read_and_it_is_told(root, ending, options):
    one, other = (Image.new("RGB", (12, 10), colour) for colour in ("red", "blue"))
    (root / "train" / "cat" / "0.png").unlink()
    path = root / "train" / "cat" / f"0.{ending}"
    one.save(path, save_all=True, append_images=[other, one], **options)
    source = load(root)
    assert source.train.names[0] == f"train/cat/0.{ending}"
    assert source.train.images[0].mean(axis=(1, 2)).round().tolist() == pytest.approx([255, 0, 0], abs=2)
    assert source.notes == (
        "1 image holds several frames or pages, up to 3, of which the first was read: save others as images of their "
        "own",
    )


def test_an_image_whose_other_frames_are_damaged_is_read(root):
    path = root / "train" / "cat" / "z.tif"
    Image.new("L", (12, 10)).save(path, save_all=True, append_images=[Image.new("L", (12, 10))])
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(struct.pack("<HHL", 0x0100, 4, 1)[:4])])
    assert "train/cat/z.tif" in load(root).train.names


def test_a_large_image_is_scaled_and_one_that_is_too_large_is_called_so(root, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # as Pillow takes for an attack
    monkeypatch.setattr(image_files, "LARGE_PIXELS", 1000)
    save(root / "train" / "cat" / "large.png", size=(60, 60))
    source = load(root)
    assert source.notes == ()
    assert len(source.train) == 11
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setattr(image_files, "MOST_PIXELS", 1000)
    source = load(root)
    assert re.fullmatch("1 image of more than .* pixels was skipped: train/cat/large.png", *source.notes)
    assert source.train.images.shape[1:] == (3, 10, 12)  # its size does not count


# --- what can be wrong


def test_damaged_images_are_skipped_and_named(root):
    for name in ("train/cat/1.png", "test/dog/0.png"):
        (root / name).write_bytes((root / name).read_bytes()[:60])
    source = load(root)
    assert source.notes == ("2 damaged images were skipped: train/cat/1.png, test/dog/0.png",)
    assert "train/cat/1.png" not in source.train.names
    assert source.train.labels.tolist() == [0] * 4 + [1] * 5
    assert_pixels(source, root)


def test_a_folder_of_arrays_is_named_so(tmp_path):
    np.save(tmp_path / "train_labels.npy", [1])
    with pytest.raises(DatasetError, match=r"holds arrays, 'train_labels\.npy', and no images; arrays:PATH"):
        load(tmp_path)


def test_a_file_of_another_kind_that_is_called_an_image_is_named_with_its_kind(root):
    (root / "train" / "cat" / "phone.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    assert load(root).notes == ("1 damaged image was skipped: train/cat/phone.jpg (a HEIC image)",)


def truncated(path):
    save(path, quality=95)  # whose header is whole
    path.write_bytes(path.read_bytes()[:-100])


def postscript(path):
    flat("RGB", (1, 2, 3)).save(path.with_suffix(".eps"))
    path.with_suffix(".eps").rename(path)


def promising(path):
    start = b"\0\0\0\x0cjP  \r\n\x87\n"
    path.write_bytes(start + struct.pack(">I4sQ", 1, b"jp2h", 2**60))  # more than any memory


DAMAGED = {"9.jpg": truncated, "00.jpg": postscript, "long.jp2": promising}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_image_is_skipped(root, tmp_path, monkeypatch, name):
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: pytest.fail("ran Ghostscript"))
    DAMAGED[name](root / "train" / "dog" / name)
    dataset = load_dataset(f"folder:{root}", store=Store(tmp_path / "store"))
    assert dataset.notes == (f"1 damaged image was skipped: train/dog/{name}",)
    assert dataset.train.images.shape[1:] == (3, 10, 12)  # its size does not count


def test_at_most_five_are_named(root):
    for i in range(7):
        (root / "train" / "cat" / f"bad{i}.jpg").write_bytes(b"not a picture")
    (note,) = load(root).notes
    assert note.startswith("7 damaged images were skipped: train/cat/bad0.jpg, ")
    assert note.endswith("bad4.jpg and 2 more")


@pytest.mark.parametrize("error", [TypeError, AttributeError, ZeroDivisionError, NotImplementedError, struct.error])
def test_whatever_pillow_raises_as_it_reads_is_damage(root, monkeypatch, error):
    upright = ImageOps.exif_transpose

    def read(image, **how):
        if image.fp.name.endswith("3.png"):
            raise error("damaged bytes, taken at their word")
        upright(image, **how)

    monkeypatch.setattr(ImageOps, "exif_transpose", read)
    assert load(root).notes == ("2 damaged images were skipped: train/cat/3.png, train/dog/3.png",)


@pytest.mark.parametrize(
    ("where", "name", "error"),
    [
        (ImageOps, "exif_transpose", MemoryError),
        *((image_files, "_eight_bits", error) for error in (AttributeError, NameError, TypeError)),
        (Image.Image, "has_transparency_data", AttributeError),  # of a Pillow that is too old
    ],
)
def test_what_is_no_damage_is_raised(root, monkeypatch, where, name, error):
    slip = Mock(side_effect=error("a slip"))
    monkeypatch.setattr(where, name, property(slip) if where is Image.Image else slip)
    with pytest.raises(error, match="a slip"):
        load(root)


@pytest.mark.parametrize("where", ["open", "read"])
def test_what_the_system_says_of_a_file_is_no_damage(root, monkeypatch, where):
    error = OSError(errno.EIO, "Input/output error")
    fails = Mock(side_effect=error)
    if where == "read":
        monkeypatch.setattr(ImageOps, "exif_transpose", fails)
    else:
        monkeypatch.setattr(Path, "open", fails)
    with pytest.raises(DatasetError, match=r"train/cat/\d.png cannot be read: Input/output error"):
        load(root)


@pytest.mark.parametrize("orientation", ["sideways", 99])
def test_an_orientation_that_means_nothing_turns_nothing(root, orientation):
    exif = Image.Exif()
    exif[0x010E] = orientation  # a description, which may be a text
    exif = exif.tobytes().replace(b"\x0e\x01", b"\x12\x01").replace(b"\x01\x0e", b"\x01\x12")
    path = root / "train" / "cat" / "0.png"
    pixels = np.asarray(Image.open(path))
    Image.fromarray(pixels).save(path, exif=exif)
    source = load(root)
    assert source.notes == ()
    assert np.array_equal(source.train.images[0], pixels.transpose(2, 0, 1))


# --- what is no file

ENDS = pytest.mark.timeout(30, method="thread")  # a thread that waits for a pipe hears no signal
pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")


@pytest.fixture
def pipe(root):
    """A named pipe among the cats: opened, it waits for someone to write."""
    path = root / "train" / "cat" / "pipe.png"
    os.mkfifo(path)
    return path


@ENDS
@pipes
def test_a_pipe_is_passed_over_and_named(root, tmp_path, request):
    store = Store(tmp_path / "store")
    assert load_dataset(f"folder:{root}", store=store).notes == ()
    pipe, before = request.getfixturevalue("pipe"), FOLDER.stamp(str(root))
    said = "1 pipe, socket, device or link was passed over: train/cat/pipe.png"
    assert load_dataset(f"folder:{root}", store=store).notes == (said,)  # though the images are the same
    (root / "test" / "dog" / "link.JPG").symlink_to(pipe)
    assert FOLDER.stamp(str(root)) != before
    dataset = load_dataset(f"folder:{root}", store=store)
    said = "2 pipes, sockets, devices or links were passed over: test/dog/link.JPG, train/cat/pipe.png"
    assert dataset.notes == (said,)
    source = load(root)
    assert source.notes == (said,)
    assert len(source.train) == 10
    assert FOLDER.unavailable(str(root)) is None


@ENDS
@pipes
def test_a_class_of_pipes_alone_has_no_images(root, pipe):
    (root / "train" / "eel").mkdir()
    pipe.rename(root / "train" / "eel" / "pipe.png")
    assert load(root).notes == (
        "1 class without images was left out: train/eel",
        "1 pipe, socket, device or link was passed over: train/eel/pipe.png",
    )


@ENDS
@pytest.mark.skipif(os.name == "nt", reason="there are no such devices and sockets there")
def test_devices_and_sockets_are_passed_over(root, monkeypatch):
    (root / "train" / "cat" / "null.png").symlink_to("/dev/zero")
    monkeypatch.chdir(root / "train" / "dog")  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")
        (note,) = load(root).notes
    assert note == "2 pipes, sockets, devices or links were passed over: train/cat/null.png, train/dog/socket.png"


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_to_images_count_and_links_to_folders_do_not(root, tmp_path):
    pixels = save(tmp_path / "elsewhere" / "1.png", seed=77)
    (root / "train" / "cat" / "00.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    (root / "train" / "cat" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "train" / "cat" / "more.png").symlink_to(tmp_path / "elsewhere")
    (root / "train" / "cat" / "nowhere.png").symlink_to("nothing")
    source = load(root)
    left = ", ".join(f"train/cat/{name}" for name in ("more", "more.png", "nowhere.png"))
    assert source.notes == (f"3 pipes, sockets, devices or links were passed over: {left}",)
    assert source.train.names.tolist()[:3] == ["train/cat/0.png", "train/cat/00.png", "train/cat/1.png"]
    assert len(source.train) == 11
    assert np.array_equal(source.train.images[1], pixels.transpose(2, 0, 1))


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_that_lead_back_are_passed_over(root):
    (root / "train" / "loop").symlink_to(root)
    (root / "test" / "again").symlink_to(root / "test")
    source = load(root)
    assert source.notes == ("2 pipes, sockets, devices or links were passed over: test/again, train/loop",)
    assert len(source.train) == 10


# --- too little


@pytest.mark.parametrize(
    ("files", "change", "said"),
    [
        ("test/*/*.png", lambda path: path.write_bytes(b""), "none of 4 images in the test part"),
        ("*/dog/*.png", Path.unlink, "one class only, 'cat'"),
        (
            "train/*/*.png",
            lambda path: path.rename(path.parents[1] / path.name),
            r"CLASS/\* in it, found '0.png', '1.png'",
        ),
        ("test/cat", lambda path: save(path.with_name("eel") / "0.png"), "train lacks: 'eel'"),
    ],
)
def test_too_little_is_an_error(root, files, change, said):
    for path in list(root.glob(files)):
        change(path)
    with pytest.raises(DatasetError, match=said):
        load_dataset(f"folder:{root}")


@pytest.mark.parametrize(("part", "other"), [("train", "test"), ("test", "train")])
def test_a_missing_part_says_what_is_there(root, part, other):
    (root / part).rename(root / "pictures")
    with pytest.raises(DatasetError) as caught:
        load(root)
    for said in (FOLDER.unavailable(str(root)), str(caught.value)):
        assert all(words in said for words in (f"no {part}/", "pictures", other))


# --- keys and reports


def test_cache_key_follows_content_and_settings_not_the_place(root, tmp_path):
    key = FOLDER.cache_key(str(root))
    assert FOLDER.cache_key(f"{root}?size=32") != key
    moved = root.rename(tmp_path / "moved")
    assert FOLDER.cache_key(str(moved)) == key
    path = moved / "train" / "cat" / "0.png"
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
    touched = FOLDER.cache_key(str(moved))
    assert touched != key
    (moved / "train" / "cat" / "0.png").rename(moved / "train" / "cat" / "00.png")
    assert FOLDER.cache_key(str(moved)) != touched


def test_progress_runs_to_the_end_and_cancelling_stops(root, tmp_path):
    steps = []
    FOLDER.load(str(root), steps.append)
    decoding = [(step.done, step.total) for step in steps if step.stage == "Decoding images"]
    assert (decoding[0], decoding[-1]) == ((0, 14), (14, 14))

    def cancel(step):
        if step.stage == "Decoding images":
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        load_dataset(f"folder:{root}", progress=cancel, store=Store(tmp_path / "store"))
    assert Store(tmp_path / "store").paths() == []


def test_many_images_keep_their_order(tmp_path):
    for part in ("train", "test"):
        for c in range(2):
            for i in range(150):
                path = tmp_path / part / f"class{c}" / f"{i:03d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (4, 4), i).save(path)
    source = load(tmp_path)
    assert source.train.images[:, 0, 0, 0].tolist() == [*range(150), *range(150)]


MODERN = {"webp": {"lossless": True}, "avif": {"quality": 100, "subsampling": "4:4:4"}, "tiff": {}}


@pytest.mark.parametrize("ending", MODERN)
@pytest.mark.parametrize("layout", ["Train/{}/{}", "{}/{}", "zip"])
def test_webp_avif_and_tiff_are_read_in_every_layout(tmp_path, ending, layout):
    if f".{ending}" not in image_files.image_endings():
        pytest.skip(f"this Pillow reads no {ending}")
    root, pixels = tmp_path / "photos", {}
    for place in range(10):
        path = root / ("{}/{}" if layout == "zip" else layout).format(f"class {place % 2}", f"{place}.{ending.upper()}")
        path.parent.mkdir(parents=True, exist_ok=True)
        flat = np.full((16, 24, 3), (20 * place, 200 - 10 * place, 90), np.uint8)
        Image.fromarray(flat).save(path, format=ending, **MODERN[ending])
        pixels[path.name] = flat
    if layout.startswith("Train"):
        shutil.copytree(root / "Train", root / "VAL")
    if layout == "zip":
        root = shutil.make_archive(str(root), "zip", root)
    source = load(root)
    assert len(source.train) == 10
    assert (source.validation is not None) is layout.startswith("Train")
    for name, image in zip(source.train.names, source.train.images, strict=True):
        off = image.astype(int) - pixels[name.rpartition("/")[2]].transpose(2, 0, 1)
        assert abs(off).max() <= (4 if ending == "avif" else 0)


def test_photographs_of_phones_are_read_upright(root):
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed: no HEIC is read")
    halves = np.zeros((32, 48, 3), np.uint8)
    halves[:, 24:] = 255
    for place, path in enumerate(sorted(root.rglob("*.png"))):
        picture, exif = Image.fromarray(halves), Image.Exif()
        exif[0x0112] = 6 if place % 2 else 1  # to be turned by 90 degrees
        picture = picture.rotate(90, expand=True) if place % 2 else picture
        heif.from_pillow(picture).save(path.with_suffix(".HEIC"), quality=100, exif=exif.tobytes())
        path.unlink()
    source = load(root)
    assert source.notes == ()
    assert source.train.images.shape == (10, 3, 32, 48)
    for image in source.train.images:
        assert image[:, :, :20].max() < 20
        assert image[:, :, 28:].min() > 235
    path = next((root / "train").rglob("*.HEIC"))
    path.write_bytes(path.read_bytes()[:200])
    (told,) = load(root).notes
    assert told.startswith(f"1 damaged image was skipped: {path.relative_to(root)}")


def test_what_reads_photographs_of_phones_is_told(root, monkeypatch):
    others = tuple(name for name in image_files._formats() if name != "HEIF")
    monkeypatch.setattr(image_files, "_formats", lambda: others)
    put(root, "test/dog/9.heic")
    advice = "to read HEIC, pip install pillow-heif"
    assert load(root).notes == (f"files that are no images which can be read were passed over: 1 .heic; {advice}",)
    for path in (root / "train" / "cat").iterdir():
        path.rename(path.with_suffix(".heic"))
    with pytest.raises(DatasetError, match=f"no images that can be read in train/cat .5 .heic.*{advice}"):
        load(root)
    shutil.rmtree(root / "train" / "dog")
    with pytest.raises(DatasetError, match=advice):
        load(root)
