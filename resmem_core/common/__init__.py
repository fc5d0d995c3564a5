"""What every other package stands on: errors, numbers, progress, registries, forms, the artefact store."""
