"""kopf: the only place that knows it. Watches the custom resources and hands them on."""
