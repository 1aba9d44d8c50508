"""The world outside: Kubernetes, the clock, the election, HTTP; fits the ports of `reconcile`."""
