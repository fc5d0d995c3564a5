"""Metrics by name: one, or a group of kin, a file."""
