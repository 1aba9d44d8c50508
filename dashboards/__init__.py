"""The Grafana dashboards as code: `make generate` writes them into the chart as JSON."""

from dashboards.budgets import BUDGETS
from dashboards.capacity import CAPACITY
from dashboards.health import HEALTH
from dashboards.job import JOB
from dashboards.spend import SPEND
from dashboards.spot import SPOT
from dashboards.training import TRAINING
from dashboards.waste import WASTE

BOARDS = (SPEND, WASTE, SPOT, JOB, CAPACITY, TRAINING, BUDGETS, HEALTH)
"""In the order of the guide."""
