"""Pure decisions: values in, one answer out. No clock, no chance, no input or output."""
