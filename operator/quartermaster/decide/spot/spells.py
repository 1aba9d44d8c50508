"""How long spot comes and goes for: what was seen of it, and what that lets expect.

Spells are taken to last as a Weibull distribution of shape 1/2 has it: one survives a seconds with
probability exp(-sqrt(a / scale)). What has lasted is likely to last: most spells are over within
minutes, a few go on for days. The shape was fitted to nine zones of 45 days of 2023
(skypilot-org/spot-traces, aws-02-15-2023, by steps of 10 min): 0.47 for spells with spot, 0.55 for
those without. Roots of such spells are exponential, so that a scale has a conjugate prior.
"""

from dataclasses import dataclass, replace
from math import expm1, sqrt


@dataclass(frozen=True, slots=True)
class Prior:
    """What is expected of a zone of which nothing was seen, and how firmly.

    On the traces of 2023 no scales from half to twice these cost less by more than 0.1 %.
    """

    up_s: float = 3000.0
    """Scale of spells with spot [s]; their mean is twice as long."""
    down_s: float = 3600.0
    """Scale of spells without [s]."""
    weight: float = 20.0
    """Spells of each kind that outweigh it [count]."""


@dataclass(frozen=True, slots=True)
class Scales:
    """What is expected of a zone."""

    up_s: float
    """Scale of spells with spot [s]; their mean is twice as long."""
    down_s: float
    """Scale of spells without [s]."""

    def of(self, *, up: bool) -> float:
        """The scale of one kind of spell [s]."""
        return self.up_s if up else self.down_s


@dataclass(frozen=True, slots=True)
class Spells:
    """What was seen of a zone's spot, without gaps."""

    up: bool
    """Whether it can be had now."""
    age_s: float = 0.0
    """For how long this has been seen [s]."""
    ended_up: int = 0
    """Spells with spot that were seen to end [count]."""
    ended_down: int = 0
    roots_up: float = 0.0
    """Sum of the roots of their lengths [s^0.5]."""
    roots_down: float = 0.0

    def then(self, elapsed_s: float, *, up: bool) -> "Spells":
        """With one more observation, so long after the last one."""
        age = self.age_s + elapsed_s
        if up == self.up:
            return replace(self, age_s=age)
        if self.up:
            return replace(
                self, up=up, age_s=0.0,
                ended_up=self.ended_up + 1, roots_up=self.roots_up + sqrt(age),
            )  # fmt: skip
        return replace(
            self, up=up, age_s=0.0,
            ended_down=self.ended_down + 1, roots_down=self.roots_down + sqrt(age),
        )  # fmt: skip


def scales(seen: Spells, prior: Prior) -> Scales:
    """What is to be expected after what was seen; the present spell counts as far as it has gone.

    Returns:
        The squared mean of the posterior of each scale's root.

    Source: conjugate inverse gamma of an exponential's mean, of roots of lengths (Gelman et al.,
    Bayesian Data Analysis, 3rd edition, section 2.6).
    """
    going = sqrt(seen.age_s)
    up = _root(prior.up_s, prior.weight, seen.ended_up, seen.roots_up + going * seen.up)
    down = _root(
        prior.down_s, prior.weight, seen.ended_down, seen.roots_down + going * (not seen.up)
    )
    return Scales(up_s=up**2, down_s=down**2)


def _root(prior_s: float, weight: float, ended: int, roots: float) -> float:
    return (weight * sqrt(prior_s) + roots) / (weight + ended)


def ending(age_s: float, within_s: float, scale_s: float) -> float:
    """Probability that a spell of this age ends within a time [1]."""
    return -expm1(sqrt(age_s / scale_s) - sqrt((age_s + within_s) / scale_s))
