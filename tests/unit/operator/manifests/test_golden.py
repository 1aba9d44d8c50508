"""The objects of a job, line for line. QM_GOLDEN=write writes the files anew: look at the diff."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from quartermaster import __version__
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.resources import GpuResource
from quartermaster.manifests import devices, volume, worker

GOLDEN = Path(__file__).parents[3] / "golden" / "manifests"
KEY, UID = NamespacedName("team-a", "digits"), "0f2c7a1e-93d4-4c5b-8a76-1b2c3d4e5f60"
SPECS: dict[str, dict[str, Any]] = {
    "built-in": {
        "model": {"factory": "qm_trainer.zoo:resnet", "args": {"numClasses": 10}},
        "dataset": {"uri": "builtin://digits"},
    },
    "gang-of-gpus": {
        "model": {"factory": "qm_trainer.zoo:resnet"},
        "dataset": {"uri": "file:///artifacts/data"},
        "trainer": {
            "workers": 4,
            "resourcesPerWorker": {"gpus": 8, "cpu": "96", "memory": "1024Gi"},
            "precision": "BF16",
        },
        "checkpoint": {"uri": "pvc://shared/runs/vision"},
        "failurePolicy": {"maxRestarts": 0},
        "activeDeadlineSeconds": 86400,
    },
    "gang-of-amd": {
        "trainer": {
            "image": "registry.example.com/train:rocm",
            "command": ["torchrun", "/workspace/train.py"],
            "workers": 2,
            "resourcesPerWorker": {"gpus": 8, "gpuResource": "amd.com/gpu", "memory": "512Gi"},
        },
    },
    "in-a-bucket": {
        "model": {"factory": "qm_trainer.zoo:resnet"},
        "dataset": {"uri": "builtin://digits"},
        "trainer": {"workers": 2},
        "checkpoint": {"uri": "s3://models/vision/", "secretName": "bucket-keys"},
    },
    "mig-device": {
        "model": {"factory": "qm_trainer.zoo:mlp"},
        "dataset": {"uri": "builtin://digits"},
        "trainer": {"resourcesPerWorker": {"gpuPartition": "1g.10gb", "cpu": "2"}},
    },
    "device-class": {
        "trainer": {
            "command": ["python", "/workspace/train.py"],
            "workers": 2,
            "resourcesPerWorker": {"gpus": 2, "deviceClass": "gpu.nvidia.com", "cpu": "2"},
        },
    },
    "own-script": {
        "trainer": {
            "image": "registry.example.com/train:1.2",
            "command": ["torchrun", "/workspace/train.py"],
            "args": ["--epochs", "3"],
            "env": [{"name": "NCCL_DEBUG", "value": "INFO"}],
            "code": {"configMapName": "my-code"},
            "workers": 2,
            "resourcesPerWorker": {"gpus": 0, "cpu": "1500m", "memory": "512Mi"},
        },
        "checkpoint": {"storageClassName": "fast", "size": "1Gi"},
        "suspend": True,
    },
}


def documents(spec: TrainingJobSpec) -> list[dict[str, Any]]:
    before = [volume.claim(spec, KEY, UID), devices.template(spec, KEY, UID)]
    job = worker.job(
        spec,
        KEY,
        UID,
        trainer_image="quartermaster/trainer:1",
        progress_url="http://quartermaster.quartermaster-system.svc:8080/v1/progress",
    )
    return [*(it for it in before if it), worker.service(KEY, UID), job]


@pytest.mark.parametrize("name", SPECS)
def test_the_objects_of_a_job_are_these(name: str) -> None:
    made = documents(TrainingJobSpec.model_validate(SPECS[name]))
    text = yaml.safe_dump_all(made, sort_keys=False, width=100).replace(__version__, "VERSION")
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("QM_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("resource", GpuResource)
def test_a_pod_asks_for_its_makers_gpus_and_passes_their_taint(resource: GpuResource) -> None:
    needs = {"gpus": 2, "gpuResource": resource.value}
    trainer = {"command": ["train"], "resourcesPerWorker": needs}
    job = documents(TrainingJobSpec.model_validate({"trainer": trainer}))[-1]
    pod = job["spec"]["template"]["spec"]
    asked = pod["containers"][0]["resources"]
    for amounts in (asked["requests"], asked["limits"]):
        assert {name: n for name, n in amounts.items() if "/" in name} == {resource.value: "2"}
    passed = {toleration["key"] for toleration in pod["tolerations"]}
    assert passed & set(GpuResource) == {resource.value}


@pytest.mark.parametrize("name", SPECS)
def test_pods_keep_the_restricted_standard(name: str) -> None:
    """Source: Kubernetes documentation, Pod Security Standards, Restricted, v1.34."""
    spec = TrainingJobSpec.model_validate(SPECS[name])
    job = documents(spec)[-1]
    pod = job["spec"]["template"]["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & set(pod)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] != 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    allowed = {"configMap", "emptyDir", "projected", "persistentVolumeClaim"}
    assert all(set(v) - {"name"} <= allowed for v in pod["volumes"])
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"] is True
        assert not any("hostPort" in port for port in container["ports"])


@pytest.mark.parametrize("name", SPECS)
def test_every_mount_has_its_volume_and_every_volume_its_mount(name: str) -> None:
    pod = documents(TrainingJobSpec.model_validate(SPECS[name]))[-1]["spec"]["template"]["spec"]
    mounts = [mount["name"] for mount in pod["containers"][0]["volumeMounts"]]
    assert sorted(mounts) == sorted(volume["name"] for volume in pod["volumes"])


def test_a_variable_of_the_users_goes_before_the_secrets() -> None:
    """Two of one name would be refused by the API server."""
    tree = SPECS["in-a-bucket"] | {
        "trainer": {"env": [{"name": "AWS_REGION", "value": "eu-west-1"}]}
    }
    (container,) = documents(TrainingJobSpec.model_validate(tree))[-1]["spec"]["template"]["spec"][
        "containers"
    ]
    regions = [variable for variable in container["env"] if variable["name"] == "AWS_REGION"]
    assert regions == [{"name": "AWS_REGION", "value": "eu-west-1"}]
