"""Kubernetes' own programs, built from pinned Go modules and kept by the hash of what made them."""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from devcluster.command import run_logged
from devcluster.errors import DevclusterError
from devcluster.layout import Layout
from devcluster.progress import Progress

KUBERNETES_VERSION = "1.34.4"
_MAJOR, _MINOR, _ = KUBERNETES_VERSION.split(".")
_VERSION_FLAGS = " ".join(
    f"-X k8s.io/component-base/version.{name}={value}"
    for name, value in (
        ("gitVersion", f"v{KUBERNETES_VERSION}"),
        ("gitMajor", _MAJOR),
        ("gitMinor", _MINOR),
    )
)
"""Without this stamp every component reports v0.0.0 and clients refuse to talk to it."""


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module whose tools are wanted, and the programs that come out of it."""

    folder: str
    """Relative to ``devcluster/binaries``."""
    programs: tuple[str, ...]
    flags: str = ""
    """Further linker flags."""


# Modules of their own where the versions of what they share exclude each other.
MODULES = (
    Module(
        ".",
        (
            "coredns",
            "helm",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-proxy",
            "kube-scheduler",
            "kubectl",
            "kubelet",
            "server",  # This is etcd: go install names it by its package.
        ),
        _VERSION_FLAGS,
    ),
    Module("kwok", ("kwok",)),
    Module("registry", ("registry",)),
)


def cache_key(sources: Path, modules: tuple[Module, ...] = MODULES) -> str:
    """What the programs are made of, as 16 hexadecimal digits.

    Args:
        sources: The folder that holds the modules.
        modules: Which modules.
    """
    digest = hashlib.sha256()
    for module in modules:
        digest.update(f"{module.folder}\0{module.flags}\0".encode())
        for name in ("go.mod", "go.sum"):
            digest.update((sources / module.folder / name).read_bytes())
    return digest.hexdigest()[:16]


def sources(layout: Layout) -> Path:
    """The folder with the Go modules."""
    return layout.repository / "devcluster" / "binaries"


def folder(layout: Layout) -> Path:
    """Where the programs are, or will be once built."""
    return layout.cache / "binaries" / cache_key(sources(layout))


def ensure(layout: Layout, progress: Progress) -> Path:
    """Build what is missing and return the folder of all programs.

    A cold build takes minutes, so it says every ten seconds that it goes on.

    Raises:
        DevclusterError: Go is missing, or a build failed.
    """
    target = folder(layout)
    for module in MODULES:
        if all((target / program).exists() for program in module.programs):
            continue
        _build(module, layout, target, progress)
    return target


def _build(module: Module, layout: Layout, target: Path, progress: Progress) -> None:
    """Install one module's tools, whole or not at all."""
    if shutil.which("go") is None:
        raise DevclusterError("Go 1.25 or newer is needed to build Kubernetes: install it first")
    progress.say(f"building {', '.join(module.programs)} (once; minutes)")
    staging = target.with_suffix(".building")
    staging.mkdir(parents=True, exist_ok=True)
    run_logged(
        ["go", "install", "-v", "-trimpath", f"-ldflags=-s -w {module.flags}".strip(), "tool"],
        log=layout.logs / f"build-{module.programs[0]}.log",
        what=f"building {module.programs[0]} and its siblings",
        progress=progress,
        cwd=sources(layout) / module.folder,
        env={"GOBIN": str(staging), "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"},
    )
    target.mkdir(parents=True, exist_ok=True)
    for program in module.programs:
        (staging / program).replace(target / program)


def missing_packages() -> list[str]:
    """Debian packages the local cluster needs and this machine lacks."""
    return [name for name, program in PACKAGES.items() if not _is_there(program)]


PACKAGES = {
    "containerd": "/usr/bin/containerd",
    "runc": "/usr/sbin/runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "iptables": "/usr/sbin/iptables",
    "conntrack": "/usr/sbin/conntrack",
    "buildah": "/usr/bin/buildah",
    "debootstrap": "/usr/sbin/debootstrap",
    "busybox-static": "/bin/busybox",
    "prometheus": "/usr/bin/prometheus",
    "openssl": "/usr/bin/openssl",
    "iproute2": "/sbin/ip",
}
"""Package to a file of it; dpkg would be slower to ask, and another source may have brought it."""


def _is_there(program: str) -> bool:
    """Whether a program is at its place or on the path."""
    return Path(program).exists() or shutil.which(Path(program).name) is not None


def ensure_packages(layout: Layout, progress: Progress) -> None:
    """Install missing Debian packages, and say which.

    Raises:
        DevclusterError: This is no Debian, or the installation failed.
    """
    missing = missing_packages()
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise DevclusterError(f"not installed: {', '.join(missing)}; install them and try again")
    progress.say(f"installing Debian packages: {', '.join(missing)}")
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        run_logged(
            ["apt-get", *arguments],
            log=layout.logs / "apt.log",
            what=f"apt-get {arguments[0]}",
            progress=progress,
            env={"DEBIAN_FRONTEND": "noninteractive"},
        )
    _stop_packaged_services(missing)


def _stop_packaged_services(installed: list[str]) -> None:
    """Debian starts what it installs; the cluster brings its own containerd and Prometheus."""
    if shutil.which("systemctl") is None:
        return
    for service in sorted({"containerd", "prometheus"} & set(installed)):
        subprocess.run(
            ["systemctl", "disable", "--now", service],
            stdout=sys.stderr,
            check=False,
        )
