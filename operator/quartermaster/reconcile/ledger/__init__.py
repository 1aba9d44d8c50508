"""What keeps the ledger: the accounts of nodes, and dropping what is old."""
