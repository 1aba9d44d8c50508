"""What a decision has worked out, kept up to date for the next one. See ADR-0014."""
