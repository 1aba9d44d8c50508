"""What a worker holds of a node, as it is charged, and the node as it stands in the ledger."""

from dataclasses import replace
from fractions import Fraction

from quartermaster.decide.cost.prices import price_of
from quartermaster.decide.cost.rates import share_of
from quartermaster.domain.cluster import Capacity, Node, Pool
from quartermaster.domain.money.ledger import Held, Machine
from quartermaster.domain.resources import Resources


def held(node: Node, pool: Pool, needs: Resources) -> Held:
    """What a worker that needs this holds there.

    Args:
        node: Where it is placed.
        pool: The node's.
        needs: What the worker asks for.
    """
    price = price_of(node, pool)
    on_demand = None if price is None else price.on_demand_usd_per_hour
    where = machine(node, pool)
    return Held(
        machine=where if needs.devices else replace(where, accelerator=""),
        gpus=node.gpus_in(needs) or Fraction(0),
        on_demand_usd_per_hour=share_of(on_demand, node, needs),
        price_source="" if price is None else price.source,
    )


def machine(node: Node, pool: Pool) -> Machine:
    """A node as it stands in the ledger."""
    return Machine(
        node=node.name,
        pool=pool.name,
        accelerator=node.accelerator,
        instance_type=node.instance_type,
        region=node.region,
        zone=node.zone,
        capacity_type="" if node.capacity is Capacity.UNKNOWN else node.capacity.value,
    )
