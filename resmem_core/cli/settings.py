"""What the views of an experiment and the commands can be told."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import ClassVar, TypeVar
from urllib.parse import parse_qsl, urlencode

from resmem_core.analysis.grid import SPLITS
from resmem_core.analysis.influence import RANKINGS
from resmem_core.analysis.longtail import AXES as LAB_AXES
from resmem_core.analysis.longtail import MAX_SEEDS, SEEDS, read_values, written
from resmem_core.analysis.near_duplicates import FRACTION
from resmem_core.analysis.projection import COLORINGS, METHODS, VALUE_COLORINGS
from resmem_core.analysis.selection import Span, read_rows, written_rows
from resmem_core.cli.base import EXPERIMENT
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.forms import (
    Form,
    between,
    flag,
    not_negative,
    number_or_name,
    one_of,
    positive,
    setting,
    some_of,
    table_of,
    whole,
)
from resmem_core.data import parse_spec
from resmem_core.data.base import PARTS, TEXT
from resmem_core.data.corruption import MAX_NOISE
from resmem_core.evaluation.choice import OBJECTIVES
from resmem_core.evaluation.metrics import OUTCOMES
from resmem_core.evaluation.slices import AXES
from resmem_core.evaluation.values import AXES as VALUE_AXES
from resmem_core.experiment.config import BACKBONE, TEXT_DATASET, ExperimentConfig, fields_of
from resmem_core.memory.edits import check_reference
from resmem_core.memory.types import Params
from resmem_core.plots.region import Region

SETTING = tuple(f.name for f in fields(Params))  # what of a form is the setting
SELECTION = ("outcome", "of_class", "within", "find", "rows", "region")  # conditions on test points
VIEWS = ("inside", "walk", "generate", "gain")  # of the page "Language"
MOST_TYPED = 4_000  # characters of a text: it is in the address
MOST_TOKENS = 200  # that are generated
MOST_SHOWN = 64  # contexts
LEAST_AROUND, MOST_AROUND = 5, 200  # tokens of each

E = TypeVar("E", bound="ExperimentForm")


def area(text: str) -> str:
    """Read an area of the map."""
    return str(Region.parse(text))


def coloring(text: str) -> str:
    """Read what points are coloured by: "about:" and a column of metadata, or a name."""
    return text if text.startswith("about:") else one_of((*COLORINGS, *VALUE_COLORINGS))(text)


def span(text: str) -> str:
    """Read a slice."""
    return str(Span.parse(text))


def rows_of(text: str) -> str:
    """Read rows."""
    return written_rows(read_rows(text).tolist())


def numbers(text: str) -> str:
    """Read numbers with commas between them."""
    return written(read_values(text))


@dataclass(frozen=True)
class ExperimentForm(Form):
    """An experiment and a setting: what pages and commands of every kind of data can be told.

    None stands for a choice left to the data: the backbone's own recipe, or the setting chosen on validation.
    """

    dataset: str = setting("digits", str, "dataset; one that takes an argument has it after a colon (folder:PATH)")
    backbone: str = setting("", str, "base model; default: as suits the dataset, or what it brings")
    seed: int = setting(0, whole(0), "seed of the split and of the training")
    index: str = setting("exact", str, "nearest-neighbour index: exact, annoy, or auto, whichever is sooner done")
    epochs: int | None = setting(None, whole(1), "passes over the training split; default: the backbone's recipe")
    limit_train: int | None = setting(None, whole(1), "train on, and remember, only so many examples (of text: tokens)")
    normalize: bool | None = setting(None, flag, "scale embeddings to length 1; default: chosen on validation")
    k: int | None = setting(None, whole(1), "number of neighbours")
    sigma: float | None = setting(None, positive, "bandwidth, in units of the embedding distance")
    temperature: float | None = setting(None, positive, "divides the base model's logits")
    gamma: float | None = setting(None, not_negative, "correction strength; default: 1, of values chosen on validation")
    point: int | None = setting(None, whole(0), "row of the test split, or a name in it", number_or_name)

    of_text: ClassVar[bool] = False

    def experiment(self) -> ExperimentConfig:
        """Return the part that says which experiment it is.

        Raises
        ------
        InvalidParameterError
            If its fields do not go together, a name is unknown, or the dataset is of a kind that is shown elsewhere.
        """
        loader, _ = parse_spec(self.dataset, text=self.of_text)
        return ExperimentConfig(**{name: getattr(self, name) for name in fields_of(loader.kind)})

    def params(self, chosen: Params) -> Params:
        """Return the setting, with the numbers of `chosen` where they are left to the data."""
        return replace(chosen, **{name: given for name in SETTING if (given := getattr(self, name)) is not None})

    @property
    def is_untouched(self) -> bool:
        """Whether all of the setting is left to the data."""
        return all(getattr(self, name) is None for name in SETTING)

    def check(self) -> None:
        """Do nothing where the experiment is a possible one; errors as `experiment`."""
        self.experiment()

    def fallback(self: E) -> E:
        """Return the default experiment at the same setting."""
        return type(self)(**{name: getattr(self, name) for name in SETTING})


@dataclass(frozen=True)
class Settings(ExperimentForm):
    """What is shown of an experiment on examples: images, or embeddings."""

    imbalance: float = setting(
        1.0, between(1, math.inf), "largest class over smallest class in train: a long tail of rare classes"
    )
    label_noise: float = setting(
        0.0, between(0, MAX_NOISE), f"share of the training labels that are replaced at random, 0 to {MAX_NOISE}"
    )
    edits: str = setting("", check_reference, "reference of the edits made to memory; default: as it came")
    outcome: str | None = setting(None, one_of(OUTCOMES), "only test points with this outcome")
    of_class: str | None = setting(None, str, "only points of this class")
    within: str | None = setting(None, span, "only test points of this slice: AXIS:LOW_HIGH")
    find: str | None = setting(None, str, "only test points of this number or name, or COLUMN = VALUE of metadata")
    rows: str | None = setting(None, rows_of, "only these rows of the test split: 3,5,9-12")
    pinned: int | None = setting(None, whole(0), "row of the test split that is kept beside the one opened")
    train_point: int | None = setting(None, whole(0), "row of the training split")
    rank_by: str = setting("net", one_of(RANKINGS), "what training points are ranked by")
    lowest: bool = setting(False, flag, "lowest rank first")
    shown: int = setting(8, whole(1), "neighbours shown")
    compare: str = setting("pair", one_of(("pair", "seeds")), "compare two settings, or several seeds")
    other: str | None = setting(None, str, "what is compared with: the query of its address")
    by: str = setting(
        "distance",
        one_of((*AXES, *(axis for axis in VALUE_AXES if axis not in AXES))),
        "what the gain is sliced by: distance, and of classes confidence or class-size, of values prediction or error",
    )
    near: float = setting(
        FRACTION, between(0, 1), "near-duplicates: how near, as a fraction of the median distance to the nearest memory"
    )
    pairs: int = setting(1, whole(1), "page of near-duplicates")
    projection: str = setting("pca", one_of(tuple(METHODS)), "how the map is made: pca, or tsne")
    color: str = setting(
        "class",
        coloring,
        "what colours the map's points: class, outcome, residual or about:COLUMN; of values value, error or saved",
    )
    parts: str = setting("train,test", some_of(PARTS), "splits on the map, with commas between them")
    region: str | None = setting(None, area, "area of the map that is listed: corners like 0_0,1_2")
    view: str | None = setting(None, area, "part of the map that is seen: two opposite corners")
    grid_split: str = setting("validation", one_of(SPLITS), "split of the grid's map: validation or test")
    all_temperatures: bool = setting(False, flag, "a map for each temperature of the grid")
    vary: str = setting("size", one_of(tuple(LAB_AXES)), "what the long tail lab varies: size, noise or imbalance")
    values: str | None = setting(None, numbers, "its values, with commas between them; default: as suits the data")
    seeds: int = setting(SEEDS, whole(1, MAX_SEEDS), "how many seeds, from the experiment's own on")
    figure: str = setting("accuracy", str, "figure shown for export")
    runs_of: str | None = setting(None, str, "list only experiments on this dataset")
    runs_with: str | None = setting(None, str, "list only experiments with this backbone")

    def changed(self, query: str) -> Settings:
        """Return these with what a query like `k=5&epochs=` says in place of them; nothing stands for the default.

        Raises
        ------
        InvalidParameterError
            If a part of it cannot be used.
        """
        asked = {**self.to_query(), **dict(parse_qsl(query, keep_blank_values=True))}
        found, notes = Settings.from_query({name: text for name, text in asked.items() if text or name not in TABLE})
        if notes:
            raise InvalidParameterError(f"{query!r}: {'; '.join(notes)}")
        return found

    def beside(self, other: Settings) -> str:
        """Return the query by which `other.changed` gives this experiment and setting."""
        mine, its = self.to_query(), other.to_query()
        told = {name: mine.get(name, "") for name in EXPERIMENT if mine.get(name) != its.get(name)}
        return urlencode({**told, **{name: mine[name] for name in SETTING if name in mine}})


@dataclass(frozen=True)
class Language(ExperimentForm):
    """What is shown of an experiment on text, by the page "Language"."""

    dataset: str = setting(TEXT_DATASET, str, "text: python-docs, text:PATH or hf:NAME")
    backbone: str = setting(BACKBONE[TEXT], str, "base model")
    tokenizer: str = setting(ExperimentConfig.tokenizer, str, "what a token is: bpe, characters or words")
    vocabulary: int = setting(ExperimentConfig.vocabulary, whole(2), "how many tokens there are at most")
    objective: str = setting("accuracy", one_of(OBJECTIVES), "what is chosen for on validation: accuracy or perplexity")
    view: str = setting("inside", one_of(VIEWS), f"which view: {', '.join(VIEWS)}")
    context: str | None = setting(None, str, "a text, of which the next token is predicted")
    shown: int = setting(8, whole(1, MOST_SHOWN), "retrieved contexts shown")
    around: int = setting(30, whole(LEAST_AROUND, MOST_AROUND), "tokens shown of each before the one that came next")
    followed: int | None = setting(None, whole(0), "list only contexts that this token followed: its id")
    prompt: str = setting("The ", str, "a text to go on from")
    tokens: int = setting(60, whole(1, MOST_TOKENS), "how many tokens are written")
    heat: float = setting(0.0, between(0, 2), "sampling temperature; 0: always the likeliest token")
    draw: int = setting(0, whole(0, 2**31 - 1), "seed of the sampling")

    of_text: ClassVar[bool] = True

    def check(self) -> None:
        """Do nothing where the experiment is a possible one, and its texts fit into an address.

        Raises
        ------
        InvalidParameterError
            If they do not, and as `experiment`.
        """
        super().check()
        for text in (self.context or "", self.prompt):
            if len(text) > MOST_TYPED:
                raise InvalidParameterError(
                    f"a text of {len(text):,} characters is too long for an address: {MOST_TYPED:,} is the most"
                )


TABLE = table_of(Settings)
