"""Nearest-neighbour indexes by name: one adapter a file, one protocol."""

from resmem_core.indexes.base import INDEXES, Index, normalized

__all__ = ["INDEXES", "Index", "normalized"]
