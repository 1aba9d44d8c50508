"""A real Kubernetes on one machine, for developing and testing, without a container engine."""
