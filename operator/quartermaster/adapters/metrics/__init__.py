"""The metrics of `quartermaster.metrics` on a Prometheus registry: one module for each subject."""
