"""Where the cluster is: a kubeconfig, or the pod that this runs in."""

from pathlib import Path
from typing import Any

import yaml
from kubernetes import client
from kubernetes.config import incluster_config, kube_config
from kubernetes.config.config_exception import ConfigException

from kubectl_qm.access.api_server import ApiServer
from kubectl_qm.access.kube import KubernetesCluster
from kubectl_qm.errors import UnreachableError, UsageError

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
DEFAULT_NAMESPACE = "default"

_kube: Any = kube_config
_incluster: Any = incluster_config
"""The client's configuration carries no types."""


def connect(kubeconfig: str | None, context: str | None) -> KubernetesCluster:
    """A cluster by kubeconfig and context; where there is no kubeconfig, the pod's own.

    Raises:
        UsageError: The file or the context cannot be used.
        UnreachableError: Nothing says where a cluster is.
    """
    configuration = client.Configuration()
    # A lost network ends a followed log.
    configuration.keep_alive = True
    content = _content(kubeconfig)
    if content is not None:
        namespace = _load(configuration, content, context)
    elif context is not None:
        raise UsageError(f"context {context!r}: there is no kubeconfig; give one by --kubeconfig")
    else:
        namespace = _load_own(configuration)
    return KubernetesCluster(ApiServer(configuration), namespace)


def _content(kubeconfig: str | None) -> Any:
    """The merged kubeconfig; None where there is none at the usual places."""
    if kubeconfig is not None and not Path(kubeconfig).is_file():
        raise UsageError(f"kubeconfig {kubeconfig}: there is no such file")
    places = kubeconfig or _kube.KUBE_CONFIG_DEFAULT_LOCATION
    try:
        return _kube.KubeConfigMerger(places).config
    except (ConfigException, yaml.YAMLError, OSError, TypeError, AttributeError) as error:
        raise UsageError(f"kubeconfig {places}: not readable as one ({_line(error)})") from error


def _load(configuration: client.Configuration, content: Any, context: str | None) -> str:
    """Fills the configuration, and gives the context's namespace."""
    try:
        loader = _kube.KubeConfigLoader(
            config_dict=content, config_base_path=None, active_context=context
        )
        loader.load_and_set(configuration)
        chosen = loader.current_context["context"]
    except ConfigException as error:
        raise UsageError(_unusable(content, context, error)) from error
    return str(chosen.get("namespace") or DEFAULT_NAMESPACE)


def _unusable(content: Any, context: str | None, error: Exception) -> str:
    names = [str(each["name"]) for each in content.safe_get("contexts") or []]
    known = f"; there are: {', '.join(sorted(names))}" if names else "; there are none"
    if context is not None and context not in names:
        return f"context {context!r} is not in the kubeconfig{known}"
    if not content.safe_get("current-context"):
        return f"the kubeconfig names no current context{known}; give one by --context"
    return f"the kubeconfig cannot be used: {_line(error)}"


def _load_own(configuration: client.Configuration) -> str:
    try:
        _incluster.load_incluster_config(client_configuration=configuration)
        return NAMESPACE_FILE.read_text().strip() or DEFAULT_NAMESPACE
    except (ConfigException, OSError) as error:
        raise UnreachableError(
            "no cluster is configured: set KUBECONFIG or give --kubeconfig FILE"
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
