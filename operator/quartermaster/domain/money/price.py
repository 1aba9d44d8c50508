"""What a node costs, and who says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction

HOURS_PER_YEAR = 8766
"""365.25 days [h]."""
_NONE_OF_THEM = ""


class PriceKind(StrEnum):
    """Who says what a node costs; the first that says anything is believed."""

    POOL = "pool"
    OVERLAY = "node-overlay"
    ANNOTATION = "node-annotation"
    LIST = "price-list"
    CATALOGUE = "catalogue"
    ON_PREMISES = "on-premises"


@dataclass(frozen=True, slots=True)
class Price:
    """What a whole node costs. An unknown price is None in place of this, never a price of zero."""

    usd_per_hour: Fraction
    """Of the whole node [USD/h]."""
    kind: PriceKind
    source: str
    """Who says so and of which day, for people: `catalogue 2026-07-20 aws us-east-1`."""
    as_of: date | None = None
    """The day of the price; None where nobody says."""
    on_demand_usd_per_hour: Fraction | None = None
    """What the same machine costs on demand [USD/h]; None where that is unknown.

    Spot may be dearer than that: nothing here takes it to be cheaper."""


@dataclass(frozen=True, slots=True)
class OnPremises:
    """What a GPU costs that was bought: its price over its life, and its power."""

    usd_per_gpu: Fraction
    """Paid for one GPU with its share of the machine, the network and the room [USD]."""
    years: Fraction
    """After which it is worth nothing, above zero [year]."""
    watts_per_gpu: int
    """Mean draw of one GPU with its share of the machine and of cooling [W]."""
    usd_per_kilowatt_hour: Fraction
    utilization: Fraction = Fraction(1)
    """The part of its hours that somebody is charged for, above 0 and at most 1."""
    accelerator: str | None = None
    """GPU model; None for any."""

    @property
    def usd_per_gpu_hour(self) -> Fraction:
        """What an hour that is charged has to bring [USD/h].

        (price / (years * 8766 h) + W / 1000 * USD/kWh) / utilization: over its life the hours that
        are charged bring what it was bought for and what its power cost, and nothing else.
        """
        written_off = self.usd_per_gpu / (self.years * HOURS_PER_YEAR)
        power = Fraction(self.watts_per_gpu, 1000) * self.usd_per_kilowatt_hour
        return (written_off + power) / self.utilization


class Operator(StrEnum):
    """How a node's label is compared. Source: karpenter.sh/v1alpha1, NodeSelectorRequirement."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"
    GTE = "Gte"
    LTE = "Lte"


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a label of a node has to be."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels is meant."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value is not None and value in self.values
            case Operator.NOT_IN:
                return value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None
            case Operator.GT | Operator.LT | Operator.GTE | Operator.LTE:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        limit = self.values[0] if self.values else _NONE_OF_THEM
        if value is None or not _is_count(value) or not _is_count(limit):
            return False
        has, bound = int(value), int(limit)
        return {
            Operator.GT: has > bound,
            Operator.LT: has < bound,
            Operator.GTE: has >= bound,
            Operator.LTE: has <= bound,
        }[self.operator]


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


@dataclass(frozen=True, slots=True)
class Overlay:
    """A NodeOverlay of Karpenter: another price, or a change of it, for nodes with certain labels.

    Source: karpenter.sh/v1alpha1, pkg/apis/v1alpha1/nodeoverlay.go, read 2026-11-25.
    """

    name: str
    requirements: tuple[Requirement, ...] = ()
    weight: int = 0
    """Of those that match, the heaviest counts; of equally heavy ones the last by name."""
    usd_per_hour: Fraction | None = None
    """In place of the machine's price [USD/h]."""
    factor: Fraction = Fraction(1)
    """The machine's price is multiplied by this."""
    change: Fraction = Fraction(0)
    """And this is added [USD/h]."""

    @property
    def says_a_price(self) -> bool:
        """Whether it is about the price at all; some only add resources."""
        return self.usd_per_hour is not None or self.factor != 1 or self.change != 0

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels is meant."""
        return all(requirement.holds(labels) for requirement in self.requirements)

    def adjusted(self, usd_per_hour: Fraction) -> Fraction:
        """The machine's price with the change, not below zero [USD/h]."""
        return max(Fraction(0), usd_per_hour * self.factor + self.change)
