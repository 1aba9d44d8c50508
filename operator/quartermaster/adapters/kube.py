"""Requests to the API server, as plain documents.

The official client authenticates, refreshes tokens and speaks TLS; its generated models are left
out, because turning every pod of a watch into objects costs more memory and time than all the rest
of the operator (see ADR-0004).
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, cast

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import incluster_config, kube_config

from quartermaster.errors import ClusterError

Document = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
REQUEST_TIMEOUT_SECONDS = 30.0
MAX_CONNECTIONS = 64


class ApiError(ClusterError):
    """The API server refused a request."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class FencedError(ClusterError):
    """This operator is not the leader, or may not be any more: it writes nothing."""


async def connect(kubeconfig: str | None = None) -> ApiClient:
    """A client for the cluster that this process runs in, or for a kubeconfig.

    Raises:
        ClusterError: There is neither.
    """
    configuration = Configuration()
    try:
        if kubeconfig is None:
            incluster_config.load_incluster_config(  # type: ignore[no-untyped-call]
                client_configuration=configuration
            )
        else:
            await kube_config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=kubeconfig, client_configuration=configuration
            )
    except Exception as error:  # the library raises a ConfigException of its own for each loader
        raise ClusterError(f"no access to a cluster: {error}") from error
    configuration.connection_pool_maxsize = MAX_CONNECTIONS
    return ApiClient(configuration=configuration)


class KubeClient:
    """Reads and fenced writes. One for a process."""

    def __init__(
        self,
        api: ApiClient,
        may_write: Callable[[], bool],
        count: Callable[[str, str], None],
        failed: Callable[[int | None], None] = lambda _: None,
    ) -> None:
        """Nothing is sent yet.

        Args:
            api: Authenticates and speaks TLS.
            may_write: Whether this operator may write now.
            count: Called with the method and path of each write.
            failed: Called with the status of a refusal; None: there was no answer.
        """
        self._api = api
        self._may_write = may_write
        self._count = count
        self._failed = failed

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Document:
        """Read one object or a list.

        Raises:
            ApiError: The server refused.
            ClusterError: The server did not answer.
        """
        return await self._call("GET", path, query=query)

    async def create(self, path: str, body: Document) -> Document:
        """Create an object; ApiError with status 409 where one of that name exists."""
        return await self._write("POST", path, body=body)

    async def patch(
        self, path: str, body: object, content_type: str, query: Mapping[str, str] | None = None
    ) -> Document:
        """Patch an object by the kind of patch that the content type names."""
        return await self._write("PATCH", path, body=body, content_type=content_type, query=query)

    async def delete(self, path: str, body: Document | None = None) -> Document | None:
        """Delete an object; None where it was gone already."""
        try:
            return await self._write("DELETE", path, body=body)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def review_token(self, body: Document) -> Document:
        """Ask the API server whose token this is. No write, although it is a POST."""
        return await self._call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body=body)

    async def watch(
        self, path: str, query: Mapping[str, str], silence_s: float
    ) -> AsyncIterator[Document]:
        """The events of a watch until the server ends it.

        Raises:
            ClusterError: The connection broke or was silent for longer than `silence_s`.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=silence_s)
        response = await self._send("GET", path, {**query, "watch": "true"}, None, None, limits)
        try:
            await self._refuse(response)
            async for line in _lines(response.content):
                yield cast("Document", json.loads(line))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._broken(f"watch {path}", error) from error
        finally:
            response.close()

    async def _write(self, method: str, path: str, **parts: Any) -> Document:
        if not self._may_write():
            raise FencedError(f"not the leader: {method} {path} was not sent")
        self._count(method, path)
        return await self._call(method, path, **parts)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content_type: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Document:
        limits = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
        response = await self._send(method, path, query, body, content_type, limits)
        try:
            await self._refuse(response)
            return cast("Document", json.loads(await response.read()))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._broken(f"{method} {path}", error) from error
        finally:
            response.release()

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object,
        content_type: str | None,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json", "Content-Type": content_type or "application/json"}
        try:
            method, url, headers, body, _ = await self._api.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = await self._api.call_api(method, url, headers, body, _request_timeout=limits)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._broken(f"{method} {path}", error) from error
        return cast("aiohttp.ClientResponse", answer.response)

    def _broken(self, what: str, error: Exception) -> ClusterError:
        self._failed(None)
        return ClusterError(f"{what}: {error!r}")

    async def _refuse(self, response: aiohttp.ClientResponse) -> None:
        if response.status < 400:
            return
        text = await response.text()
        self._failed(response.status)
        raise _refusal(response, text)


def _refusal(response: aiohttp.ClientResponse, text: str) -> ApiError:
    try:
        status = json.loads(text)
    except ValueError:
        status = {}
    if not isinstance(status, dict):
        status = {}
    reason = str(status.get("reason") or response.reason or "")
    return ApiError(response.status, reason, str(status.get("message") or text[:500]))


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: an event can be larger than the reader's own line limit."""
    rest = b""
    async for chunk in stream.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
