"""One module a command: ask the cluster, build the view, hand it to a renderer."""
