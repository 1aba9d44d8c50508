"""How many workers an elastic job gets, and of which GPU: a round by predicted goodput.

`throughput` fits the time of a step, `goodput` finds the batch that learns fastest,
`configurations` says what a job could have, `values` what each is worth, `programme` and `greedy`
choose, `places` puts the chosen on nodes, `rounds` is the whole. See ADR-0011.
"""
