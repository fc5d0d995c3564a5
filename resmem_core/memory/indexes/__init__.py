"""Nearest-neighbour indexes by name: one adapter a file, one protocol."""

from resmem_core.memory.indexes.base import AUTO, INDEXES, Index, normalized

__all__ = ["AUTO", "INDEXES", "Index", "normalized"]
