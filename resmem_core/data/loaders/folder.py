"""`folder:PATH`: a person's own images, one folder a class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.names import clean_name
from resmem_core.common.progress import Progress
from resmem_core.common.store import digest_key
from resmem_core.data.base import DATASETS, DatasetLoader, Source, user_path
from resmem_core.data.file_tree import Tree, tree
from resmem_core.data.folder_layout import Layout, laid_out
from resmem_core.data.image_source import VERSION, ImageFiles, decoded, with_size


class Folder(DatasetLoader):
    """`PATH/train/CLASS/*` and `PATH/test/CLASS/*`, optionally `PATH/validation/CLASS/*`; or `PATH/CLASS/*`.

    PATH is a folder or a zip archive. Parts may be called in any capitals, and `val`, `valid` or `dev`; one that is not
    there is cut off train. Images may have any size and mode. If all share one size of at most 256 x 256 pixels it is
    kept; else they are scaled and centre-cropped to 64 x 64, or to S x S with `PATH?size=S`. They become grey if all
    are, else RGB; transparent parts are laid on white. Values of more than 8 bits are scaled by the range that all of
    the images have.
    """

    name = "folder"
    summary = (
        "your own images in PATH/train/CLASS/* and PATH/test/CLASS/*, or PATH/CLASS/* (PATH?size=96 sets their size)"
    )
    argument = "PATH"

    def unavailable(self, argument: str | None) -> str | None:
        """Return what is wrong with the folder's outline."""
        try:
            root, _ = _parse(argument)
            with tree(root) as found:
                laid_out(root, found)
        except (DatasetError, InvalidParameterError) as error:
            return str(error)
        return None

    def stamp(self, argument: str | None) -> str:
        """Return a digest of the names, sizes and times of all files."""
        root, _ = _parse(argument)
        with tree(root) as found:
            others = dict.fromkeys((*found.folders, *found.others))
            return digest_key({name: found.state(name) for name in found.files} | others)

    def cache_key(self, argument: str | None) -> Mapping[str, Any]:
        """Return a digest of the files' names, sizes and times, and how they are decoded."""
        root, side = _parse(argument)
        with tree(root) as found:
            layout = laid_out(root, found)
            return {
                "files": digest_key({name: found.state(name) for names in layout.listed.values() for name in names}),
                "notes": digest_key({"notes": layout.notes}),  # they are kept with the images
                "side": side,
                "version": VERSION,
            }

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Decode all images.

        Raises
        ------
        DatasetError
            If the folder is not laid out as expected, holds fewer than two classes of readable images, or a file of it
            cannot be opened.
        InvalidParameterError
            If `size` is not a possible number of pixels.
        """
        root, side = _parse(argument)
        with tree(root) as found:
            return decoded(_listed(root, found, laid_out(root, found)), side, progress)


def _parse(argument: str | None) -> tuple[Path, int | None]:
    spec, side = with_size(f"folder:{argument or ''}")
    return user_path(spec.removeprefix("folder:")), side


def _listed(root: Path, tree: Tree, layout: Layout) -> ImageFiles:
    """Return what lies in the folder; classes are in the order of their names."""
    files = layout.names
    class_names, labels = np.unique(list(map(layout.class_of, files)), return_inverse=True)
    rows = np.split(np.arange(len(files)), np.cumsum([len(names) for names in layout.listed.values()])[:-1])
    return ImageFiles(
        where=str(root),
        files=files,
        open=lambda row: tree.open(files[row]),
        labels=labels.astype(np.int64),
        class_names=class_names.tolist(),
        parts=dict(zip(layout.listed, rows, strict=True)),
        how_classed="each in a folder of its own",
        notes=layout.notes,
        names=np.array(["/".join(map(clean_name, name.split("/"))) for name in files]),
    )


DATASETS.register(Folder.name, Folder())
