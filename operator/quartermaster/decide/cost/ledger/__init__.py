"""What the ledger is made of, pure: accounts of nodes, pieces of time, sums and exports."""
