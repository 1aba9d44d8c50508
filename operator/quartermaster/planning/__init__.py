"""Jobs from files, planned on a cluster or on a saved cycle: for command lines, not the operator.

Nothing here watches or writes, and nothing needs kopf or an HTTP client.
"""
