"""Pure builders: a spec and a decision become the objects that Kubernetes is asked for."""
