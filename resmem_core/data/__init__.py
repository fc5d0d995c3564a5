"""Datasets by name: one loader a file, found and registered on first use."""

from resmem_core.data.base import DATASETS, DatasetLoader, Source
from resmem_core.data.loading import dataset_title, load_dataset, parse_spec

__all__ = ["DATASETS", "DatasetLoader", "Source", "dataset_title", "load_dataset", "parse_spec"]
