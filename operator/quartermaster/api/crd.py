"""The CustomResourceDefinitions: names, columns and schemas of every kind."""

from dataclasses import dataclass
from typing import Any

from quartermaster.api import compute_pool, compute_queue, training_job
from quartermaster.api.base import ApiModel
from quartermaster.api.budgets import budget
from quartermaster.api.budgets.budget import BudgetSpec, BudgetStatus
from quartermaster.api.compute_pool import ComputePoolSpec, ComputePoolStatus
from quartermaster.api.compute_queue import ComputeQueueSpec, ComputeQueueStatus
from quartermaster.api.meta import GROUP, VERSION
from quartermaster.api.rule import Rule, with_validations
from quartermaster.api.schema import spec_schema, status_schema
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.api.training_job_status import TrainingJobStatus

CATEGORY = "qm"
"""`kubectl get qm` lists all kinds; `all` is left to the built-in ones."""

WIDE = 1
"""The priority of a column that only `-o wide` shows."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    """In the object, as a JSON path."""
    type: str = "string"
    priority: int = 0

    def document(self) -> dict[str, Any]:
        """The column as the API server wants it."""
        shown = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return shown | ({"priority": self.priority} if self.priority else {})


AGE = Column("Age", ".metadata.creationTimestamp", "date")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of custom resource."""

    name: str
    plural: str
    short_name: str
    scope: str
    description: str
    spec: type[ApiModel]
    status: type[ApiModel]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    """Over the whole object: all that CEL may see of its metadata is the name."""

    @property
    def crd_name(self) -> str:
        """The name of its definition."""
        return f"{self.plural}.{GROUP}"


KINDS = (
    Kind(
        name=training_job.KIND,
        plural=training_job.PLURAL,
        short_name="qtj",
        scope="Namespaced",
        description="One training run: a gang of workers that starts whole or not at all, on the "
        "capacity that is placed for it, with its cost counted.",
        spec=TrainingJobSpec,
        status=TrainingJobStatus,
        columns=(
            Column("State", ".status.state"),
            Column("Progress", ".status.progress.summary"),
            Column("ETA", ".status.progress.remaining"),
            Column("Workers", ".status.workers"),
            Column("Accelerator", ".status.placement.accelerator"),
            Column("Capacity", ".status.placement.capacityType"),
            Column("Cost", ".status.cost.total"),
            Column("Saved", ".status.cost.netSpotSavings"),
            AGE,
            Column("Bound", ".status.profile.bound", priority=WIDE),
            Column("Restarts", ".status.goodput.restarts", "integer", WIDE),
            Column("Pool", ".status.placement.pool", priority=WIDE),
            Column("Reason", ".status.placement.reason", priority=WIDE),
        ),
        rules=(training_job.NAME_RULE,),
    ),
    Kind(
        name=compute_pool.KIND,
        plural=compute_pool.PLURAL,
        short_name="qpool",
        scope="Cluster",
        description="A kind of capacity: which nodes it is, what they cost, how they are wired.",
        spec=ComputePoolSpec,
        status=ComputePoolStatus,
        columns=(
            Column("Nodes", ".status.nodes", "integer"),
            Column("GPUs", ".status.gpus", "integer"),
            Column("Used", ".status.gpusUsed", "integer"),
            AGE,
            Column("Prices", ".spec.priceSource", priority=WIDE),
        ),
    ),
    Kind(
        name=compute_queue.KIND,
        plural=compute_queue.PLURAL,
        short_name="qq",
        scope="Cluster",
        description="A team's share of the GPUs: what it is sure of, what it may borrow and lend, "
        "and whom it may stop.",
        spec=ComputeQueueSpec,
        status=ComputeQueueStatus,
        columns=(
            Column("Parent", ".spec.parent"),
            Column("Weight", ".spec.weight"),
            Column("Pending", ".status.pending", "integer"),
            Column("Admitted", ".status.admitted", "integer"),
            Column("Share", ".status.fairShare"),
            AGE,
            Column("Reclaims", ".spec.preemption.reclaimWithinCohort", priority=WIDE),
            Column("Preempts", ".spec.preemption.withinQueue", priority=WIDE),
        ),
        rules=(compute_queue.NAME_RULE,),
    ),
    Kind(
        name=budget.KIND,
        plural=budget.PLURAL,
        short_name="qb",
        scope="Namespaced",
        description="An amount of money for a period, for the jobs of a namespace, and what "
        "happens as it is spent.",
        spec=BudgetSpec,
        status=BudgetStatus,
        columns=(
            Column("Amount", ".spec.amount"),
            Column("Spent", ".status.spent"),
            Column("Forecast", ".status.forecast"),
            Column("Percent", ".status.percent", "integer"),
            Column("Action", ".status.action"),
            AGE,
            Column("Period", ".spec.period", priority=WIDE),
            Column("Commitment", ".status.commitment", priority=WIDE),
            Column("Until", ".status.periodEnd", priority=WIDE),
        ),
    ),
)


def definition(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind, ready to be applied."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": kind.crd_name,
            "labels": {"app.kubernetes.io/part-of": "quartermaster"},
            # Deleting a definition deletes every object of the kind: no uninstall does that.
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": GROUP,
            "scope": kind.scope,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short_name],
                "categories": [CATEGORY],
            },
            "versions": [_version(kind)],
        },
    }


def _version(kind: Kind) -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [column.document() for column in kind.columns],
        "schema": {"openAPIV3Schema": _object_schema(kind)},
    }


def _object_schema(kind: Kind) -> dict[str, Any]:
    whole = {
        "type": "object",
        "description": kind.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec_schema(kind.spec),
            "status": status_schema(kind.status),
        },
    }
    return with_validations(whole, kind.rules)
