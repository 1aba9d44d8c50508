"""From a cluster's refusal to one line: what is wrong, where, and what would be right."""

import json
import re
import ssl

from kubectl_qm.access.document import Document
from kubectl_qm.errors import (
    CommandError,
    DeniedError,
    NotFoundError,
    NotInstalledError,
    UnreachableError,
)

NOT_INSTALLED = (
    "Quartermaster is not installed in this cluster: helm install quartermaster "
    "helm/quartermaster --namespace quartermaster-system --create-namespace"
)

_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)"'
    r' in API group "(?P<group>[^"]*)"(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_NAMESPACED = {"trainingjobs", "budgets", "pods", "pods/log", "events"}


def refusal(host: str, status: int, body: str) -> CommandError:
    """What an answer other than 2xx means; a status of 0 is a TLS fault."""
    said = Document(_status(body))
    if status == 401:
        return DeniedError(f"the cluster at {host} does not know who asks (401): log in again")
    if status == 403:
        return DeniedError(denied(said.text("message") or body))
    if status == 404 and not said.text("details", "name"):
        return NotInstalledError(NOT_INSTALLED)
    message = _line(said.text("message") or body)
    if status in {400, 404}:
        return NotFoundError(message)
    if status == 0:
        return UnreachableError(f"the cluster at {host} cannot be trusted: {message}")
    return UnreachableError(f"the cluster at {host} answers {status}: {message}")


def denied(message: str) -> str:
    """A 403 as what would be right: verb, resource and namespace."""
    found = _FORBIDDEN.search(message)
    if found is None:
        return f"not allowed: {_line(message)}"
    resource = ".".join(part for part in (found["resource"], found["group"]) if part)
    where = f"in namespace {found['namespace']!r}" if found["namespace"] else "in the whole cluster"
    other = ", or choose another namespace with -n" if found["resource"] in _NAMESPACED else ""
    return (
        f"not allowed: {found['user']} may not {found['verb']} {resource} {where}; "
        f"ask for a role that grants it{other}"
    )


def unreachable(host: str, error: BaseException) -> str:
    """A connection that failed, in few words."""
    return f"the cluster at {host} cannot be reached: {_cause(error)}"


def not_kubernetes(host: str) -> str:
    """Something answered, but not as an API server does."""
    return f"what answers at {host} is no Kubernetes API server: look at the kubeconfig"


def _status(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return {}


def _cause(error: BaseException) -> str:
    """The system's own words, without the client's objects around them."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); look at the kubeconfig"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    inner = error.__cause__ or error.__context__
    if inner is not None:
        return _cause(inner)
    text = _line(str(error))
    return text.rpartition(": ")[2] or type(error).__name__


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
