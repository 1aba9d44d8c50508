"""What happens to fake nodes and the pods on them, as the stages kwok plays.

Template functions and the stage form are kwok's (v1alpha1). A pod is running as soon as it is
bound; if it carries an annotation with a number of seconds it succeeds after them.
"""

RUN_ANNOTATION = "quartermaster.dev/kwok-run"
"""How long a fake pod runs, as a Go duration (``30s``); without it, until it is deleted."""

_NODE_CONDITIONS = """\
      {{ $now := Now }}
      conditions:
      {{ range NodeConditions }}
      - type: {{ .type | Quote }}
        status: {{ .status | Quote }}
        reason: {{ .reason | Quote }}
        message: {{ .message | Quote }}
        lastHeartbeatTime: {{ $now | Quote }}
        lastTransitionTime: {{ $now | Quote }}
      {{ end }}
"""

_NODE_READY = f"""\
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: node-ready
spec:
  resourceRef: {{apiGroup: v1, kind: Node}}
  selector:
    matchExpressions:
    - key: '.status.conditions.[] | select( .type == "Ready" ) | .status'
      operator: NotIn
      values: ["True"]
  next:
    statusTemplate: |
{_NODE_CONDITIONS}
      addresses:
      - {{type: InternalIP, address: {{{{ NodeIP | Quote }}}}}}
      - {{type: Hostname, address: {{{{ NodeName | Quote }}}}}}
      nodeInfo:
        architecture: amd64
        operatingSystem: linux
        bootID: ""
        machineID: ""
        systemUUID: ""
        osImage: ""
        kernelVersion: ""
        kubeProxyVersion: ""
        kubeletVersion: {{{{ printf "kwok-%s" Version | Quote }}}}
        containerRuntimeVersion: kwok
      phase: Running
"""

_POD_RUNNING = """\
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: pod-running
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
    - {key: .status.podIP, operator: DoesNotExist}
  next:
    statusTemplate: |
      {{ $now := Now }}
      phase: Running
      startTime: {{ $now | Quote }}
      hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
      podIP: {{ PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) ( or .metadata.name "" ) ( or .metadata.namespace "" ) | Quote }}
      conditions:
      {{ range $kind := list "Initialized" "Ready" "ContainersReady" }}
      - {type: {{ $kind | Quote }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
      {{ end }}
      containerStatuses:
      {{ range .spec.containers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        ready: true
        started: true
        restartCount: 0
        state: {running: {startedAt: {{ $now | Quote }}}}
      {{ end }}
"""  # noqa: E501 - one template expression cannot be broken over lines.

_POD_SUCCEEDED = f"""\
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: pod-succeeded
spec:
  resourceRef: {{apiGroup: v1, kind: Pod}}
  selector:
    matchExpressions:
    - {{key: .metadata.deletionTimestamp, operator: DoesNotExist}}
    - {{key: .status.phase, operator: In, values: [Running]}}
    - {{key: '.metadata.annotations["{RUN_ANNOTATION}"]', operator: Exists}}
  delay:
    durationFrom:
      jq: {{expression: '.metadata.annotations["{RUN_ANNOTATION}"]'}}
  next:
    statusTemplate: |
      {{{{ $now := Now }}}}
      {{{{ $started := .status.startTime }}}}
      phase: Succeeded
      containerStatuses:
      {{{{ range .spec.containers }}}}
      - name: {{{{ .name | Quote }}}}
        image: {{{{ .image | Quote }}}}
        ready: false
        started: false
        restartCount: 0
        state:
          terminated:
            exitCode: 0
            reason: Completed
            startedAt: {{{{ $started | Quote }}}}
            finishedAt: {{{{ $now | Quote }}}}
      {{{{ end }}}}
"""

_POD_ENDED = """\
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: pod-ended
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: Exists}
    - {key: .status.phase, operator: NotIn, values: [Succeeded, Failed]}
  next:
    # As a kubelet does: what is deleted is ended first, and says when.
    statusTemplate: |
      {{ $now := Now }}
      {{ $started := or .status.startTime $now }}
      phase: Failed
      containerStatuses:
      {{ range .spec.containers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        ready: false
        started: false
        restartCount: 0
        state:
          terminated:
            exitCode: 143
            reason: Error
            startedAt: {{ $started | Quote }}
            finishedAt: {{ $now | Quote }}
      {{ end }}
"""

_POD_DELETED = """\
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: pod-deleted
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: Exists}
    # The Job controller counts a pod by its own finalizer, and removes it when it has.
    - {key: '.metadata.finalizers.[]', operator: DoesNotExist}
  next:
    delete: true
"""


def document() -> str:
    """All stages as one YAML document stream."""
    return "---\n".join((_NODE_READY, _POD_RUNNING, _POD_SUCCEEDED, _POD_ENDED, _POD_DELETED))
