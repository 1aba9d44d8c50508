"""How the cluster is reached: its address, requests, and refusals in words."""
