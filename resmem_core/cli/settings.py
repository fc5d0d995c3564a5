"""What the views of an experiment and the commands can be told."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from resmem_core.analysis.grid import SPLITS
from resmem_core.analysis.influence import RANKINGS
from resmem_core.analysis.longtail import AXES as LAB_AXES
from resmem_core.analysis.longtail import MAX_SEEDS, SEEDS, read_values, written
from resmem_core.analysis.near_duplicates import FRACTION
from resmem_core.analysis.projection import COLORINGS, METHODS
from resmem_core.common.forms import Form, between, flag, one_of, positive, setting, some_of, table_of, whole
from resmem_core.data.base import PARTS
from resmem_core.data.corruption import MAX_NOISE
from resmem_core.evaluation.metrics import OUTCOMES
from resmem_core.evaluation.slices import AXES
from resmem_core.experiment.prepare import ExperimentConfig
from resmem_core.memory.edits import check_reference
from resmem_core.memory.types import Params
from resmem_core.plots.region import Region


def area(text: str) -> str:
    """Read an area of the map."""
    return str(Region.parse(text))


def numbers(text: str) -> str:
    """Read numbers with commas between them."""
    return written(read_values(text))


@dataclass(frozen=True)
class Settings(Form):
    """What is shown: an experiment, a setting of the three numbers, and a place to look at.

    None stands for a choice left to the data: the backbone's own recipe, or the setting chosen on validation.
    """

    dataset: str = setting("digits", str, "dataset; one that takes an argument has it after a colon (folder:PATH)")
    backbone: str = setting("", str, "base model; default: linear, or what the dataset brings")
    seed: int = setting(0, whole(0), "seed of the split and of the training")
    index: str = setting("exact", str, "nearest-neighbour index: exact, annoy, or auto, whichever is sooner done")
    epochs: int | None = setting(None, whole(1), "passes over the training split; default: the backbone's recipe")
    limit_train: int | None = setting(None, whole(1), "train on, and remember, only so many examples")
    imbalance: float = setting(
        1.0, between(1, math.inf), "largest class over smallest class in train: a long tail of rare classes"
    )
    label_noise: float = setting(
        0.0, between(0, MAX_NOISE), f"share of the training labels that are replaced at random, 0 to {MAX_NOISE}"
    )
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
        FRACTION, between(0, 1), "near-duplicates: how near, as a fraction of the median distance to the nearest memory"
    )
    pairs: int = setting(1, whole(1), "page of near-duplicates")
    projection: str = setting("pca", one_of(tuple(METHODS)), "how the map is made: pca, or tsne")
    color: str = setting("class", one_of(tuple(COLORINGS)), "what the map's points are coloured by")
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

    def check(self) -> None:
        """Do nothing where the experiment is a possible one.

        Raises
        ------
        InvalidParameterError
            As `experiment`.
        """
        self.experiment()

    def fallback(self) -> Settings:
        """Return the default experiment at the same k, sigma and temperature."""
        return Settings(k=self.k, sigma=self.sigma, temperature=self.temperature)


TABLE = table_of(Settings)
