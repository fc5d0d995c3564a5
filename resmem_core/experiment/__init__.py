"""From a configuration to an experiment, through the store; background jobs and the run history."""
