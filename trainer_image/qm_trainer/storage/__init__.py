"""What a run writes to the artifact volume: checkpoints, the curve, the model, the summary."""
