"""What things cost, as tables."""
