"""The constants of a cluster from steps that were measured there, whichever job took them.

Pollux fits seven parameters of one job by least squares of the logarithms (Qiao et al., OSDI 2021,
section 4.1). Here the specification gives what each job and GPU should do, and the fit finds what
is reached of it, so that a job that never ran gains from those that did. As in Pollux a prior holds
what the measurements say nothing of.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from quartermaster.decide.profile.calibration import DECLARED, FIELDS, KERNELS, SHARES, Calibration
from quartermaster.decide.profile.step import step_time
from quartermaster.domain.hardware import Accelerator
from quartermaster.domain.profile import JobProfile, Shape

Vector = NDArray[np.float64]

NOISE = 0.1
"""Standard deviation of the logarithm of a measured step: neighbouring batch sizes of the published
profiles scatter by this much."""
UNCERTAINTY = {
    "convolution": 0.3,
    "matmul": 0.3,
    "recurrent": 0.4,
    "lookup": 1.0,
    "memory": 0.3,
    "link": 1.5,
    "bus": 1.5,
    "network": 0.3,
    "launch_seconds": 0.5,
    "hop_seconds": 1.0,
    "overlap": 0.3,
}
"""Standard deviation of the logarithm of each prior value: 1 is a factor of 2.7 either way. Links
are the least certain: what a ring makes of PCIe differs tenfold between virtual machines."""
ALIKE = 0.5
"""Correlation of the shares of a GPU model's peak between kinds of kernel: a peak that is promised
at a clock that is not held is missed by all of them."""
OVERLAP = (1.0, 10.0)
"""Bounds of the exponent, as Pollux has them."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One measured step."""

    profile: JobProfile
    accelerator: Accelerator
    shape: Shape
    seconds: float
    """[s]"""


def fit(observations: Sequence[Observation], prior: Calibration = DECLARED) -> Calibration | None:
    """The constants under which these steps are the most likely; None where nothing is known.

    A job that was measured alone on a GPU model keeps that measurement, so that only the links and
    the overlap are fitted to it.

    Args:
        observations: Measured steps; those of unknown links count for nothing.
        prior: What to hold where they say nothing.
    """
    usable = [
        replace(seen, profile=_alone(seen.profile))
        for seen in observations
        if seen.seconds > 0 and _predict(seen, prior) is not None
    ]
    if not usable:
        return None
    start = _vector(prior)
    widths = np.array([UNCERTAINTY[name] for name in FIELDS])
    whiten = np.linalg.inv(np.linalg.cholesky(_correlation()))
    measured = np.log([seen.seconds for seen in usable])

    def residuals(point: Vector) -> Vector:
        guess = _calibration(point)
        predicted = np.log([_predict(seen, guess) or seen.seconds for seen in usable])
        return np.concatenate([(predicted - measured) / NOISE, whiten @ ((point - start) / widths)])

    low, high = _bounds(start, widths)
    inside = np.clip(start, low + 1e-9, high - 1e-9)
    # The soft loss keeps one run on a busy machine from bending all constants.
    found = least_squares(residuals, inside, bounds=(low, high), loss="soft_l1")
    return _calibration(found.x)


def _predict(seen: Observation, calibration: Calibration) -> float | None:
    step = step_time(seen.profile, seen.accelerator, seen.shape, calibration)
    return step.total if step is not None and step.total > 0 else None


def _alone(profile: JobProfile) -> JobProfile:
    return replace(profile, measured=tuple(m for m in profile.measured if m.alone))


def _vector(calibration: Calibration) -> Vector:
    return np.log([getattr(calibration, name) for name in FIELDS])


def _calibration(point: Vector) -> Calibration:
    values = dict(zip(FIELDS, np.exp(point).tolist(), strict=True))
    return Calibration(**values)


def _correlation() -> Vector:
    """Of the prior's errors; ones on the diagonal."""
    kernels = [name in KERNELS for name in FIELDS]
    return np.where(np.outer(kernels, kernels), ALIKE, 0.0) + np.diag(
        [1 - ALIKE if kernel else 1.0 for kernel in kernels]
    )


def _bounds(start: Vector, widths: Vector) -> tuple[Vector, Vector]:
    """Five widths about the prior, and what the constants may be at all."""
    low, high = start - 5 * widths, start + 5 * widths
    for index, name in enumerate(FIELDS):
        if name in SHARES:
            high[index] = min(high[index], 0.0)
        if name == "overlap":
            low[index], high[index] = np.log(OVERLAP[0]), np.log(OVERLAP[1])
    return low, high
