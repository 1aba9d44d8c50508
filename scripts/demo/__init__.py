"""`make demo`: from nothing to a trained model, on a screen that says what happens."""
