"""A trace of jobs under the queues and the placement of the operator, event by event.

The rounds beside it measure elastic trainings under any scheduler; here every decision is the
operator's `admit`, at the moments at which the operator would decide.
"""
