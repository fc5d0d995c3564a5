"""Backbones by name: one family a file, found and registered on first use."""

from resmem_core.models.base import BACKBONES, Backbone, backbone_of

__all__ = ["BACKBONES", "Backbone", "backbone_of"]
