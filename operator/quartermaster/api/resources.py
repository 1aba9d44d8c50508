"""What one worker needs of one node: CPU, memory, and GPUs or parts of them."""

from typing import Annotated, ClassVar

from pydantic import Field

from quartermaster.api.base import ApiModel, ByteQuantity, CpuQuantity, Name, at_least
from quartermaster.api.rule import Keeps, Rule
from quartermaster.catalog.partitions import PARTITIONS
from quartermaster.domain.resources import GpuResource

PARTITION_NEEDS_GPUS = Rule(
    message="gpuPartition counts by gpus: give gpus: 1, or drop gpuPartition to train on CPU",
    holds=lambda needs: needs.gpu_partition is None or needs.gpus > 0,
    cel="!has(self.gpuPartition) || self.gpus > 0",
)
PARTS_ARE_NVIDIAS = Rule(
    message="gpuPartition is for nvidia.com/gpu: drop gpuResource, or ask for whole GPUs",
    holds=lambda needs: needs.gpu_partition is None or needs.gpu_resource is GpuResource.NVIDIA,
    cel="!has(self.gpuPartition) || self.gpuResource == 'nvidia.com/gpu'",
)
CLASS_NEEDS_GPUS = Rule(
    message="deviceClass counts by gpus: give gpus: 1, or drop deviceClass to train on CPU",
    holds=lambda needs: needs.device_class is None or needs.gpus > 0,
    cel="!has(self.deviceClass) || self.gpus > 0",
)
CLASS_IS_ALONE = Rule(
    message="deviceClass says which devices: drop gpuPartition and gpuResource",
    holds=lambda needs: (
        needs.device_class is None
        or (needs.gpu_partition is None and needs.gpu_resource is GpuResource.NVIDIA)
    ),
    cel="!has(self.deviceClass)"
    " || (!has(self.gpuPartition) && self.gpuResource == 'nvidia.com/gpu')",
)


class Resources(ApiModel):
    """What one worker needs of one node."""

    RULES: ClassVar = (PARTITION_NEEDS_GPUS, PARTS_ARE_NVIDIAS, CLASS_NEEDS_GPUS, CLASS_IS_ALONE)

    gpus: Annotated[int, Field(strict=True, ge=0, le=64)] = 1
    """GPUs, whole or of the kind that `gpuPartition` or `deviceClass` names [count].

    0 trains on CPU."""
    gpu_resource: GpuResource = GpuResource.NVIDIA
    """What they are asked for as: the job runs on this maker's GPUs only."""
    gpu_partition: (
        Annotated[
            str,
            Field(max_length=16),
            Keeps(
                Rule(
                    message="must be a MIG profile that some GPU has, such as 1g.10gb or 3g.40gb, "
                    "or shared, or shared-gpu",
                    holds=lambda name: name in PARTITIONS,
                    cel=f"self in {list(PARTITIONS)}",
                )
            ),
        ]
        | None
    ) = None
    """Parts of GPUs instead of whole ones: a MIG profile, such as `1g.10gb`, or a slot.

    `shared` is a slot of a GPU that pods share, where nodes offer it as `nvidia.com/gpu.shared`;
    `shared-gpu` one where they offer it as `nvidia.com/gpu`. Unset takes whole GPUs only."""
    device_class: Name | None = None
    """A DeviceClass of Dynamic Resource Allocation: `gpus` devices of it for each worker.

    For clusters whose drivers offer GPUs by `resource.k8s.io/v1` instead of a device plugin."""
    cpu: CpuQuantity = "1"
    """CPU request and, for a CPU-only worker, the number of its threads [cores]."""
    memory: Annotated[ByteQuantity, Keeps(at_least("16Mi"))] = "4Gi"
    """Memory request and limit [bytes]."""

    @property
    def whole_gpus(self) -> int:
        """Whole GPUs of a device plugin [count]."""
        return self.gpus if self.gpu_partition is None and self.device_class is None else 0
