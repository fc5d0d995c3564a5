import itertools
from dataclasses import replace
from functools import partial
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resmem_core.common.errors import Cancelled, DatasetError, InvalidParameterError, ResMemError
from resmem_core.common.progress import silent
from resmem_core.common.store import Store
from resmem_core.data import DATASETS, Source, load_dataset, parse_spec
from resmem_core.data.base import EMBEDDINGS, TEXT
from resmem_core.data.loading import cut, limited, split_groups, split_rows
from resmem_core.data.text_loading import load_corpus
from tests.data.made import numbered, numbers_of

labelings = st.lists(st.integers(0, 5), min_size=1, max_size=120).map(lambda y: np.array(y, dtype=np.int64))


# --- what a user writes


@pytest.mark.parametrize(
    ("spec", "name", "argument"),
    [
        ("digits", "digits", None),
        ("python-docs", "python-docs", None),
        (r"folder:C:\pictures?size=32", "folder", r"C:\pictures?size=32"),
        (r"text:train=C:\a.txt,test=C:\b.txt", "text", r"train=C:\a.txt,test=C:\b.txt"),
    ],
)
def test_parse_spec_separates_name_and_argument(spec, name, argument):
    loader, found = parse_spec(spec)
    assert (loader.name, found) == (name, argument)
    assert parse_spec(spec, text=loader.kind == TEXT) == (loader, argument)


@pytest.mark.parametrize(
    ("spec", "text", "said"),
    [
        ("folder", False, "write 'folder:PATH'"),
        ("folder:", False, "write 'folder:PATH'"),
        ("digits:8", False, "write 'digits'"),
        ("digits:", False, "takes nothing"),
        ("imagenet", False, "digits"),
        ("", False, "choose one of"),
        ("python-docs", False, "is text: see it on the page Language"),
        ("text: ", True, "write 'text:PATH'"),
        ("hf:", True, "write 'hf:NAME'"),
        ("python-docs:3", True, "write 'python-docs'"),
        ("novels", True, "python-docs"),
        ("digits", True, "no text; choose one of: hf, python-docs, text"),
        ("folder:text", True, "no text"),
    ],
)
def test_parse_spec_says_what_to_write(spec, text, said):
    for ask in (partial(parse_spec, text=text), load_corpus if text else load_dataset):
        with pytest.raises(InvalidParameterError, match=said) as raised:
            ask(spec)
        assert repr(spec) in str(raised.value) or repr(spec.partition(":")[0]) in str(raised.value)


def test_an_unknown_name_is_answered_with_all_there_are_each_once():
    with pytest.raises(InvalidParameterError) as raised:
        parse_spec("imagenet")
    names = str(raised.value).partition(": ")[2].split(", ")
    assert names == sorted({*names, "arrays", "digits", "folder", "hf", "python-docs", "table", "text"})


@pytest.mark.parametrize(("name", "other"), [("digits", "python-docs"), ("text", "folder")])
def test_a_name_is_taken_once_whatever_the_kind(name, other):
    assert DATASETS.get(name).kind != DATASETS.get(other).kind
    with pytest.raises(ValueError, match=f"dataset '{name}' is registered twice"):
        DATASETS.register(name, DATASETS.get(other))


# --- cutting


@given(labelings, st.integers(0, 120), st.integers(0, 2**32))
def test_split_rows_is_a_stratified_partition(labels, n, seed):
    n = min(n, len(labels))
    stay, drawn = split_rows(labels, n, (seed,))
    assert np.array_equal(np.union1d(stay, drawn), np.arange(len(labels)))
    assert len(stay) + len(drawn) == len(labels)
    assert (np.diff(stay) > 0).all()
    assert (np.diff(drawn) > 0).all()

    classes, counts = np.unique(labels, return_counts=True)
    quotas = np.array([(labels[drawn] == c).sum() for c in classes])
    assert quotas.sum() == min(n, (counts - 1).sum())
    assert (quotas <= counts - 1).all()
    capped = quotas == counts - 1
    share = counts * n / len(labels)
    assert (quotas > share - 1)[~capped].all()
    if n <= (counts - 1).min(initial=0):
        assert (quotas < share + 1).all()


@given(labelings, st.integers(1, 60), st.randoms(use_true_random=False))
def test_split_rows_draws_the_same_members_however_classes_are_interleaved(labels, n, random):
    n = min(n, len(labels))
    order = np.argsort(labels, kind="stable")
    _, drawn = split_rows(labels[order], n, (7,))
    _, drawn_before = split_rows(labels, n, (7,))
    assert np.array_equal(np.sort(order[drawn]), drawn_before)


PINNED = [4, 6, 7, 18, 23, 29]


@pytest.mark.parametrize("dtype", [np.int64, np.int32, ">i4"])
def test_split_rows_is_the_same_on_every_machine(dtype):
    labels = np.repeat([0, 1, 2], [5, 10, 15]).astype(dtype)
    assert split_rows(labels, 6, (0, 1))[1].tolist() == PINNED
    assert split_rows(labels, 6, (1, 1))[1].tolist() != PINNED


@given(labelings, st.booleans(), st.booleans())
def test_cut_gives_every_example_to_one_part_in_source_order(labels, has_test, has_validation):
    labels = np.concatenate([labels, np.repeat(np.unique(labels), 2)])  # at least 3 of each, so it can be cut
    n = len(labels)
    source = Source(
        tuple("abcdef"),
        numbered(labels),
        test=numbered([0, 1], n) if has_test else None,
        validation=numbered([1, 0, 0], n + 2) if has_validation else None,
    )
    parts = cut(source, seed=3)
    ids = {part: numbers_of(x) for part, x in parts.items()}
    together = np.sort(np.concatenate(list(ids.values())))
    everything = [x for x in (source.train, source.test, source.validation) if x is not None]
    assert np.array_equal(together, np.sort(np.concatenate([numbers_of(x) for x in everything])))
    assert set(parts["train"].labels) == set(labels.tolist())
    position = {identity: row for row, identity in enumerate(numbers_of(source.train))}
    for part in parts.values():
        rows = [position[i] for i in numbers_of(part) if i in position]
        assert rows == sorted(rows)
    if has_test:
        assert parts["test"] is source.test
    if has_validation:
        assert parts["validation"] is source.validation


@pytest.mark.parametrize(
    ("n_train", "test", "sizes"),
    [
        (100, None, (60, 20, 20)),
        (100, numbered([0, 1]), (80, 20, 2)),
        (50_000, numbered([0, 1]), (45_000, 5_000, 2)),
        (50_000, None, (30_000, 10_000, 10_000)),
    ],
)
def test_cut_sizes(n_train, test, sizes):
    parts = cut(Source(("a", "b"), numbered(np.arange(n_train) % 2), test=test), seed=0)
    assert tuple(len(parts[part]) for part in ("train", "validation", "test")) == sizes
    for part in parts.values():
        assert len(set(np.bincount(part.labels))) == 1


@given(labelings, st.data())
def test_limited_keeps_each_class(labels, data):
    train = numbered(np.sort(labels))
    n_classes = len(np.unique(labels))
    n = data.draw(st.integers(n_classes, len(labels)))
    kept = limited(train, n, seed=1)
    assert len(kept) == n
    assert set(kept.labels) == set(labels.tolist())
    assert (np.diff(numbers_of(kept)) > 0).all()
    assert np.array_equal(numbers_of(kept), numbers_of(limited(train, n, seed=1)))


# --- the whole way


def test_loading_is_deterministic_and_seeded(give_source):
    give_source(Source(("a", "b"), numbered(np.arange(100) % 2)))
    first, again, other = (load_dataset("given", seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert np.array_equal(first.test.names, again.test.names)
    assert not np.array_equal(first.test.names, other.test.names)
    smaller = load_dataset("given", limit_train=30)
    assert len(smaller.train) == 30
    assert np.array_equal(smaller.test.images, first.test.images)
    assert set(smaller.train.names) <= set(first.train.names)
    assert smaller.fingerprint != first.fingerprint


def test_fingerprint_knows_pixels_labels_and_class_names_but_not_names_of_examples(give_source):
    labels = np.repeat([0, 1], 20)
    train = numbered(labels)

    def fingerprint(train=train, class_names=("a", "b")):
        give_source(Source(class_names, train))
        return load_dataset("given").fingerprint

    pixel = train.images.copy()
    pixel[0] += 1
    relabeled = labels.copy()
    relabeled[19] = 1
    renamed = np.array([f"{row}.png" for row in range(40)])
    assert fingerprint() == fingerprint(replace(train, names=renamed))
    others = [
        fingerprint(replace(train, images=pixel)),
        fingerprint(replace(train, labels=relabeled)),
        fingerprint(class_names=("a", "c")),
    ]
    assert len({fingerprint(), *others}) == 4


@given(st.permutations(range(24)))
@settings(max_examples=20)
def test_a_source_keeps_its_order_and_is_named_by_row(order):
    labels = np.repeat([0, 1, 2], 8)[list(order)]
    source = Source(("a", "b", "c"), numbered(labels))
    assert np.array_equal(source.train.labels, labels)
    assert [f"train {i}" for i in range(24)] == source.train.names.tolist()


@given(st.lists(st.integers(0, 6), min_size=4, max_size=80), st.integers(0, 90), st.integers(0, 99))
def test_split_groups_draws_whole_groups(groups, n, seed):
    groups = np.array(groups)
    stay, drawn = split_groups(groups, n, (seed,))
    assert np.array_equal(np.sort(np.concatenate([stay, drawn])), np.arange(len(groups)))
    assert not set(groups[stay]) & set(groups[drawn])
    assert (len(drawn) > 0) == (len(set(groups.tolist())) > 1)
    assert len(stay) > 0
    sizes = np.bincount(groups)
    if len(drawn) and n <= len(groups) - sizes.max():
        assert abs(len(drawn) - n) <= sizes.max()  # one group more or less would not be nearer


def test_parts_that_are_cut_off_take_whole_groups(give_source):
    groups = np.random.default_rng(0).integers(0, 20, 200)
    give_source(Source(("a", "b"), replace(numbered(np.tile([0, 1], 100)), groups=groups)))
    dataset = load_dataset("given")
    parts = [set(part.groups.tolist()) for part in (dataset.train, dataset.validation, dataset.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 20
    assert [len(part) for part in (dataset.validation, dataset.test)] == pytest.approx([40, 40], abs=8)
    assert {str(load_dataset("given", seed=seed).test.names) for seed in range(3)} > {str(dataset.test.names)}


def test_parts_without_groups_are_told(give_source):
    train = replace(numbered(np.tile([0, 1], 20)), groups=np.arange(40) % 8)
    give_source(Source(("a", "b"), train, numbered([0, 1], 40), numbered([1, 0], 50)))
    assert "there are groups, but none in validation and test: which groups" in load_dataset("given").notes[-1]


def test_classes_called_like_missing_labels_are_told(give_source):
    give_source(Source(("cat", "nan"), numbered(np.tile([0, 1], 20))))
    assert ["'nan'" in note for note in load_dataset("given").notes] == [True]


def test_names_stay_with_their_examples(give_source):
    labels = np.tile([1, 0], 20)
    names = np.array([f"file {i}" for i in range(40)])
    give_source(Source(("a", "b"), replace(numbered(labels), names=names), test=numbered([1, 0])))
    dataset = load_dataset("given")
    for part in (dataset.train, dataset.validation):
        assert part.names.tolist() == [f"file {i}" for i in numbers_of(part)]
    assert dataset.test.names.tolist() == ["test 0", "test 1"]


ONE_GROUP = replace(numbered(np.tile([0, 1], 100)), groups=np.zeros(200, np.int64))
ZEBRA = Source(("cat", "dog", "zebra"), numbered([0] * 5 + [1] * 5), test=numbered([0, 2]))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Source(("only",), numbered([0] * 10)), r"1 class \(only\)"),
        (Source(("a", "b"), numbered([0, 1])), r"no test part.*2 training examples in 2 classes"),
        (Source(("a", "b"), ONE_GROUP), r"no test part.*all of one group"),
        (Source(("a", "b"), numbered([0, 0, 0, 1, 1, 1]), test=numbered([])), "no examples in test"),
        (ZEBRA, "test has examples of classes that train lacks: 'zebra'"),
    ],
)
def test_what_cannot_be_used_is_said(give_source, source, said):
    give_source(source)
    with pytest.raises(DatasetError, match=said):
        load_dataset("given")


def test_a_class_that_train_lacks_is_noted_where_the_base_model_knows_it(give_source):
    known = {
        part: replace(x, logits=np.zeros((len(x), 3))) for part in ("train", "test") if (x := getattr(ZEBRA, part))
    }
    give_source(replace(ZEBRA, **known), kind=EMBEDDINGS)
    assert any("'zebra'" in note for note in load_dataset("given").notes)


def test_a_bad_seed_and_a_bad_limit_are_quoted():
    for load, seed in itertools.product(
        (partial(load_dataset, "digits"), partial(load_corpus, "python-docs")), (-1, 0.5, True, "0", None)
    ):
        with pytest.raises(InvalidParameterError, match=f"seed={seed!r}"):
            load(seed=seed)
    for n in (2, 0, -1, 11, 4.0, True):
        with pytest.raises(InvalidParameterError, match=rf"limit_train={n!r} .* from 3 .* to 10 "):
            limited(numbered([0] * 5 + [1] * 3 + [2] * 2), n, seed=0)


# --- through the store


def test_the_store_saves_a_second_load(give_source, tmp_path):
    source = Source(("a", "b"), numbered(np.tile([0, 1], 10)), test=numbered([0, 1], 50), notes=("something to know",))
    loader = give_source(source, key={"version": 1})
    plain = load_dataset("given")
    stored = [load_dataset("given", store=Store(tmp_path)) for _ in range(2)]
    assert loader.loads == 2  # once without the store, once to fill it
    for dataset in stored:
        assert dataset.fingerprint == plain.fingerprint
        assert dataset.class_names == ("a", "b")
        assert dataset.notes == ("something to know",)
        for part in ("train", "validation", "test"):
            assert np.array_equal(getattr(dataset, part).names, getattr(plain, part).names)
            assert np.array_equal(getattr(dataset, part).images, getattr(plain, part).images)
    assert isinstance(stored[1].test.images, np.memmap)
    assert not isinstance(stored[1].test.labels, np.memmap)

    loader.key = {"version": 2}
    load_dataset("given", store=Store(tmp_path))
    assert loader.loads == 3


def test_a_damaged_entry_is_decoded_again(give_source, tmp_path):
    loader = give_source(Source(("a", "b"), numbered(np.tile([0, 1], 10))), key={})
    store = Store(tmp_path)
    whole = load_dataset("given", store=store)
    (entry,) = store.entries()
    (entry.path / "train_images.npy").write_bytes(b"damaged")
    assert load_dataset("given", store=store).fingerprint == whole.fingerprint
    assert loader.loads == 2


def test_what_needs_no_store_and_a_failed_load_leave_nothing_in_it(tmp_path, give_source, monkeypatch):
    load_dataset("digits", store=Store(tmp_path / "store"))
    assert not (tmp_path / "store").exists()
    monkeypatch.setattr(give_source(None, key={}), "load", Mock(side_effect=Cancelled("stopped")))
    with pytest.raises(Cancelled):
        load_dataset("given", store=Store(tmp_path))
    assert Store(tmp_path).paths() == []


# --- what every loader promises

HUB = ("hf", "hf-images")  # which look for their package only


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_loader_describes_itself(name, tmp_path, monkeypatch):
    monkeypatch.setenv("RESMEM_DATA", str(tmp_path))
    loader = DATASETS.get(name)
    assert loader.name == name
    assert loader.summary
    assert "\n" not in loader.summary
    argument = None if loader.argument is None else str(tmp_path / "nowhere")
    reason = loader.unavailable(argument)
    assert loader.kind in ("image", "embeddings", "features", "labelled text", "text")
    assert (reason is None) == loader.embedded or name in HUB
    assert list(tmp_path.iterdir()) == []  # it only looks


@pytest.mark.parametrize("name", [name for name in DATASETS.names() if DATASETS.get(name).argument and name not in HUB])
def test_a_path_that_is_not_there_is_a_clear_error(name, tmp_path):
    with pytest.raises(ResMemError, match="nowhere"):
        DATASETS.get(name).load(str(tmp_path / "nowhere"), silent)


@pytest.mark.parametrize("name", ["arrays", "table"])
def test_a_missing_file_and_a_folder_are_no_model_file(name, tmp_path):
    for path, said in ((tmp_path / "nowhere", "not there"), (tmp_path, "a folder")):
        assert said in DATASETS.get(name).unavailable(str(path))
        with pytest.raises(DatasetError, match=said):
            DATASETS.get(name).load(str(path), silent)
