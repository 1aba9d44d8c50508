"""One command a figure; the results are documents."""
