"""Keys and certificates of the local cluster, made by openssl, and kubeconfigs with them."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from devcluster.command import run
from devcluster.hardware import LOCAL_NODES
from devcluster.layout import (
    API_ADDRESS,
    API_PORT,
    API_SERVICE_ADDRESS,
    CLUSTER_DOMAIN,
    Layout,
)

_DAYS = "3650"
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Identity:
    """A client of the API server: its file name, user and group."""

    name: str
    user: str
    group: str = ""

    @property
    def subject(self) -> str:
        """The certificate's subject, as openssl takes it."""
        return (f"/O={self.group}" if self.group else "") + f"/CN={self.user}"


def identities() -> tuple[Identity, ...]:
    """Every client that gets a certificate and a kubeconfig."""
    kubelets = tuple(
        Identity(f"kubelet-{node.name}", f"system:node:{node.name}", "system:nodes")
        for node in LOCAL_NODES
    )
    return (
        Identity(ADMIN, "quartermaster-admin", "system:masters"),
        Identity("kube-apiserver-client", "kube-apiserver", "system:masters"),
        Identity("kube-controller-manager", "system:kube-controller-manager"),
        Identity("kube-scheduler", "system:kube-scheduler"),
        Identity("kube-proxy", "system:kube-proxy"),
        *kubelets,
    )


def server_names() -> str:
    """The subject alternative names of the API server, as openssl takes them."""
    service = "kubernetes.default.svc"
    names = ["kubernetes", "kubernetes.default", service, f"{service}.{CLUSTER_DOMAIN}"]
    addresses = [API_ADDRESS, API_SERVICE_ADDRESS, "127.0.0.1"]
    return ",".join([*(f"DNS:{name}" for name in names), *(f"IP:{one}" for one in addresses)])


def ensure(layout: Layout) -> None:
    """Make what is missing of the authority, certificates, keys and kubeconfigs."""
    layout.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    _ensure_authority(layout.pki)
    _ensure_signing_key(layout.pki)
    _ensure_certificate(
        layout.pki,
        "apiserver",
        subject="/CN=kube-apiserver",
        extensions=f"subjectAltName={server_names()}\nextendedKeyUsage=serverAuth\n",
    )
    for identity in identities():
        _ensure_certificate(
            layout.pki,
            identity.name,
            subject=identity.subject,
            extensions="extendedKeyUsage=clientAuth\n",
        )
        path = layout.kubeconfig if identity.name == ADMIN else kubeconfig(layout, identity.name)
        path.write_text(json.dumps(_kubeconfig(layout.pki, identity), indent=2) + "\n")
        path.chmod(0o600)


def kubeconfig(layout: Layout, name: str) -> Path:
    """Where a client's kubeconfig is."""
    return layout.pki / f"{name}.kubeconfig"


def _ensure_authority(pki: Path) -> None:
    """The cluster's own certificate authority."""
    if (pki / "ca.crt").exists():
        return
    run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-nodes",
                "-days",
                _DAYS,
                "-subj",
                "/CN=quartermaster-dev",
            ),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"),
            *("-keyout", pki / "ca.key", "-out", pki / "ca.crt"),
        ]
    )


def _ensure_signing_key(pki: Path) -> None:
    """The key that signs service-account tokens."""
    if (pki / "sa.pub").exists():
        return
    run(["openssl", "genrsa", "-out", pki / "sa.key", "2048"])
    run(["openssl", "rsa", "-in", pki / "sa.key", "-pubout", "-out", pki / "sa.pub"])


def _ensure_certificate(pki: Path, name: str, *, subject: str, extensions: str) -> None:
    """A key and a certificate signed by the authority."""
    certificate = pki / f"{name}.crt"
    if certificate.exists():
        return
    request, wanted = pki / f"{name}.csr", pki / f"{name}.ext"
    wanted.write_text(f"{extensions}keyUsage=critical,digitalSignature\n")
    run(
        [
            *("openssl", "req", "-new", "-nodes", "-subj", subject),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-keyout", pki / f"{name}.key", "-out", request),
        ]
    )
    run(
        [
            *("openssl", "x509", "-req", "-in", request, "-days", _DAYS, "-CAcreateserial"),
            *("-CA", pki / "ca.crt", "-CAkey", pki / "ca.key"),
            *("-extfile", wanted, "-out", certificate),
        ]
    )
    request.unlink()
    wanted.unlink()


def _kubeconfig(pki: Path, identity: Identity) -> dict[str, object]:
    """A kubeconfig that holds its keys, so that it can be copied; JSON is YAML."""

    def inline(file: str) -> str:
        return base64.b64encode((pki / file).read_bytes()).decode()

    name = "quartermaster-dev"
    server = f"https://{API_ADDRESS}:{API_PORT}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {
                "name": name,
                "cluster": {"server": server, "certificate-authority-data": inline("ca.crt")},
            }
        ],
        "users": [
            {
                "name": identity.name,
                "user": {
                    "client-certificate-data": inline(f"{identity.name}.crt"),
                    "client-key-data": inline(f"{identity.name}.key"),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": identity.name}}],
    }
