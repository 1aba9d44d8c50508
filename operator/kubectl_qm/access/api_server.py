"""Reading from an API server with the official client's configuration and connections.

The client's typed methods are left alone: building them takes 1.9 s of a 2-core machine, and typed
answers refuse what is newer than they are.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes import client
from kubernetes.client import rest

from kubectl_qm.access import refusals
from kubectl_qm.cluster import Json
from kubectl_qm.errors import UnreachableError

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
PAGE = 500
"""Objects a request [count], as kubectl asks for them."""

Query = Mapping[str, str | int]


class ApiServer:
    """Where a cluster answers."""

    def __init__(self, configuration: client.Configuration) -> None:
        self._configuration = configuration
        self._pool: urllib3.PoolManager = rest.RESTClientObject(configuration).pool_manager
        self.host: str = configuration.host

    def get(self, path: str, query: Query | None = None) -> Json:
        """One object.

        Raises:
            CommandError: What `refusals` makes of any other answer.
        """
        response = self._ask(path, query or {}, READ_TIMEOUT_S)
        try:
            content = json.loads(response.data)
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(refusals.unreachable(self.host, error)) from error
        except ValueError as error:
            raise UnreachableError(refusals.not_kubernetes(self.host)) from error
        if not isinstance(content, dict):
            raise UnreachableError(refusals.not_kubernetes(self.host))
        return content

    def items(self, path: str, query: Query | None = None) -> list[Json]:
        """A collection's objects, page by page."""
        found: list[Json] = []
        token = ""
        while True:
            more = {"continue": token} if token else {}
            page = self.get(path, {**(query or {}), "limit": PAGE, **more})
            found += page.get("items") or []
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return found

    def lines(self, path: str, query: Query, read_timeout_s: float) -> Iterator[str]:
        """Lines of text as they arrive, without their ends; a bad answer raises before the first.

        Args:
            path: Below the server's address.
            query: What is asked.
            read_timeout_s: Silence that ends it [s].
        """
        return self._lines(self._ask(path, query, read_timeout_s))

    def _lines(self, response: urllib3.BaseHTTPResponse) -> Iterator[str]:
        rest_of_line = b""
        try:
            for chunk in response.stream():
                *lines, rest_of_line = (rest_of_line + chunk).split(b"\n")
                yield from (_text(line) for line in lines)
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(refusals.unreachable(self.host, error)) from error
        finally:
            response.close()
        if rest_of_line:
            yield _text(rest_of_line)

    def _ask(self, path: str, query: Query, read_timeout_s: float) -> urllib3.BaseHTTPResponse:
        url = f"{self.host}{path}?{urlencode(query)}"
        try:
            response = self._pool.request(
                "GET",
                url,
                headers=self._headers(),
                preload_content=False,
                # The first refusal is the answer: a person waits.
                retries=False,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=read_timeout_s),
            )
            if response.status == 200:
                return response
            body = response.data.decode(errors="replace")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnreachableError(refusals.unreachable(self.host, error)) from error
        raise refusals.refusal(self.host, response.status, body)

    def _headers(self) -> dict[str, str]:
        """Credentials that go into headers; asked for each time, since tokens are renewed."""
        settings: Any = self._configuration.auth_settings()
        own = {each["key"]: each["value"] for each in settings.values() if each["in"] == "header"}
        return {"accept": "application/json, */*", "user-agent": "kubectl-qm", **own}


def _text(line: bytes) -> str:
    return line.decode(errors="replace").removesuffix("\r")
