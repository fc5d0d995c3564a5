"""Text datasets by name: one loader a file, found and registered on first use."""
