"""Peers for jobs with a deadline: greedy and Uniform Progress (Wu et al., NSDI 2024), on-demand.

Implemented anew from the paper's rules. Both keep the rule of the safety net: when what is left, a
restart with it, needs all the time there is, in whole steps, an idle job goes on demand and stays
there, and one on spot stays until that is taken back.
"""

import math
from dataclasses import dataclass

from quartermaster.decide.spot.values import Move, Standing, Terms


@dataclass
class OnDemand:
    """On-demand from the beginning."""

    def move(self, standing: Standing) -> Move:
        """On-demand."""
        del standing
        return Move.ON_DEMAND


def pressed(standing: Standing, terms: Terms) -> bool:
    """Whether the safety net holds: there is no step to spare."""
    needed = math.ceil((standing.work_s + terms.restart_s) / terms.step_s) * terms.step_s
    return needed >= standing.time_s


@dataclass
class Greedy:
    """Spot whenever it is there; else waits until the safety net holds."""

    terms: Terms

    def move(self, standing: Standing) -> Move:
        """See the class."""
        if pressed(standing, self.terms):
            return Move.SPOT if standing.running is Move.SPOT else Move.ON_DEMAND
        return Move.SPOT if standing.spot else Move.WAIT


@dataclass
class UniformProgress:
    """Progress in proportion to time: on demand while behind and without spot, spot where it is.

    On demand it stays until it is ahead by what two restarts take: the paper's hysteresis.
    """

    terms: Terms
    start: Standing

    def move(self, standing: Standing) -> Move:
        """See the class."""
        if standing.running is Move.SPOT:
            return Move.SPOT
        if pressed(standing, self.terms):
            return Move.ON_DEMAND
        ahead = 2 * self.terms.restart_s if standing.running is Move.ON_DEMAND else 0.0
        behind = self.start.work_s - standing.work_s < self.expected(standing, ahead)
        if standing.running is Move.ON_DEMAND and behind:
            return Move.ON_DEMAND
        if standing.spot:
            return Move.SPOT
        return Move.ON_DEMAND if behind else Move.WAIT

    def expected(self, standing: Standing, ahead_s: float) -> float:
        """Progress that time asks for, so far ahead [s of work]."""
        elapsed = self.start.time_s - standing.time_s + ahead_s
        return self.start.work_s * min(1.0, elapsed / self.start.time_s)
