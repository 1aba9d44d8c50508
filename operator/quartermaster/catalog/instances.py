"""GPU instance types of the clouds."""

from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType

from quartermaster.catalog.published import aws, azure, gcp
from quartermaster.domain.hardware import InstanceType

INSTANCE_TYPES: tuple[InstanceType, ...] = tuple(
    chain.from_iterable(
        family.types() for family in (*aws.FAMILIES, *azure.FAMILIES, *gcp.FAMILIES)
    )
)
"""By cloud, then GPU model."""

_BY_NAME: Mapping[str, InstanceType] = MappingProxyType({it.name: it for it in INSTANCE_TYPES})


def instance(name: str) -> InstanceType | None:
    """The type that `node.kubernetes.io/instance-type` names; None where it is not known."""
    return _BY_NAME.get(name)
