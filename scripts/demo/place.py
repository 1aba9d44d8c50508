"""Where the demonstration runs: which cluster, which programs, which log folder."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster import layout
from devcluster.layout import Layout
from scripts.demo.errors import DemoError

OPERATOR_NAMESPACE = "quartermaster-system"
NAMESPACE = "demo"
JOB = "digits"
SPOT_JOB = "digits-spot"
RELEASE = "quartermaster"
ROOT = Path(__file__).resolve().parents[2]
_KIND_CONTEXT = "kind-quartermaster"


@dataclass(frozen=True, slots=True)
class Place:
    """One cluster as the demonstration sees it."""

    cluster: str
    """`local`, `kind` or `existing`, as in the Makefile."""
    layout: Layout
    path: str
    """Where programs are looked for, as in the variable PATH."""

    @property
    def is_local(self) -> bool:
        """Whether the cluster is the one that `make cluster-up` starts."""
        return self.cluster == "local"

    @property
    def kubeconfig(self) -> str | None:
        """The kubeconfig to use; None means the user's own."""
        return str(self.layout.kubeconfig) if self.is_local else None

    @property
    def context(self) -> str | None:
        """The kubeconfig's context to use; None means the current one."""
        return _KIND_CONTEXT if self.cluster == "kind" else None

    @property
    def environment(self) -> dict[str, str]:
        """What to add to the environment of every program."""
        more = {"PATH": self.path}
        return more | {"KUBECONFIG": self.kubeconfig} if self.kubeconfig else more

    def kubectl(self, *arguments: str) -> list[str]:
        """A command line of kubectl for this cluster."""
        chosen = [f"--context={self.context}"] if self.context else []
        return ["kubectl", *chosen, *arguments]

    def helm(self, *arguments: str) -> list[str]:
        """A command line of helm for this cluster."""
        chosen = [f"--kube-context={self.context}"] if self.context else []
        return ["helm", *chosen, *arguments]

    def log(self, step: str) -> Path:
        """Where a step's output goes."""
        return self.layout.logs / f"demo-{step}.log"

    def image(self, name: str) -> str:
        """The image that was built last under a name.

        Raises:
            DemoError: None was built.
        """
        try:
            known = json.loads(self.layout.images_file.read_text())
            return str(known[name])
        except (OSError, ValueError, KeyError):
            raise DemoError(
                f"no {name} image is noted in {self.layout.images_file}: run `make images`"
            ) from None


def from_environment(environment: Mapping[str, str]) -> Place:
    """The place that `CLUSTER`, `QM_STATE` and `QM_CACHE` name.

    Raises:
        DemoError: The cluster's kind is unknown, or a program is missing.
    """
    cluster = environment.get("CLUSTER") or "local"
    if cluster not in ("local", "kind", "existing"):
        raise DemoError(f"CLUSTER={cluster} is none of local, kind, existing")
    places = layout.from_environment(environment, Path.home())
    path = environment.get("PATH", os.defpath)
    if cluster == "local":
        path = os.pathsep.join((str(places.state / "bin"), path))
    else:
        for program in ("kubectl", "helm"):
            if shutil.which(program, path=path) is None:
                raise DemoError(
                    f"{program} is not installed; CLUSTER=local brings its own, CLUSTER={cluster} "
                    "uses yours"
                )
    return Place(cluster, places, path)
