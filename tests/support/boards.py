"""The dashboards as they are shipped: JSON files of the chart, and the queries in them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.kubectl import ROOT

Json = dict[str, Any]

FOLDER = ROOT / "helm/quartermaster/dashboards"
FILES = sorted(FOLDER.glob("*.json"))
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True)
class Query:
    """One query of one panel."""

    board: str
    panel: Json
    target: Json

    @property
    def name(self) -> str:
        return f"{self.board} / {self.panel['title']} / {self.target['refId']}"

    @property
    def expression(self) -> str:
        return str(self.target["expr"])


def boards() -> dict[str, Json]:
    """The dashboards by their files' names."""
    return {path.stem: json.loads(path.read_text()) for path in FILES}


def panels(board: Json) -> list[Json]:
    """What is drawn of a dashboard, headings left out."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    """Every query of every dashboard."""
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield Query(name, panel, target)


def filled(text: str, values: Mapping[str, str]) -> str:
    """A query as Grafana sends it, with the values of the dashboard's variables.

    Raises:
        KeyError: It has a variable without a value.
    """
    return _VARIABLE.sub(lambda found: values[found[1]], text)


def times(range_s: int, step_s: int) -> dict[str, str]:
    """What Grafana puts in place of its own variables.

    Args:
        range_s: What is shown [s].
        step_s: Between two points [s].
    """
    return {
        "__range": f"{range_s}s",
        "__range_s": str(range_s),
        "__interval": f"{step_s}s",
        "__interval_ms": str(step_s * 1000),
        "__rate_interval": f"{max(60, 4 * step_s)}s",
    }
