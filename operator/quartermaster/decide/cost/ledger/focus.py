"""Entries as rows of a FOCUS 1.2 table, and as plain ones.

Source: FinOps Open Cost and Usage Specification 1.2, https://focus.finops.org/focus-specification/v1-2/
A row is what one entry cost on one day in UTC. What FOCUS wants a number for and nobody knows is 0,
with `x_PriceUnknown` true.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from fractions import Fraction

from quartermaster.decide.cost.ledger.pieces import DAY, by_day, cost, midnight, on_demand_cost
from quartermaster.decide.cost.rates import hours
from quartermaster.domain.money.ledger import Entry, Kind
from quartermaster.domain.money.stretch import MICROSECOND

DIGITS = 12
"""Of an amount behind the point: a row is told to a millionth of a millionth of a USD."""
PRICING_CATEGORY = {"Spot": "Dynamic", "Reserved": "Committed", "OnDemand": "Standard"}
"""FOCUS calls interruptible capacity dynamic; what is unknown is Other."""
_SERVICES = {
    Kind.JOB: ("AI and Machine Learning", "Machine Learning", "Training"),
    Kind.SERVICE: ("AI and Machine Learning", "Machine Learning", "Serving"),
    Kind.SYSTEM: ("Compute", "Containers", "Other pods"),
    Kind.IDLE: ("Compute", "Virtual Machines", "Idle nodes"),
}
"""ServiceCategory and ServiceSubcategory are FOCUS's words; ServiceName is ours."""


def rows(entry: Entry) -> Iterator[Mapping[str, str]]:
    """A row for each day of an entry, with the columns of FOCUS first."""
    for day, piece in by_day(entry):
        paid, listed = cost(piece), on_demand_cost(piece)
        known = Fraction(0) if paid is None else paid
        yield {
            **_costs(known, known if listed is None or paid is None else listed),
            **_periods(day),
            **_subject(piece),
            **_quantity(piece),
            **_own(piece, unknown=paid is None),
        }


def plain(entry: Entry) -> Mapping[str, str]:
    """An entry as it stands in the ledger."""
    owner, machine = entry.owner, entry.machine
    paid = cost(entry)
    return {
        "id": entry.id,
        "kind": owner.kind.value,
        "namespace": owner.namespace,
        "name": owner.name,
        "uid": owner.uid,
        "queue": owner.queue,
        "part": "" if entry.part is None else entry.part.value,
        "node": machine.node,
        "pool": machine.pool,
        "accelerator": machine.accelerator,
        "instance_type": machine.instance_type,
        "region": machine.region,
        "zone": machine.zone,
        "capacity_type": machine.capacity_type,
        "began": _precise(entry.began),
        "ended": _precise(entry.ended),
        "charged_seconds": decimal(Fraction(entry.charged // MICROSECOND, 10**6), 6),
        "gpus": str(entry.gpus),
        "usd_per_hour": _optional(entry.usd_per_hour, 9),
        "on_demand_usd_per_hour": _optional(entry.on_demand_usd_per_hour, 9),
        "usd": _optional(paid, DIGITS),
        "price_source": entry.price_source,
    }


def decimal(amount: Fraction, digits: int = DIGITS) -> str:
    """An amount with so many digits behind the point, rounded half to even."""
    scaled = round(amount * 10**digits)
    whole, part = divmod(abs(scaled), 10**digits)
    return f"{'-' if scaled < 0 else ''}{whole}.{part:0{digits}d}"


def _costs(paid: Fraction, listed: Fraction) -> dict[str, str]:
    return {
        "BilledCost": decimal(paid),
        "EffectiveCost": decimal(paid),
        "ContractedCost": decimal(paid),
        "ListCost": decimal(listed),
        "BillingCurrency": "USD",
    }


def _periods(day: date) -> dict[str, str]:
    month = day.replace(day=1)
    following = (month.replace(day=28) + 4 * DAY).replace(day=1)
    return {
        "BillingPeriodStart": _told(midnight(month)),
        "BillingPeriodEnd": _told(midnight(following)),
        "ChargePeriodStart": _told(midnight(day)),
        "ChargePeriodEnd": _told(midnight(day) + DAY),
    }


def _subject(entry: Entry) -> dict[str, str]:
    owner, machine = entry.owner, entry.machine
    category, subcategory, service = _SERVICES[owner.kind]
    what = owner.name or owner.kind.value
    place = machine.accelerator or machine.instance_type or "CPU"
    return {
        "BillingAccountId": "cluster",
        "BillingAccountName": "cluster",
        "BillingAccountType": "Cluster",
        "SubAccountId": owner.namespace,
        "SubAccountName": owner.namespace,
        "SubAccountType": "Namespace" if owner.namespace else "",
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": f"{what} on {place}",
        "ChargeFrequency": "Usage-Based",
        "InvoiceIssuerName": "Quartermaster",
        "ProviderName": "Quartermaster",
        "PublisherName": "Quartermaster",
        "ServiceCategory": category,
        "ServiceSubcategory": subcategory,
        "ServiceName": service,
        "ResourceId": machine.node,
        "ResourceName": machine.node,
        "ResourceType": "Node",
        "RegionId": machine.region,
        "RegionName": machine.region,
        "AvailabilityZone": machine.zone,
        "SkuId": machine.instance_type,
        "PricingCategory": PRICING_CATEGORY.get(machine.capacity_type, "Other"),
    }


def _quantity(entry: Entry) -> dict[str, str]:
    held = hours(entry.charged)
    amount = decimal(held * entry.gpus if entry.gpus else held)
    unit = "GPU-Hours" if entry.gpus else "Hours"
    return {
        "PricingQuantity": amount,
        "PricingUnit": unit,
        "ConsumedQuantity": amount,
        "ConsumedUnit": unit,
    }


def _own(entry: Entry, *, unknown: bool) -> dict[str, str]:
    owner, machine = entry.owner, entry.machine
    return {
        "x_Kind": owner.kind.value,
        "x_JobName": owner.name,
        "x_JobUid": owner.uid,
        "x_Queue": owner.queue,
        "x_Part": "" if entry.part is None else entry.part.value,
        "x_Pool": machine.pool,
        "x_Accelerator": machine.accelerator,
        "x_CapacityType": machine.capacity_type,
        "x_UsdPerHour": _optional(entry.usd_per_hour, 9),
        "x_PriceSource": entry.price_source,
        "x_PriceUnknown": "true" if unknown else "false",
        "x_EntryId": entry.id,
    }


def _optional(amount: Fraction | None, digits: int) -> str:
    return "" if amount is None else decimal(amount, digits)


def _told(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _precise(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
