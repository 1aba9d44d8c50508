"""Parts of a TrainingJob's specification."""
