"""Data: in which order samples are seen (`order`), and where they come from (`sources`)."""
