"""What others measure and export, read where a setting says so."""
