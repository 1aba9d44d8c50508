"""Which nodes a gang gets: may it (fit), from what (candidates), which (choose), why (explain)."""
