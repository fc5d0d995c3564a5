"""Which files of a folder are images, of what part and class: by the names of the folders that they lie in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from resmem_core.common.errors import DatasetError
from resmem_core.common.names import clean_name
from resmem_core.data.base import PARTS, part_called, shown
from resmem_core.data.file_tree import EXPECTED, Tree, by_ending, ending
from resmem_core.data.image_files import how_to_read, image_endings
from resmem_core.data.image_source import noted


class Layout(NamedTuple):
    """Where images lie.

    Attributes
    ----------
    listed : dict of list of str
        The images of each part that there is, by class and path.
    depth : int
        How many folders the one of a class lies in.
    notes : list of str
        What was passed over, and how the folder was read where it is not laid out in full.
    """

    listed: dict[str, list[str]]
    depth: int
    notes: list[str]

    @property
    def names(self) -> list[str]:
        """All images, part by part."""
        return [name for names in self.listed.values() for name in names]

    def class_of(self, name: str) -> str:
        """Return the class of an image, or of the folder of a class."""
        return clean_name(name.split("/")[self.depth])


def laid_out(root: Path, tree: Tree) -> Layout:
    """Return where the images of each part and class lie.

    There is a folder for train and others for test and validation, called so in any capitals, and in each a folder for
    each class; or there are the folders of the classes. Where one folder holds everything, they are looked for in it.

    Raises
    ------
    DatasetError
        If there are no images in folders of classes, train is missing, or it is not clear which folder is which part.
    """
    known = image_endings()
    images = [name for name in tree.files if ending(name) in known]
    if not images and (arrays := [name for name in tree.files if ending(name) == ".npy"]):
        raise DatasetError(f"{root} holds arrays, {shown(arrays)}, and no images; arrays:PATH reads embeddings")
    top = _top(tree, images)
    parts, notes = _parts(root, tree, images, top)
    layout = Layout({}, top.count("/") + bool(parts), notes)
    kept: set[str] = set()
    empty: list[str] = []
    parts = parts or {"train": top}
    for part, folder in ((part, parts[part]) for part in PARTS if part in parts):
        folders = [name for name in _below(tree.folders, folder) if name.count("/") == layout.depth]
        found = [name for name in _below(images, folder) if name.count("/") > layout.depth]
        if not found:
            inside = shown(sorted({name[len(folder) :].split("/")[0] for name in _below(_all(tree), folder)}))
            below = _below(tree.files, folder)
            held = by_ending(below) + how_to_read(map(ending, below))
            raise DatasetError(
                f"{root / folder} has no images in folders named after their class; expected CLASS/* in it, found "
                f"{inside or 'nothing'}" + (f" ({held})" if held else "")
            )
        layout.listed[part] = sorted(found, key=lambda name: (layout.class_of(name), name))
        kept.update(found)
        classes = set(map(layout.class_of, found))
        empty += [name for name in folders if layout.class_of(name) not in classes]
        notes += _alike(layout, found)
    notes += _deeper(root, layout)
    _check_train(root, tree, layout, empty)
    notes += noted(
        _with_content(tree, layout, empty), "class without images was", "classes without images were", "left out"
    )
    notes += _passed_over(tree, images, kept)
    return layout


def _passed_over(tree: Tree, images: list[str], kept: set[str]) -> list[str]:
    """Return notes on all files that are not read."""
    loose = [name for name in images if name not in kept]
    notes = noted(loose, "image in no folder of a class was", "images in no folder of a class were", "passed over")
    left = set(tree.files).difference(images)
    how = how_to_read(map(ending, left))
    if others := by_ending(left):
        notes.append(f"files that are no images which can be read were passed over: {others}{how}")
    one, many = "pipe, socket, device or link was", "pipes, sockets, devices or links were"
    return notes + noted(tree.others, one, many, "passed over")


def _all(tree: Tree) -> list[str]:
    return [*tree.files, *tree.folders, *tree.others]


def _below(names: Iterable[str], folder: str) -> list[str]:
    return [name for name in names if name.startswith(folder)]


def _with_content(tree: Tree, layout: Layout, folders: list[str]) -> list[str]:
    """Return the folders of classes, each with what it holds, by ending."""
    held: dict[str, list[str]] = {folder: [] for folder in folders}
    for name in tree.files if folders else ():
        held.get("/".join(name.split("/")[: layout.depth + 1]), []).append(name)
    return [f"{folder} ({by_ending(names)})" if names else folder for folder, names in held.items()]


def _top(tree: Tree, images: list[str]) -> str:
    """Return the folder, with a slash, that folders of parts or classes lie in: "" or, often in archives, another."""
    top = ""
    while images:
        inside = [name for name in _below(tree.folders, top) if "/" not in name[len(top) :]]
        if len(inside) != 1 or part_called(inside[0][len(top) :]):
            break
        lower = f"{inside[0]}/"
        if not all(name.startswith(lower) and "/" in name[len(lower) :] for name in images):
            break  # it is a class itself
        top = lower
    return top


def _parts(root: Path, tree: Tree, images: list[str], top: str) -> tuple[dict[str, str], list[str]]:
    """Return the folder of each part, with a slash, none where there are classes in their place; and notes."""
    inside = [name for name in _below(tree.folders, top) if "/" not in name[len(top) :]]
    found: dict[str, str] = {}
    for name in inside:
        if part := part_called(name[len(top) :]):
            if part in found:
                raise DatasetError(f"folder {root} has {found[part][:-1]} and {name}, which mean the same; keep one")
            found[part] = f"{name}/"
    there = shown(sorted({name[len(top) :].split("/")[0] for name in _below(_all(tree), top)})) or "nothing"
    with_images = {name[: name.index("/", len(top)) + 1] for name in images if "/" in name[len(top) :]}
    others = with_images.difference(found.values())
    missing = "train" if "train" not in found else "test" if "test" not in found else None
    if (missing == "train" and (found or not inside)) or (missing == "test" and others):
        raise DatasetError(
            f"folder {root / top} has no {missing}/ in it but {there}; images are expected {EXPECTED}; a class that is "
            "called like a part must be called otherwise"
        )
    if missing == "test":
        return found, [f"{root / top} has no test/ in it: test was cut off train"]
    if missing == "train":
        return {}, [f"{root / top} has no train/ in it: its folders are the classes, and test was cut off them"]
    return found, []


def _alike(layout: Layout, names: list[str]) -> list[str]:
    """Return a note on each class that has several folders in a part."""
    folders: dict[str, set[str]] = {}
    for name in names:
        folders.setdefault(layout.class_of(name), set()).add(name.split("/")[layout.depth])
    return [f"the folders {shown(sorted(same))} are one class" for same in folders.values() if len(same) > 1]


def _deeper(root: Path, layout: Layout) -> list[str]:
    """Return a note on images in folders of several names within those of the classes, which may be classes."""
    deep = (name.split("/") for name in layout.names if name.count("/") > layout.depth + 1)
    inside = {names[layout.depth + 1]: "/".join(names[layout.depth : layout.depth + 2]) for names in deep}
    if {"train", "test"} <= set(map(part_called, inside)):
        raise DatasetError(
            f"folder {root} has folders of parts within those of the classes, such as {next(iter(inside.values()))}; "
            f"images are expected {EXPECTED}"
        )
    told = f"images in folders within those of the classes are of the outer class: {shown(sorted(inside.values()))}"
    return [told] if len(inside) > 1 else []


def _check_train(root: Path, tree: Tree, layout: Layout, empty: list[str]) -> None:
    """Raise an error where train has the folder of a class, but no image in it, and other parts have images."""
    train, *others = ({*map(layout.class_of, names)} for names in layout.listed.values())
    wanted = set().union(*others) - train
    if missing := [name for name in empty if layout.class_of(name) in wanted]:
        held = _with_content(tree, layout, missing)
        raise DatasetError(
            f"folder {root} has no images that can be read in {', '.join(held[:5])}, and some of that class in "
            f"another part; convert them to PNG or JPEG, or leave the class out{how_to_read(map(ending, tree.files))}"
        )
