"""Money that may be spent: counted in the Budgets' statuses, and acted on. See ADR-0018."""
