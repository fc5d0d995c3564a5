"""The command line, and the launcher for notebooks."""
