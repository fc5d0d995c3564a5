"""One dataset a file: each registers itself."""
