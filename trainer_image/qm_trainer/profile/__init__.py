"""What a training step is made of: counted once, timed in the first steps and rarely again."""
