import json
import socket

import pytest

from kubectl_qm.access import refusals
from kubectl_qm.errors import (
    CommandError,
    DeniedError,
    NotFoundError,
    NotInstalledError,
    UnreachableError,
)

HOST = "https://cluster:6443"


def status(message: str, **details: str) -> str:
    return json.dumps({"kind": "Status", "message": message, "details": details})


FORBIDDEN = (
    'trainingjobs.quartermaster.dev is forbidden: User "ann" cannot list resource "trainingjobs"'
    ' in API group "quartermaster.dev" in the namespace "team-b"'
)


@pytest.mark.parametrize(
    ("code", "body", "kind", "want"),
    [
        pytest.param(401, "", DeniedError, "log in again", id="401"),
        pytest.param(
            403, status(FORBIDDEN), DeniedError,
            "ann may not list trainingjobs.quartermaster.dev in namespace 'team-b'", id="403",
        ),
        pytest.param(
            403, status(FORBIDDEN.partition(" in the namespace")[0]), DeniedError,
            "ann may not list trainingjobs.quartermaster.dev in the whole cluster", id="403 all",
        ),
        pytest.param(403, "no\nway", DeniedError, "not allowed: no way", id="403 of a proxy"),
        pytest.param(404, "404 page not found", NotInstalledError, "helm install", id="no CRD"),
        pytest.param(404, status("x", name="digits"), NotFoundError, "x", id="no object"),
        pytest.param(400, status("is waiting to start"), NotFoundError, "waiting", id="no log"),
        pytest.param(500, status("etcd"), UnreachableError, "answers 500: etcd", id="500"),
        pytest.param(0, "bad certificate", UnreachableError, "cannot be trusted", id="TLS"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_would_be_right(
    code: int, body: str, kind: type[CommandError], want: str
) -> None:
    error = refusals.refusal(HOST, code, body)
    assert type(error) is kind
    assert want in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("error", "want"),
    [
        pytest.param(ConnectionRefusedError(111, "Connection refused"), "refused", id="refused"),
        pytest.param(socket.gaierror(-2, "Name or service not known"), "not known", id="name"),
        pytest.param(OSError("<object at 0x1>: timed out"), "timed out", id="inner"),
        pytest.param(OSError(), "OSError", id="without words"),
    ],
)
def test_a_failed_connection_is_told_in_the_systems_words(error: Exception, want: str) -> None:
    text = refusals.unreachable(HOST, error)
    assert text.startswith(f"the cluster at {HOST} cannot be reached: ")
    assert text.endswith(want)
