"""From what a user writes ("folder:PATH") to a dataset in three parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.mapped import picked, save_rows
from resmem_core.common.progress import Progress, silent
from resmem_core.common.registry import parse
from resmem_core.common.runner import Runner, Task
from resmem_core.common.store import Entry, Store, digest_arrays, digest_key
from resmem_core.common.types import IntArray, is_whole
from resmem_core.data.base import DATASETS, PARTS, TEXT, DatasetLoader, Source, shown
from resmem_core.data.corruption import check_imbalance, check_label_noise, long_tailed, noisy
from resmem_core.data.drawing import check_seed, split_groups, split_rows
from resmem_core.data.types import OF_EXAMPLES, VALUES, Dataset, Examples, task_of

if TYPE_CHECKING:
    import pyarrow as pa

MAX_VALIDATION = 5000  # cut off a train split that comes with its own test split
_METADATA = "{}_metadata.feather"
_LACKING = ("nan", "none", "null", "<na>", "nat")
STORED_VERSION = 1  # of the layout that _write_source and _read_source agree on


def parse_spec(spec: str, *, text: bool | None = None) -> tuple[DatasetLoader, str | None]:
    """Return the loader that `spec` names and what stands after its colon.

    Parameters
    ----------
    spec : str
        "NAME", or "NAME:ARGUMENT" for a loader that takes one.
    text : bool, optional
        Whether it must, or must not, be text; unless given it may be.

    Raises
    ------
    InvalidParameterError
        If the name is unknown, an argument is missing or not taken, or it is text where it must not be, or is none.
    """
    loader, argument = parse(DATASETS, spec)
    if text is False and loader.kind == TEXT:
        raise InvalidParameterError(
            f"dataset {spec!r} is text: see it on the page Language, or with the commands train, tune, evaluate, "
            "explain and generate"
        )
    if text and loader.kind != TEXT:
        texts = ", ".join(sorted(item.name for item in DATASETS if item.kind == TEXT))
        raise InvalidParameterError(f"dataset {spec!r} is no text; choose one of: {texts}")
    return loader, argument


def dataset_title(spec: str) -> str:
    """Return what the dataset that `spec` names is called for people; `spec` itself where no loader has that name."""
    try:
        loader, argument = parse_spec(spec)
    except InvalidParameterError:
        return spec
    return loader.title(argument)


def load_dataset(
    spec: str,
    *,
    seed: int = 0,
    limit_train: int | None = None,
    imbalance: float = 1.0,
    label_noise: float = 0.0,
    progress: Progress = silent,
    store: Store | None = None,
) -> Dataset:
    """Load a dataset and cut it into train, validation and test.

    A source without a test split gives a fifth of its points to test and a fifth to validation. One with a
    test split but no validation split gives a fifth of train, at most 5,000 points, to validation. Cuts are
    stratified and depend only on the seed, the labels and the order within each class; where examples come in groups
    (a person's, say), cuts take whole groups instead, about as many points.

    Train can be corrupted, first by `imbalance`, last by `label_noise`; validation and test stay as they came.

    Parameters
    ----------
    spec : str
        "NAME" or "NAME:ARGUMENT".
    seed : int
        Of the cuts and of the corruption, 0 or more.
    limit_train : int, optional
        Keep only that many points of train, stratified, at least one of each class.
    imbalance : float
        See `long_tailed`.
    label_noise : float
        See `noisy`.
    progress : callable
        Told of downloads and decoding.
    store : Store, optional
        Where sources that are slow to decode are kept.

    Raises
    ------
    InvalidParameterError
        If `spec` or one of the numbers is not possible, or the dataset is text.
    DatasetError
        If the data is there but cannot be used.
    UnavailableError
        If it is not there and cannot be fetched.
    StoreError
        If `store` cannot be written.
    """
    seed = check_seed(seed)
    check_imbalance(imbalance)
    check_label_noise(label_noise)
    loader, argument = parse_spec(spec, text=False)
    source = _load_source(loader, argument, progress, store)
    parts = cut(source, seed)
    parts["train"], corrupted = _corrupted(source, parts["train"], limit_train, imbalance, label_noise, seed)
    notes = (*source.notes, *corrupted, *_check(spec, source, parts))
    fingerprint = _fingerprint(source, parts)
    loader.made(argument, fingerprint)
    title = loader.title(argument)
    return Dataset(title, source.class_names, **parts, fingerprint=fingerprint, notes=notes, head=source.head)


def cut(source: Source, seed: int) -> dict[str, Examples]:
    """Return the three parts by name, cutting off train those that the source lacks.

    Raises
    ------
    DatasetError
        If train is too small to cut: every class keeps at least one example.
    """
    train, validation, test = source.train, source.validation, source.test
    fifth = max(1, round(len(train) / 5))
    wanted = fifth if test is None else min(fifth, MAX_VALIDATION)
    if test is None:
        train, test = _cut_off("test", train, fifth, seed)
    if validation is None:
        train, validation = _cut_off("validation", train, wanted, seed)
    return {"train": train, "validation": validation, "test": test}


def limited(train: Examples, n: int | None, seed: int) -> Examples:
    """Return `n` examples of `train`, stratified, at least one of each class; all of them if `n` is None.

    Raises
    ------
    InvalidParameterError
        If `n` is below the number of classes in train or above the number of examples.
    """
    if n is None:
        return train
    strata = _strata(train)
    n_classes = len(np.unique(strata))
    if not is_whole(n, n_classes, len(train)):
        least = "one example" if task_of(train.labels) == VALUES else "one example of each class"
        raise InvalidParameterError(
            f"limit_train={n!r} must be a whole number from {n_classes} ({least}) to {len(train)} (all of train)"
        )
    kept, _ = split_rows(strata, len(train) - int(n), (seed, 2))
    return train.take(kept)


def _strata(train: Examples) -> IntArray:
    """Return what cuts are stratified by, (N,): the classes; values are not, as chance spreads many evenly."""
    return train.labels if task_of(train.labels) != VALUES else np.zeros(len(train), np.int64)


def _corrupted(
    source: Source, train: Examples, limit_train: int | None, imbalance: float, label_noise: float, seed: int
) -> tuple[Examples, list[str]]:
    """Return train long-tailed, limited and with noise, and a note on what was done on purpose."""
    if task_of(train.labels) == VALUES:
        if imbalance > 1 or label_noise:
            raise InvalidParameterError(
                f"imbalance={imbalance:g} and label_noise={label_noise:g} are of classes, and the data has values to "
                "predict; leave both out"
            )
        return limited(train, limit_train, seed), []
    kept = limited(long_tailed(train, imbalance, seed), limit_train, seed)
    corrupted = noisy(kept, label_noise, seed, source.class_names)
    notes = []
    if imbalance > 1:
        sizes = np.bincount(kept.labels, minlength=len(source.class_names))
        by_size = np.argsort(-sizes, kind="stable")
        told = [f"{source.class_names[c]!r} {sizes[c]:,}" for c in by_size.tolist() if sizes[c]]
        told = told if len(told) <= 12 else [*told[:6], "...", *told[-6:]]
        notes.append(f"imbalance={imbalance:g} leaves so many training examples of each class: {', '.join(told)}")
    if label_noise:
        changed = int((corrupted.labels != kept.labels).sum())
        notes.append(f"label_noise={label_noise:g} changed {changed:,} of {len(kept):,} training labels at random")
    if notes:
        notes.append("validation and test are as they came")
    if notes and (train.logits is not None or source.head is not None):
        notes.append("the logits given stay as they are: only memory sees the corrupted training examples")
    return corrupted, notes


def _cut_off(part: str, train: Examples, n: int, seed: int) -> tuple[Examples, Examples]:
    drawn_by = (seed, 0 if part == "test" else 1)
    if train.groups is not None:
        kept, cut_off = split_groups(train.groups, n, drawn_by)
        why = "which are all of one group"
    else:
        strata = _strata(train)
        kept, cut_off = split_rows(strata, n, drawn_by)
        why = f"in {len(np.unique(strata))} classes, as each class keeps at least one"
    if not len(cut_off):
        raise DatasetError(
            f"the data has no {part} part, and none can be cut off its {len(train)} training examples {why}; add "
            "examples"
        )
    return train.take(kept), train.take(cut_off)


def _check(spec: str, source: Source, parts: Mapping[str, Examples]) -> tuple[str, ...]:
    """Raise what makes the parts unusable; return what is only worth a note."""
    class_names = source.class_names
    if task_of(source.train.labels) == VALUES:
        return _check_values(spec, parts)
    if len(class_names) < 2:
        raise DatasetError(
            f"dataset {spec!r} has {len(class_names)} class ({', '.join(class_names)}); at least 2 are needed"
        )
    for part, examples in parts.items():
        if not len(examples):
            raise DatasetError(f"dataset {spec!r} has no examples in {part}")
    notes = []
    for part in ("validation", "test"):
        unseen = np.setdiff1d(parts[part].labels, parts["train"].labels)
        if not len(unseen):
            continue
        found = f"{part} has examples of classes that train lacks: {shown([class_names[label] for label in unseen])}"
        if parts["train"].logits is None and source.head is None:  # no model that knows more classes
            raise DatasetError(f"dataset {spec!r}: {found}; add some to train, or remove them from {part}")
        notes.append(f"{found}; memory cannot vote for these, only the base model can")
    if lacking := [name for name in class_names if name.casefold() in _LACKING]:
        notes.append(
            f"some classes are called as labels that are missing are written: {shown(lacking)}; if they are missing, "
            "leave these examples out"
        )
    return (*notes, *_alike(class_names), *_shared_groups(parts))


def _check_values(spec: str, parts: Mapping[str, Examples]) -> tuple[str, ...]:
    """Do as `_check` where values are predicted."""
    for part, examples in parts.items():
        if len(examples) < 2:
            raise DatasetError(f"dataset {spec!r} has {len(examples)} examples in {part}; at least 2 are needed")
        if task_of(examples.labels) != VALUES:
            raise DatasetError(f"dataset {spec!r} has classes in {part} and values in train; expected values in both")
    if np.ptp(parts["train"].labels) == 0:
        raise DatasetError(
            f"dataset {spec!r} has the value {parts['train'].labels[0]:g} in all of train; there is nothing to predict"
        )
    return tuple(_shared_groups(parts))


def _alike(class_names: Sequence[str]) -> list[str]:
    """Return a note on classes whose names differ only in capitals."""
    by_name: dict[str, list[str]] = {}
    for name in class_names:
        by_name.setdefault(name.casefold(), []).append(name)
    alike = [name for names in by_name.values() if len(names) > 1 for name in names]
    return [f"some classes look alike, as their names differ only in capitals: {shown(alike)}"] if alike else []


def _shared_groups(parts: Mapping[str, Examples]) -> list[str]:
    """Return a note on groups that stand in train and in another part, too, or on parts that have none."""
    in_train, notes = parts["train"].groups, []
    without = [part for part, examples in parts.items() if examples.groups is None]
    if 0 < len(without) < len(parts):
        notes.append(
            f"there are groups, but none in {' and '.join(without)}: which groups the parts share is not known"
        )
    for part in ("validation", "test"):
        of_part = parts[part].groups
        if in_train is None or of_part is None:
            continue
        shared, n = len(np.intersect1d(in_train, of_part)), len(np.unique(of_part))
        if shared:
            notes.append(
                f"{shared:,} of {n:,} groups in {part} are in train, too: memory holds others of the same group"
            )
    return notes


def _fingerprint(source: Source, parts: Mapping[str, Examples]) -> str:
    content = {
        part: digest_arrays(examples.labels, examples.images, examples.embeddings, examples.logits)
        for part, examples in parts.items()
    }
    for part, examples in parts.items():
        if examples.features is not None:
            content[f"{part} features"] = _digest_of(examples.features)
        if examples.texts is not None:
            content[f"{part} texts"] = digest_key({"texts": examples.texts.tolist()})
    if source.head is not None:
        content["head"] = digest_arrays(source.head.weights, source.head.bias)
    return digest_key({"class_names": list(source.class_names), **content})


def _digest_of(table: pa.Table) -> str:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return digest_arrays(np.frombuffer(sink.getvalue(), np.uint8))


def _load_source(loader: DatasetLoader, argument: str | None, progress: Progress, store: Store | None) -> Source:
    key = loader.cache_key(argument) if store is not None else None
    if store is None or key is None:
        return _loaded(loader, argument, progress)

    def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
        return _write_source(_loaded(loader, argument, progress), directory)

    task = Task("source", {"loader": loader.name, "stored_version": STORED_VERSION, **key}, build)
    return _read_source(Runner(store, progress=progress).run(task))


def _loaded(loader: DatasetLoader, argument: str | None, progress: Progress) -> Source:
    source = loader.load(argument, progress)
    assert isinstance(source, Source)
    return source


def _write_source(source: Source, directory: Path) -> Mapping[str, Any]:
    saved = []
    for part in PARTS:
        for name in OF_EXAMPLES:
            array = getattr(getattr(source, part), name, None)
            if array is not None:
                save_rows(directory / f"{part}_{name}.npy", array)
                saved.append(f"{part}_{name}")
        metadata = getattr(getattr(source, part), "metadata", None)
        if metadata is not None:
            from pyarrow import feather

            feather.write_feather(metadata, directory / _METADATA.format(part))
    return {"class_names": list(source.class_names), "notes": list(source.notes), "arrays": saved}


def _read_source(entry: Entry) -> Source:
    arrays: dict[str, dict[str, Any]] = {}
    for saved in entry.info["arrays"]:
        part, name = saved.split("_")
        array = entry.array(saved)
        stays = picked(array, np.arange(len(array))) if name == "images" else np.array(array)
        arrays.setdefault(part, {})[name] = stays
    parts = {part: Examples(**given, metadata=_metadata(entry, part)) for part, given in arrays.items()}
    class_names, notes = tuple(entry.info["class_names"]), tuple(entry.info["notes"])
    return Source(class_names, parts["train"], parts.get("test"), parts.get("validation"), notes)


def _metadata(entry: Entry, part: str) -> pa.Table | None:
    if not (file := entry.path / _METADATA.format(part)).exists():
        return None
    from pyarrow import feather

    return feather.read_table(file)
