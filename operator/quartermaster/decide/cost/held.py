"""What a worker holds of a node, as it is charged."""

from fractions import Fraction

from quartermaster.decide.cost.prices import price_of
from quartermaster.decide.cost.rates import share_of
from quartermaster.domain.cluster import Node, Pool
from quartermaster.domain.money.ledger import Held, Machine
from quartermaster.domain.resources import Resources

REGION = "topology.kubernetes.io/region"
ZONE = "topology.kubernetes.io/zone"


def held(node: Node, pool: Pool, needs: Resources) -> Held:
    """What a worker that needs this holds there.

    Args:
        node: Where it is placed.
        pool: The node's.
        needs: What the worker asks for.
    """
    price = price_of(node, pool)
    on_demand = None if price is None else price.on_demand_usd_per_hour
    return Held(
        machine=Machine(
            node=node.name,
            pool=pool.name,
            accelerator=node.accelerator if needs.devices else "",
            instance_type=node.instance_type,
            region=node.labels.get(REGION, ""),
            zone=node.labels.get(ZONE, ""),
            capacity_type=node.capacity,
        ),
        gpus=node.gpus_in(needs) or Fraction(0),
        on_demand_usd_per_hour=share_of(on_demand, node, needs),
        price_source="" if price is None else price.source,
    )
