"""What can be asked of an experiment beyond its accuracy."""
