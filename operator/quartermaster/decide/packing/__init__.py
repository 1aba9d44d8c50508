"""Which node, and which of its GPUs, takes one pod so that later pods still find room."""
