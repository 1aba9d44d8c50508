"""What all dashboards have in common: how they are found, linked and asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from dashboards.panels import SOURCE, Drawn
from quartermaster.metrics import PREFIX

TAG = "quartermaster"
_EVERYTHING = model.VariableOption(selected=True, text=["All"], value=["$__all"])


@dataclass(frozen=True, slots=True)
class Section:
    """A row of panels under a heading."""

    title: str
    panels: tuple[Drawn, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard."""

    name: str
    """The last part of its uid, and its file's name."""
    title: str
    question: str
    sections: tuple[Section, ...]
    variables: Sequence[QueryVariable] = ()
    since: str = "now-24h"

    @property
    def uid(self) -> str:
        """By which links find it."""
        return f"quartermaster-{self.name}"

    def text(self) -> str:
        """The dashboard as JSON, the same for the same code."""
        made = Dashboard(f"Quartermaster / {self.title}").uid(self.uid).description(self.question)
        made = made.tags([TAG]).refresh("1m").time(self.since, "now").timezone("browser")
        made = made.readonly().tooltip(model.DashboardCursorSync.CROSSHAIR).link(_others())
        made = made.with_variable(_data_source())
        for variable in self.variables:
            made = made.with_variable(variable)
        number = count(1)
        for section in self.sections:
            made = made.with_row(Row(section.title).id(next(number)))
            for panel in section.panels:
                made = made.with_panel(panel.id(next(number)))
        return JSONEncoder(sort_keys=True, indent=1).encode(made.build()) + "\n"


def any_namespace(*metrics: str) -> QueryVariable:
    """The namespaces of some metrics, all of them at first.

    What belongs to no namespace, as idle nodes, is there as long as all are chosen.
    """
    return _several(_choice("namespace", "Namespace", metrics))


def any_queue() -> QueryVariable:
    """The queues with jobs, all of them at first."""
    return _several(_choice("queue", "Queue", ("job_info", "queue_pending_jobs")))


def one_namespace() -> QueryVariable:
    """One namespace with jobs."""
    return _choice("namespace", "Namespace", ("job_info", "job_cost_usd")).multi(False)


def one_job() -> QueryVariable:
    """One job of the chosen namespace, those that are over among them."""
    return _choice("job", "Job", ("job_info", "job_cost_usd"), 'namespace="$namespace"').multi(
        False
    )


def _choice(label: str, shown: str, metrics: Sequence[str], matcher: str = "") -> QueryVariable:
    names = "|".join(metrics)
    chosen = f'{{__name__=~"{PREFIX}({names})"{"," + matcher if matcher else ""}}}'
    made = QueryVariable(label).label(shown).datasource(SOURCE)
    made = made.query(f"label_values({chosen}, {label})").sort(model.VariableSort.ALPHABETICAL_ASC)
    return made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)


def _several(variable: QueryVariable) -> QueryVariable:
    return variable.multi(True).include_all(True).all_value(".*").current(_EVERYTHING)


def _data_source() -> DatasourceVariable:
    return DatasourceVariable("datasource").label("Data source").type("prometheus")


def _others() -> build.DashboardLink:
    """A menu of the other dashboards, with what the reader has chosen."""
    made = build.DashboardLink("Quartermaster").type(model.DashboardLinkType.DASHBOARDS)
    return made.tags([TAG]).as_dropdown(True).include_vars(True).keep_time(True)
