"""Questions to a Prometheus, and where it finds the operator."""

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.support.kubectl import Kubectl
from tests.support.stage import SYSTEM

Json = dict[str, Any]


@dataclass(frozen=True)
class Prometheus:
    """One that runs, and its HTTP API."""

    address: str

    def asked(self, path: str, **parameters: str | float) -> Any:
        """What the API answers.

        Raises:
            AssertionError: It refused the question, and why.
        """
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def number(self, query: str) -> float:
        """The value that the only series of a query has now."""
        (only,) = self.asked("query", query=query)["result"]
        return float(only["value"][1])

    def matrix(self, query: str, start: float, end: float, step_s: int) -> list[Json]:
        """The series that a query has over a range of time."""
        asked = self.asked("query_range", query=query, start=start, end=end, step=step_s)
        result: list[Json] = asked["result"]
        return result


def operator_address(kubectl: Kubectl) -> str:
    """Where the operator's metrics are, as this machine can reach them."""
    (service,) = kubectl.documents(
        "-n", SYSTEM, "get", "services", "-l", "app.kubernetes.io/component=operator"
    )["items"]
    return f"{service['spec']['clusterIP']}:9090"
