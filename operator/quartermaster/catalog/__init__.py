"""What GPUs and instance types can do, by the names that real nodes carry. Pure."""
