"""The values that decisions are made of: frozen, without reach to the outside."""
