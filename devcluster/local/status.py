"""What runs, how it is, and what the nodes have: one table a question."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from devcluster import scale
from devcluster.errors import DevclusterError
from devcluster.hardware import GPU_RESOURCE
from devcluster.image import delivery, product
from devcluster.kube import Client
from devcluster.layout import Layout
from devcluster.local import binaries, cluster, processes
from devcluster.local.node import local_nodes


def show(layout: Layout) -> bool:
    """Print the tables; returns whether everything that should run is well."""
    rows, well = _component_rows(layout)
    print(table(("COMPONENT", "PID", "MEMORY", "HEALTH"), rows))
    try:
        client = Client(layout.kubeconfig)
        nodes = [_node_row(layout, client, node.name) for node in local_nodes()]
        fakes = len(scale.present_names(client))
    except DevclusterError as error:
        print(f"\nnodes unknown: {error}")
        return False
    print("\n" + table(("NODE", "READY", "GPUS", "PRODUCT", "CAPACITY", "IMAGES"), nodes))
    print(f"\nfake nodes: {fakes}\nkubeconfig: {layout.kubeconfig}")
    for name, reference in sorted(product.references(layout).items()):
        print(f"image {name}: {reference}")
    return well


def _component_rows(layout: Layout) -> tuple[list[tuple[str, ...]], bool]:
    rows: list[tuple[str, ...]] = []
    well = True
    for name, component in cluster.components(layout, binaries.folder(layout)).items():
        record = processes.running(layout, name)
        if record is None:
            # Fake nodes are asked for; everything else is expected.
            optional = name == "kwok"
            well = well and optional
            rows.append((name, "-", "-", "off" if optional else "not running"))
            continue
        healthy = processes.answers(component.probe)
        well = well and healthy
        rows.append((name, str(record.pid), _memory(record.pid), "ok" if healthy else "no answer"))
    return rows, well


def _memory(pid: int) -> str:
    """Resident memory of a process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return "-"
    kib = next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
    return f"{kib // 1024} MiB"


def _node_row(layout: Layout, client: Client, name: str) -> tuple[str, ...]:
    node: dict[str, Any] = client.get(f"/api/v1/nodes/{name}")
    labels, status = node["metadata"]["labels"], node["status"]
    ready = next(
        (one["status"] for one in status.get("conditions", []) if one["type"] == "Ready"), "Unknown"
    )
    return (
        name,
        ready,
        str(status.get("allocatable", {}).get(GPU_RESOURCE, "0")),
        labels.get("nvidia.com/gpu.product", "-"),
        labels.get("karpenter.sh/capacity-type", "-"),
        str(len(delivery.node_images(layout, name))),
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two spaces between."""
    every = [head, *rows]
    widths = [max(len(row[column]) for row in every) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in every
    )
