"""Backbones by name: one family a file, found and registered on first use."""

from resmem_core.models.base import BACKBONES, Backbone, Estimator, Family, backbone_of, network_of

__all__ = ["BACKBONES", "Backbone", "Estimator", "Family", "backbone_of", "network_of"]
