"""Weights that ship: found for the data they were trained on, in any wrapping, and for no other."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from resmem_core.common.errors import ResMemError
from resmem_core.data.types import Dataset, Examples
from resmem_core.models.shipped import N_PROBES, WEIGHTS, export, find_shipped, probe
from resmem_core.models.types import Recipe

RECIPE = Recipe(8, crop=True)
N = 200
GONE = "gone"


def photos(n=N, side=32, channels=3, seed=0):
    """Return smooth random images of muted colours, with a little noise."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 226, size=(n, 4, 4, 1)) + rng.integers(-20, 21, size=(n, 4, 4, 3))
    enlarged = [
        Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR) for image in coarse.astype(np.uint8)
    ]
    images = np.clip(np.stack(enlarged) + rng.normal(0, 5, size=(n, side, side, 3)), 0, 255)
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)[:, :channels]).astype(np.uint8)


def dataset(images, labels=None, n_classes=10, name="photos"):
    labels = np.random.default_rng(1).integers(0, n_classes, len(images)) if labels is None else labels
    part = Examples(labels, images)
    return Dataset(name, tuple(f"class {c}" for c in range(n_classes)), part, part, part, "fingerprint")


def as_jpeg(images, quality):
    from PIL import Image

    decoded = []
    for image in images.transpose(0, 2, 3, 1):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        decoded.append(np.asarray(Image.open(file)))
    return np.stack(decoded).transpose(0, 3, 1, 2)


def other_data():
    images, labels = photos(), dataset(photos()).train.labels
    swapped = images.copy()
    ends = np.argsort(labels, kind="stable")[[0, -1]]
    swapped[ends] = swapped[ends[::-1]]
    backwards = np.arange(N)[::-1]
    one_other = labels.copy()
    one_other[17] = (one_other[17] + 1) % 10
    return {
        "other images": dataset(photos(seed=5), labels),
        "the reverse order": dataset(images[backwards], labels[backwards]),
        "images in the reverse order, labels as they were": dataset(images[backwards], labels),
        "first and last exchanged": dataset(swapped, labels),
        "fewer": dataset(images[:-1], labels[:-1]),
        "one label another": dataset(images, one_other),
        "classes in another order": dataset(images, 9 - labels),
        "more classes": dataset(images, labels, n_classes=11),
        "grey": dataset(images[:, :1], labels),
        "larger": dataset(images.repeat(2, axis=2).repeat(2, axis=3), labels),
        "inverted": dataset(255 - images, labels),
        "darker": dataset((images * 0.7).astype(np.uint8), labels),
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "made").write_bytes(b"pretend weights")
    export(
        tmp_path / "cached" / "photos-resnet",
        tmp_path / "made",
        dataset(photos()),
        "resnet8",
        RECIPE,
        3,
        {"base_accuracy": {"test": 0.78}, "losses": [2.0, 1.0]},
    )
    return tmp_path / "cached"


def find(folder, data, backbone="resnet8", recipe=RECIPE, seed=3):
    return find_shipped(data, backbone, recipe, seed, folder)


class TestFinding:
    def test_same_data(self, folder):
        weights, manifest = find(folder, dataset(photos()))
        assert weights.read_bytes() == b"pretend weights"
        assert manifest["base_accuracy"] == {"test": 0.78}
        assert manifest["n_train"] == N
        assert manifest["class_names"][3] == "class 3"

    @pytest.mark.parametrize("quality", [95, 75])
    def test_same_data_recompressed(self, folder, quality):
        images = as_jpeg(photos(), quality)
        assert (images != photos()).mean() > 0.3
        assert find(folder, dataset(images, name="folder:photos")) is not None

    def test_same_data_in_another_order_or_type(self, folder):
        """An image folder lies class by class, and the original archive does not."""
        images, labels = photos(), dataset(photos()).train.labels
        by_class = np.argsort(labels, kind="stable")
        assert find(folder, dataset(images[by_class], labels[by_class])) is not None
        assert find(folder, dataset(images, labels.astype(np.uint8))) is not None

    @pytest.mark.parametrize(
        "asked",
        [{"seed": 4}, {"backbone": "resnet20"}, {"recipe": replace(RECIPE, epochs=9)}, {"recipe": Recipe(8)}],
        ids=str,
    )
    def test_made_otherwise(self, folder, asked):
        assert find(folder, dataset(photos()), **asked) is None

    @pytest.mark.parametrize("data", other_data().values(), ids=other_data())
    def test_other_data(self, folder, data):
        assert find(folder, data) is None

    def test_no_images(self, folder):
        part = Examples(np.zeros(N, np.int64), embeddings=np.zeros((N, 2)), logits=np.zeros((N, 10)))
        assert find(folder, replace(dataset(photos()), train=part)) is None

    def test_fewer_images_than_probes(self, tmp_path):
        (tmp_path / "made").write_bytes(b"w")
        few = dataset(photos(5))
        export(tmp_path / "c" / "few", tmp_path / "made", few, "resnet8", RECIPE, 3, {})
        assert find(tmp_path / "c", few) is not None
        assert find(tmp_path / "c", dataset(photos(5)[::-1], few.train.labels)) is None

    def test_nothing_shipped(self, tmp_path):
        assert find(tmp_path, dataset(photos())) is None
        assert find(tmp_path / "missing", dataset(photos())) is None

    def test_among_others(self, folder, tmp_path):
        for seed in (1, 7):
            data = dataset(photos(seed=seed))
            export(folder / f"a{seed}", tmp_path / "made", data, "resnet8", RECIPE, 3, {})
        assert find(folder, dataset(photos()))[0].parent.name == "photos-resnet"


class TestDamage:
    @pytest.mark.parametrize(
        "damage",
        [lambda p: p.unlink(), lambda p: p.write_bytes(b"pretend"), lambda p: p.write_bytes(b"pretend Weights")],
        ids=["missing", "cut short", "changed"],
    )
    def test_of_weights_that_fit(self, folder, damage):
        damage(folder / "photos-resnet" / WEIGHTS)
        with pytest.raises(ResMemError, match="missing or damaged; restore it") as raised:
            find(folder, dataset(photos()))
        assert str(folder / "photos-resnet" / WEIGHTS) in str(raised.value)

    def test_of_weights_that_do_not_concern_us(self, folder):
        (folder / "photos-resnet" / WEIGHTS).unlink()
        assert find(folder, dataset(photos(seed=5))) is None

    @pytest.mark.parametrize(
        "content",
        ["", "{", "[]", "3", "null", "{}", "\xff", '{"backbone": "resnet8"}'],
    )
    def test_of_a_manifest_harms_only_its_own_folder(self, folder, tmp_path, content):
        (folder / "a-broken").mkdir()
        (folder / "a-broken" / "manifest.json").write_bytes(content.encode("latin-1"))
        with pytest.warns(UserWarning, match="a-broken.*manifest.json is damaged.*restore it"):
            found = find(folder, dataset(photos()))
        assert found[0].parent.name == "photos-resnet"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *[(name, GONE) for name in ("probe", "digest", "labels", "recipe")],
            *[("probe", looks) for looks in ([], [[1, 2], [3]], "grey", None, [["a"] * 48] * N_PROBES)],
        ],
        ids=str,
    )
    def test_of_the_manifest_that_would_fit(self, folder, field, value):
        path = folder / "photos-resnet" / "manifest.json"
        manifest = {**json.loads(path.read_text()), field: value}
        if value == GONE:
            del manifest[field]
        path.write_text(json.dumps(manifest))
        with pytest.warns(UserWarning, match=f"is damaged.*{field}" if value == GONE else "is damaged"):
            assert find(folder, dataset(photos())) is None


class TestExport:
    def test_facts_do_not_hide_what_is_compared(self, tmp_path):
        (tmp_path / "made").write_bytes(b"w")
        lies = {"seed": 99, "digest": "?", "probe": [], "labels": "?", "colour": "blue"}
        export(tmp_path / "c" / "a", tmp_path / "made", dataset(photos()), "resnet8", RECIPE, 3, lies)
        assert find(tmp_path / "c", dataset(photos()))[1]["colour"] == "blue"

    def test_over_itself(self, folder):
        own = folder / "photos-resnet"
        export(own, own / WEIGHTS, dataset(photos()), "resnet8", RECIPE, 3, {})
        assert find(folder, dataset(photos()))[0].read_bytes() == b"pretend weights"
        assert sorted(path.name for path in own.iterdir()) == ["manifest.json", WEIGHTS]

    def test_manifest_names_no_path(self, folder, tmp_path):
        assert str(tmp_path) not in (folder / "photos-resnet" / "manifest.json").read_text()


@pytest.mark.parametrize(("side", "channels"), [(32, 3), (28, 1), (4, 1)])
def test_probe(side, channels):
    looks = probe(Examples(np.zeros(N, np.int64), photos(side=side, channels=channels)))
    assert np.shape(looks) == (N_PROBES, 16 * channels)
    white = probe(Examples(np.zeros(2, np.int64), np.full((2, channels, side, side), 255, np.uint8)))
    assert {value for look in white for value in look} == {255}


def test_probe_is_a_block_mean():
    image = np.zeros((1, 1, 8, 8), np.uint8)
    image[0, 0, :2, 2:4] = 100
    assert probe(Examples(np.zeros(1, np.int64), image))[0] == [0, 100] + [0] * 14
