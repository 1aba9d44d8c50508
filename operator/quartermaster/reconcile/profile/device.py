"""What the GPUs' own counters say beside the trainer's timing, in a job's status."""

from decimal import ROUND_HALF_UP, Decimal

from quartermaster.api.training_job_status import DeviceProfile, Profile
from quartermaster.decide import bound
from quartermaster.decide.profile import counters as rules
from quartermaster.domain.hardware import Accelerator
from quartermaster.domain.measurement import DeviceCounters, Measurement

PLACES = Decimal("0.01")
"""More would only make the status change all the time."""


def witnessed(
    fresh: Profile,
    measured: Measurement,
    exported: DeviceCounters | None,
    old: Profile | None,
    accelerator: Accelerator | None,
) -> Profile:
    """A profile with what the GPUs counted.

    Args:
        fresh: The profile, from the trainer's report.
        measured: That report, perhaps with counters that the trainer read itself: they are of the
            very steps that were timed, so they go before others.
        exported: What an exporter tells of the gang's GPUs.
        old: What was known before the pods ended.
        accelerator: The GPU model, where it is known.
    """
    counted = measured.device or exported
    if counted is None:
        same = old is not None and old.accelerator == fresh.accelerator
        return fresh.model_copy(update={"device": old.device}) if old and same else fresh
    shares = rules.device_shares(counted, accelerator)
    device = DeviceProfile(
        source=counted.source,
        busy_fraction=_share(shares.busy),
        tensor_fraction=_share(counted.tensor_active),
        memory_fraction=_share(shares.memory),
        link_fraction=_share(shares.link),
        busy_with=rules.busy_with(shares),
        disagreement=rules.disagreement(fresh.bound, bound.shares(measured), counted, shares),
    )
    return fresh.model_copy(update={"device": device})


def _share(part: float | None) -> str | None:
    if part is None:
        return None
    return str(Decimal(repr(part)).quantize(PLACES, rounding=ROUND_HALF_UP))
