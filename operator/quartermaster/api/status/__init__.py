"""Parts of a TrainingJob's status."""
