"""Money that may be spent: the Budget of a namespace, and the limit of one job."""
