"""`hf-images:`: folders that the real package wrote or reads; never the network."""

import io

import numpy as np
import pytest
from PIL import Image

from resmem_core.common.errors import DatasetError, InvalidParameterError, UnavailableError
from resmem_core.common.progress import silent
from resmem_core.common.store import Store
from resmem_core.data import DATASETS, hub_datasets, load_dataset

LOADER = DATASETS.get("hf-images")


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return datasets


PIXELS = np.random.default_rng(0).integers(0, 256, (14, 10, 12, 3), dtype=np.uint8)


def png(row):
    file = io.BytesIO()
    Image.fromarray(PIXELS[row]).save(file, "png")
    return {"bytes": file.getvalue(), "path": None}


def split(datasets, rows, labels, kind=None, **more):
    """Return a split of images and labels (zebra 0, ant 1), and more columns."""
    features = {"image": datasets.Image(), "label": kind or datasets.ClassLabel(names=["zebra", "ant", "unseen"])}
    columns = {"image": [png(row) for row in rows], "label": labels}
    for name, (feature, values) in more.items():
        features[name], columns[name] = feature, values
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


@pytest.fixture
def saved(datasets, tmp_path):
    splits = {
        "train": split(datasets, range(8), [0, 1] * 4),
        "val": split(datasets, range(8, 12), [1, 0, 1, 0]),
        "test": split(datasets, range(12, 14), [-1, -1]),
        "extra": split(datasets, [0], [0]),
    }
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


def assert_pixels(examples, rows):
    np.testing.assert_array_equal(examples.images, PIXELS[rows].transpose(0, 3, 1, 2))


def test_a_folder_that_was_saved_to_disk_is_read(saved):
    source = LOADER.load(str(saved), silent)
    assert source.class_names == ("zebra", "ant")  # in the order of the dataset
    assert source.train.labels.tolist() == [0, 1] * 4
    assert source.validation.labels.tolist() == [1, 0, 1, 0]
    assert source.test is None
    assert source.validation.names.tolist() == [f"val {row}" for row in range(4)]
    assert_pixels(source.train, range(8))
    assert_pixels(source.validation, range(8, 12))
    assert source.notes == (
        "other splits were passed over: 'extra'",
        "2 images have no label and were left out: test 0, test 1",
    )
    assert LOADER.load(f"{saved}?size=8", silent).train.images.shape == (8, 3, 8, 8)
    with pytest.raises(InvalidParameterError, match="size='big'"):
        LOADER.load(f"{saved}?size=big", silent)


def test_a_folder_of_images_and_a_parquet_file_are_read(datasets, tmp_path):
    for row in range(8):
        path = tmp_path / "photos" / "train" / ("zebra", "ant")[row % 2] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[row]).save(path)
    source = LOADER.load(str(tmp_path / "photos"), silent)
    assert source.class_names == ("ant", "zebra")
    assert_pixels(source.train, [1, 3, 5, 7, 0, 2, 4, 6])
    (tmp_path / "table").mkdir()
    split(datasets, range(8), list("ba") * 4, datasets.Value("string")).to_parquet(tmp_path / "table" / "train.parquet")
    source = LOADER.load(str(tmp_path / "table"), silent)
    assert source.class_names == ("a", "b")
    assert source.train.labels.tolist() == [1, 0] * 4
    assert_pixels(source.train, range(8))


def test_what_was_decoded_is_kept_and_decoded_anew_when_the_data_changes(datasets, saved, tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    first = load_dataset(f"hf-images:{saved}", store=store)
    with monkeypatch.context() as patch:
        patch.setattr(type(LOADER), "load", lambda *a: pytest.fail("decoded twice"))
        assert load_dataset(f"hf-images:{saved}", store=store).fingerprint == first.fingerprint
    split(datasets, range(9), [0, 1, 0] * 3).save_to_disk(tmp_path / "other")
    (tmp_path / "other").rename(saved.with_name("again"))
    assert load_dataset(f"hf-images:{saved.with_name('again')}", store=store).fingerprint != first.fingerprint


def test_damaged_and_missing_images_are_told(datasets, tmp_path):
    data = split(datasets, range(8), [0, 1] * 4).cast_column("image", datasets.Image(decode=False))
    images = list(data["image"])
    images[2], images[5] = {"bytes": b"damaged", "path": None}, None
    columns = {"image": images, "label": data["label"]}
    datasets.Dataset.from_dict(columns, features=data.features).save_to_disk(tmp_path / "saved")
    source = LOADER.load(str(tmp_path / "saved"), silent)
    assert source.notes == ("2 damaged images were skipped: train 2, train 5",)
    assert_pixels(source.train, [0, 1, 3, 4, 6, 7])


def test_of_several_columns_one_is_named(datasets, tmp_path):
    other = datasets.ClassLabel(names=["coarse", "fine"])
    data = split(datasets, range(8), [0, 1] * 4, grain=(other, [0, 0, 1, 1] * 2))
    data.rename_column("label", "kind").save_to_disk(tmp_path / "a")
    with pytest.raises(DatasetError, match=r"of classes, 'kind', 'grain' .*hf-images:NAME:CONFIG@COLUMN"):
        LOADER.load(str(tmp_path / "a"), silent)
    assert LOADER.load(f"{tmp_path / 'a'}@grain", silent).train.labels.tolist() == [0, 0, 1, 1] * 2
    data = split(datasets, range(8), [0, 1] * 4, after=(datasets.Image(), [png(row) for row in range(6, 14)]))
    data.save_to_disk(tmp_path / "b")
    with pytest.raises(DatasetError, match="several columns of images, 'image', 'after'"):
        LOADER.load(str(tmp_path / "b"), silent)
    assert_pixels(LOADER.load(f"{tmp_path / 'b'}@after", silent).train, range(6, 14))
    with pytest.raises(DatasetError, match="no column 'x' of images or classes, but 'image', 'label', 'after'"):
        LOADER.load(f"{tmp_path / 'b'}@x", silent)


def test_text_and_images_name_each_other(datasets, saved, tmp_path):
    with pytest.raises(DatasetError, match="it has images in 'image', which hf-images:NAME reads"):
        DATASETS.get("hf").load(str(saved), silent)
    datasets.Dataset.from_dict({"text": ["a"], "label": [0]}).save_to_disk(tmp_path / "text")
    with pytest.raises(DatasetError, match="no column of images among 'text', 'label'"):
        LOADER.load(str(tmp_path / "text"), silent)


def test_what_cannot_be_fetched_is_told_with_how_to_bring_it(datasets, monkeypatch):
    def offline(*asked, **options):
        raise ConnectionError("no route")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(UnavailableError, match=r"no route.*load_dataset\('org/name'\)\.save_to_disk\('FOLDER'\)"):
        load_dataset("hf-images:org/name")
    monkeypatch.setattr(hub_datasets, "package_missing", lambda: "the package datasets is not installed: pip install x")
    with pytest.raises(UnavailableError, match="hf-images:org/name: the package datasets is not installed: pip"):
        load_dataset("hf-images:org/name")
