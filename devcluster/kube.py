"""A small client of the Kubernetes API on the standard library: it works before anything is set up.

It speaks JSON with the administrator's client certificate and keeps one connection open. It is
for the development cluster alone; the product uses the official client.
"""

import base64
import http.client
import json
import ssl
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any

from devcluster.errors import ApiError, DevclusterError

_Json = dict[str, Any]

_TIMEOUT_S = 30.0


class Client:
    """Requests to one API server, one at a time."""

    def __init__(self, kubeconfig: Path) -> None:
        """Read a kubeconfig that holds its own keys, as `devcluster` writes them.

        Raises:
            DevclusterError: There is no such file: no cluster was started.
        """
        try:
            config = json.loads(kubeconfig.read_text())
        except FileNotFoundError:
            raise DevclusterError(
                f"no local cluster: {kubeconfig} is missing; run `make cluster-up`"
            ) from None
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._address = urllib.parse.urlsplit(cluster["server"])
        self._context = _context(cluster, user)
        self._connection: http.client.HTTPSConnection | None = None

    def get(self, path: str) -> _Json:
        """Read an object or a list."""
        return self.request("GET", path)

    def items(self, path: str) -> list[_Json]:
        """Read a list's items."""
        items: list[_Json] = self.get(path).get("items") or []
        return items

    def create(self, path: str, value: object) -> _Json:
        """Create an object in a collection; one that is there already is left as it is."""
        try:
            return self.request("POST", path, value)
        except ApiError as error:
            if error.status != 409:
                raise
            return {}

    def patch(self, path: str, value: object, *, kind: str = "merge-patch") -> _Json:
        """Patch an object; ``kind`` is ``merge-patch`` or ``json-patch``."""
        return self.request("PATCH", path, value, content_type=f"application/{kind}+json")

    def delete(self, path: str) -> None:
        """Delete an object or collection without waiting; nothing there is as good as deleted."""
        try:
            self.request("DELETE", path, {"propagationPolicy": "Background"})
        except ApiError as error:
            if error.status != 404:
                raise

    def request(
        self,
        method: str,
        path: str,
        value: object = None,
        *,
        content_type: str = "application/json",
    ) -> _Json:
        """Send one request, on a new connection when the old one has gone.

        Raises:
            ApiError: The server refused.
            DevclusterError: The server cannot be reached.
        """
        body = None if value is None else json.dumps(value)
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        for attempt in (1, 2):
            connection = self._connect()
            try:
                connection.request(method, path, body=body, headers=headers)
                answer = connection.getresponse()
                status, text = answer.status, answer.read()
                break
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self._connection = None
                if attempt == 2:
                    raise DevclusterError(f"{self._address.netloc}: {error}") from error
        else:
            raise AssertionError("the loop above ends by break or raise")
        return _decode(status, text, f"{method} {path}")

    def _connect(self) -> http.client.HTTPSConnection:
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                self._address.hostname or "",
                self._address.port,
                context=self._context,
                timeout=_TIMEOUT_S,
            )
        return self._connection


def _decode(status: int, text: bytes, what: str) -> _Json:
    try:
        value: _Json = json.loads(text)
    except ValueError:
        value = {"message": text.decode(errors="replace")[:200]}
    if status >= 400:
        raise ApiError(status, f"{what}: {value.get('message', status)}")
    return value


def _context(cluster: _Json, user: _Json) -> ssl.SSLContext:
    """TLS with the cluster's authority and the user's certificate.

    The standard library takes a client's key from a file only, so it passes through one that
    nobody else can read and that is gone at once.
    """

    def text(source: _Json, field: str) -> str:
        return base64.b64decode(source[field]).decode()

    context = ssl.create_default_context(cadata=text(cluster, "certificate-authority-data"))
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:
        pair.write(text(user, "client-certificate-data") + text(user, "client-key-data"))
        pair.flush()
        context.load_cert_chain(pair.name)
    return context
