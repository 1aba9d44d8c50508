"""Many processes as one run: how they meet, how the model is spread, what they tell each other."""
