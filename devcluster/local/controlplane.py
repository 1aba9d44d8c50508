"""How each part of the control plane is started: command lines and configuration, nothing done.

What is unusual has its reason beside it; the rest is what kubeadm would write.
"""

import hashlib
import json
import sys
from pathlib import Path

from devcluster import layout as places
from devcluster.hardware import FAKE_TYPE, LOCAL_NODES
from devcluster.layout import Layout
from devcluster.local import certificates, stages, volumes
from devcluster.local.processes import Component

_API = f"https://{places.API_ADDRESS}:{places.API_PORT}"
_CLIENT_QPS = 300
_CLIENT_BURST = 600
"""A thousand Indexed Jobs of two pods are created in seconds, not at the default of 20 a second."""


_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "omitManagedFields": True,
    "rules": [
        {
            "level": "RequestResponse",
            "verbs": ["create", "update", "patch", "delete"],
            "resources": [
                {"group": "", "resources": ["pods", "pods/*", "nodes", "nodes/status"]},
                {"group": "quartermaster.dev", "resources": ["computepools"]},
            ],
        },
        {"level": "None"},
    ],
}
"""What a witness of money needs who asks nobody but the API server."""


def etcd(layout: Layout, programs: Path) -> Component:
    """The database. It need not survive a power cut, so it does not wait for the disk."""
    client = f"http://127.0.0.1:{places.ETCD_PORT}"
    peer = f"http://127.0.0.1:{places.ETCD_PEER_PORT}"
    return Component(
        name="etcd",
        argv=(
            str(programs / "server"),
            "--name=quartermaster",
            f"--data-dir={layout.state / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=quartermaster={peer}",
            "--unsafe-no-fsync",
            "--quota-backend-bytes=2147483648",
            "--log-level=warn",
        ),
        probe=f"{client}/health",
    )


def apiserver(layout: Layout, programs: Path) -> Component:
    """The API, on an address of the cluster's own that the machine's network does not reach.

    It keeps an audit of what becomes of pods, nodes and prices, of bounded size.
    """
    pki = layout.pki
    policy = layout.config / "audit-policy.json"
    return Component(
        name="apiserver",
        argv=(
            str(programs / "kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{places.ETCD_PORT}",
            f"--bind-address={places.API_ADDRESS}",
            f"--advertise-address={places.API_ADDRESS}",
            f"--secure-port={places.API_PORT}",
            f"--service-cluster-ip-range={places.SERVICE_CIDR}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--client-ca-file={pki / 'ca.crt'}",
            f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}",
            f"--kubelet-client-certificate={pki / 'kube-apiserver-client.crt'}",
            f"--kubelet-client-key={pki / 'kube-apiserver-client.key'}",
            # Node names are in no DNS: without this, logs and exec look them up and fail.
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki / 'sa.pub'}",
            f"--service-account-signing-key-file={pki / 'sa.key'}",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={layout.audit}",
            "--audit-log-maxsize=64",
            "--audit-log-maxbackup=2",
            "--max-requests-inflight=800",
            "--max-mutating-requests-inflight=400",
            "--profiling=false",
        ),
        probe=f"{_API}/readyz",
        files={policy: _json(_AUDIT)},
        # It would wait for every open watch, a minute and more; watchers must bear its loss anyway.
        grace_s=3.0,
    )


def controller_manager(layout: Layout, programs: Path) -> Component:
    """The controllers, quick enough for a thousand Jobs."""
    pki = layout.pki
    return Component(
        name="controller-manager",
        argv=(
            str(programs / "kube-controller-manager"),
            f"--kubeconfig={certificates.kubeconfig(layout, 'kube-controller-manager')}",
            "--bind-address=127.0.0.1",
            f"--secure-port={places.CONTROLLER_MANAGER_PORT}",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={pki / 'sa.key'}",
            f"--root-ca-file={pki / 'ca.crt'}",
            f"--cluster-signing-cert-file={pki / 'ca.crt'}",
            f"--cluster-signing-key-file={pki / 'ca.key'}",
            f"--kube-api-qps={_CLIENT_QPS}",
            f"--kube-api-burst={_CLIENT_BURST}",
            "--concurrent-job-syncs=20",
            "--concurrent-endpoint-syncs=10",
            "--concurrent-service-endpoint-syncs=10",
            "--concurrent-serviceaccount-token-syncs=10",
            "--concurrent-gc-syncs=40",
            "--node-monitor-grace-period=40s",
            "--profiling=false",
        ),
        probe=f"https://127.0.0.1:{places.CONTROLLER_MANAGER_PORT}/healthz",
    )


def scheduler(layout: Layout, programs: Path) -> Component:
    """The kube-scheduler as it comes, but for its client's speed."""
    config = layout.config / "scheduler.json"
    return Component(
        name="scheduler",
        argv=(
            str(programs / "kube-scheduler"),
            f"--config={config}",
            "--bind-address=127.0.0.1",
            f"--secure-port={places.SCHEDULER_PORT}",
        ),
        probe=f"https://127.0.0.1:{places.SCHEDULER_PORT}/healthz",
        files={
            config: _json(
                {
                    "apiVersion": "kubescheduler.config.k8s.io/v1",
                    "kind": "KubeSchedulerConfiguration",
                    "clientConnection": _client(layout, "kube-scheduler"),
                    "leaderElection": {"leaderElect": False},
                    "enableProfiling": False,
                }
            )
        },
    )


def kube_proxy(layout: Layout, programs: Path) -> Component:
    """Service addresses, as iptables rules of the one network both nodes share."""
    config = layout.config / "kube-proxy.json"
    return Component(
        name="kube-proxy",
        argv=(str(programs / "kube-proxy"), f"--config={config}"),
        probe=f"http://127.0.0.1:{places.PROXY_HEALTH_PORT}/healthz",
        files={
            config: _json(
                {
                    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                    "kind": "KubeProxyConfiguration",
                    "clientConnection": _client(layout, "kube-proxy"),
                    "mode": "iptables",
                    "clusterCIDR": places.POD_CIDR,
                    "hostnameOverride": LOCAL_NODES[0].name,
                    "bindAddress": "127.0.0.1",
                    "healthzBindAddress": f"127.0.0.1:{places.PROXY_HEALTH_PORT}",
                    "metricsBindAddress": f"127.0.0.1:{places.PROXY_METRICS_PORT}",
                    # Zero leaves the kernel's connection table as the machine has it.
                    "conntrack": {"maxPerCore": 0, "min": 0},
                    "iptables": {"minSyncPeriod": "500ms", "syncPeriod": "1m"},
                }
            )
        },
    )


def coredns(layout: Layout, programs: Path) -> Component:
    """Cluster DNS as a process on a fixed address; as a pod it would need an image.

    Answers are cached briefly, and absences hardly at all: a gang looks its first worker up while
    that worker is still starting.
    """
    config = layout.config / "Corefile"
    text = f""".:53 {{
    bind {places.DNS_ADDRESS}
    errors
    health 127.0.0.1:{places.DNS_HEALTH_PORT}
    kubernetes {places.CLUSTER_DOMAIN} in-addr.arpa {{
        kubeconfig {layout.kubeconfig}
        pods insecure
        ttl 2
    }}
    forward . /etc/resolv.conf
    cache {{
        success 4096 2
        denial 4096 1
    }}
    loadbalance
}}
"""
    return Component(
        name="coredns",
        argv=(str(programs / "coredns"), "-conf", str(config)),
        probe=f"http://127.0.0.1:{places.DNS_HEALTH_PORT}/health",
        files={config: text},
    )


def registry(layout: Layout, programs: Path) -> Component:
    """The loopback registry that images travel by: of a changed image, only changed layers move."""
    config = layout.config / "registry.json"
    return Component(
        name="registry",
        argv=(str(programs / "registry"), "serve", str(config)),
        probe=f"http://{places.REGISTRY}/v2/",
        files={
            config: _json(
                {
                    "version": 0.1,
                    "log": {"level": "warn", "accesslog": {"disabled": True}},
                    "storage": {
                        "filesystem": {"rootdirectory": str(layout.state / "registry")},
                        "delete": {"enabled": True},
                    },
                    "http": {"addr": places.REGISTRY},
                }
            )
        },
        env={"OTEL_TRACES_EXPORTER": "none"},
    )


def provisioner(layout: Layout) -> Component:
    """Our own loop that makes and removes the volumes of storage class ``shared``."""
    socket = layout.runtime / "provisioner.sock"
    return Component(
        name="provisioner",
        argv=(_interpreter(), "-m", "devcluster", "volumes", "--serve", str(socket)),
        probe=f"unix://{socket}",
        env={
            "PYTHONPATH": str(layout.repository),
            "QM_STATE": str(layout.state),
            # Not read by anybody: a changed loop is another configuration, so it is replaced.
            "QM_SOURCE": hashlib.sha256(Path(volumes.__file__).read_bytes()).hexdigest()[:16],
        },
    )


def kwok(layout: Layout, programs: Path) -> Component:
    """The controller that keeps fake nodes ready and runs the pods placed on them."""
    config = layout.config / "kwok.yaml"
    return Component(
        name="kwok",
        argv=(
            str(programs / "kwok"),
            f"--kubeconfig={layout.kubeconfig}",
            f"--config={config}",
            "--manage-all-nodes=false",
            f"--manage-nodes-with-label-selector=type={FAKE_TYPE}",
            f"--cidr={places.FAKE_POD_CIDR}",
            # Leases renew every 20 s or so: 500 nodes cost 25 small writes a second.
            "--node-lease-duration-seconds=80",
            f"--server-address=127.0.0.1:{places.KWOK_PORT}",
            "--v=WARN",
        ),
        probe=f"http://127.0.0.1:{places.KWOK_PORT}/healthz",
        files={config: stages.document()},
    )


def _interpreter() -> str:
    """The Python below any virtual environment: the same from whichever one we were called."""
    base = Path(sys.base_prefix) / "bin" / "python3"
    return str(base) if base.exists() else sys.executable


def _client(layout: Layout, name: str) -> dict[str, object]:
    """A component's connection to the API."""
    return {
        "kubeconfig": str(certificates.kubeconfig(layout, name)),
        "qps": _CLIENT_QPS,
        "burst": _CLIENT_BURST,
    }


def _json(value: object) -> str:
    """Configuration as JSON, which every reader of YAML takes."""
    return json.dumps(value, indent=2) + "\n"
