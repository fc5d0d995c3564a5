"""One family of base models a file: each registers itself."""
