"""Everything a view or a command can be told, as one typed object with one table of its fields.

The table drives the command line's options, the page's URL and its widgets: a field's metadata holds how its text is
read and what it means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from resmem_core.datasets.base import PARTS
from resmem_core.edits import check_reference
from resmem_core.errors import InvalidParameterError, ResMemError
from resmem_core.experiment import ExperimentConfig
from resmem_core.grid import SPLITS
from resmem_core.influence import RANKINGS
from resmem_core.metrics import OUTCOMES
from resmem_core.near_duplicates import FRACTION
from resmem_core.projection import COLORINGS, METHODS
from resmem_core.region import Region
from resmem_core.slices import AXES
from resmem_core.types import Params, check_positive


def whole(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `least` up."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise InvalidParameterError(f"{text!r} is not a whole number of at least {least}")
        return value

    return read


def positive(text: str) -> float:
    """Read a finite number above 0."""
    try:
        return check_positive("", float(text))
    except ValueError:
        raise InvalidParameterError(f"{text!r} is not a finite number above 0") from None


def fraction(text: str) -> float:
    """Read a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise InvalidParameterError(f"{text!r} is not a number from 0 to 1")
    return value


def flag(text: str) -> bool:
    """Read a yes or a no."""
    if text.lower() not in ("true", "false"):
        raise InvalidParameterError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def one_of(names: tuple[str, ...]) -> Callable[[str], str]:
    """Return a reader of the given names."""

    def read(text: str) -> str:
        if text not in names:
            raise InvalidParameterError(f"{text!r} is none of: {', '.join(names)}")
        return text

    return read


def some_of(names: tuple[str, ...]) -> Callable[[str], str]:
    """Return a reader of one or more of the given names, with commas between them."""

    def read(text: str) -> str:
        asked = text.split(",")
        if not set(asked) <= set(names):
            raise InvalidParameterError(f"{text!r} must hold one or more, with commas, of: {', '.join(names)}")
        return ",".join(name for name in names if name in asked)

    return read


def area(text: str) -> str:
    """Read an area of the map."""
    return str(Region.parse(text))


def setting(default: Any, read: Callable[[str], Any], text: str) -> Any:
    """Declare a field: its default, the reader of its text form, and what it means."""
    return field(default=default, metadata={"read": read, "help": text})


@dataclass(frozen=True)
class Settings:
    """What is shown: an experiment, a setting of the three numbers, and a place to look at.

    None stands for a choice left to the data: the backbone's own recipe, or the setting chosen on validation.
    """

    dataset: str = setting("digits", str, "dataset; one that takes an argument has it after a colon (folder:PATH)")
    backbone: str = setting("", str, "base model; default: linear, or what the dataset brings")
    seed: int = setting(0, whole(0), "seed of the split and of the training")
    index: str = setting("exact", str, "nearest-neighbour index: exact, annoy, or auto, whichever is sooner done")
    epochs: int | None = setting(None, whole(1), "passes over the training split; default: the backbone's recipe")
    limit_train: int | None = setting(None, whole(1), "train on, and remember, only so many examples")
    normalize: bool | None = setting(None, flag, "scale embeddings to length 1; default: as the backbone says")
    edits: str = setting("", check_reference, "reference of the edits made to memory; default: as it came")
    k: int | None = setting(None, whole(1), "number of neighbours")
    sigma: float | None = setting(None, positive, "bandwidth, in units of the embedding distance")
    temperature: float | None = setting(None, positive, "divides the base model's logits")
    point: int | None = setting(None, whole(0), "row of the test split")
    outcome: str = setting("fixed", one_of(OUTCOMES), "which test points are listed")
    of_class: str | None = setting(None, str, "list only points of this class")
    train_point: int | None = setting(None, whole(0), "row of the training split")
    rank_by: str = setting("net", one_of(RANKINGS), "what training points are ranked by")
    lowest: bool = setting(False, flag, "lowest rank first")
    shown: int = setting(8, whole(1), "neighbours shown")
    compare: str = setting("pair", one_of(("pair", "seeds")), "compare two settings, or several seeds")
    other: str | None = setting(None, str, "what is compared with: the query of its address")
    by: str = setting("distance", one_of(tuple(AXES)), "what the gain is sliced by: distance, confidence or class-size")
    near: float = setting(
        FRACTION, fraction, "near-duplicates: how near, as a fraction of the median distance to the nearest memory"
    )
    pairs: int = setting(1, whole(1), "page of near-duplicates")
    projection: str = setting("pca", one_of(tuple(METHODS)), "how the map is made: pca, or tsne")
    color: str = setting("class", one_of(tuple(COLORINGS)), "what the map's points are coloured by")
    parts: str = setting("train,test", some_of(PARTS), "splits on the map, with commas between them")
    region: str | None = setting(None, area, "area of the map that is listed: corners like 0_0,1_2")
    view: str | None = setting(None, area, "part of the map that is seen: two opposite corners")
    grid_split: str = setting("validation", one_of(SPLITS), "split of the grid's map: validation or test")
    all_temperatures: bool = setting(False, flag, "a map for each temperature of the grid")
    figure: str = setting("accuracy", str, "figure shown for export")
    runs_of: str | None = setting(None, str, "list only experiments on this dataset")
    runs_with: str | None = setting(None, str, "list only experiments with this backbone")

    def experiment(self) -> ExperimentConfig:
        """Return the part that says which experiment it is.

        Raises
        ------
        InvalidParameterError
            If its fields do not go together, or a name is unknown.
        """
        return ExperimentConfig(**{f.name: getattr(self, f.name) for f in fields(ExperimentConfig)})

    def params(self, chosen: Params) -> Params:
        """Return k, sigma and temperature, with those of `chosen` where they are left to the data."""
        return Params(self.k or chosen.k, self.sigma or chosen.sigma, self.temperature or chosen.temperature)

    def to_query(self) -> dict[str, str]:
        """Return what differs from the defaults, as text: a URL's query parameters."""
        differing = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return {name: _write(value) for name, value in differing.items()}

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> tuple[Settings, list[str]]:
        """Return the settings that query parameters ask for, and a note on each that could not be used."""
        values: dict[str, Any] = {}
        notes = []
        for name, text in query.items():
            if name not in TABLE:
                notes.append(f"{name}={text!r} is not known and was left out")
                continue
            try:
                values[name] = TABLE[name].metadata["read"](text)
            except ResMemError as error:
                notes.append(f"{name}: {error}; the default is used")
        settings = cls(**values)
        try:
            settings.experiment()
        except ResMemError as error:
            notes.append(f"{error}; the default experiment is shown")
            settings = replace(cls(), k=settings.k, sigma=settings.sigma, temperature=settings.temperature)
        return settings, notes


TABLE: dict[str, Field[Any]] = {f.name: f for f in fields(Settings)}


def _write(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
