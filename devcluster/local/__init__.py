"""The cluster that runs as ordinary processes of this machine: two nodes, real components."""
