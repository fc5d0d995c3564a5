"""Nearest-neighbour indexes by name: one adapter a file, one protocol."""

from resmem_core.memory.indexes.base import AUTO, INDEXES, Index
from resmem_core.memory.rows import normalized

__all__ = ["AUTO", "INDEXES", "Index", "normalized"]
