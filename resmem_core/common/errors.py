"""Everything that can foreseeably go wrong, said so that a person can act on it.

A message states what was given, what was expected, and what to do.
"""

from __future__ import annotations


class ResMemError(Exception):
    """Base of every foreseeable failure; its text is fit to be shown to a user as it is."""


class InvalidParameterError(ResMemError, ValueError):
    """A number or name outside what is allowed (k, sigma, temperature, array shapes, names)."""


class DatasetError(ResMemError, ValueError):
    """Data that cannot be used: missing keys, wrong shapes, NaN, empty folders, unknown classes."""


class UnavailableError(ResMemError):
    """Something is not on this machine and could not be fetched (no network, no such file)."""


class StoreError(ResMemError, OSError):
    """The artefact store could not be written or read (disk full, no permission)."""


class Cancelled(ResMemError):
    """Raised by a progress callback to stop long work; what was saved so far stays."""
