"""Base models of language by name: one family a file, found and registered on first use."""
