"""Devices of Dynamic Resource Allocation, as amounts beside whole GPUs and parts of them.

Source: Kubernetes 1.34, resource.k8s.io/v1, and NVIDIA k8s-dra-driver-gpu, whose attributes
`productName` and `parentUUID` are read (25.8).
"""

PREFIX = "deviceclass.resource.kubernetes.io/"
"""Kubernetes' own way to write a DeviceClass as a resource (1.34, KEP-5004)."""
PRODUCT, PARENT = "productName", "parentUUID"
"""Attributes in a driver's own domain: the GPU's model, and the GPU that a part is of."""


def resource(device_class: str) -> str:
    """The amount's name that stands for devices of a class."""
    return PREFIX + device_class


def class_of(name: str) -> str:
    """The class whose devices an amount counts; empty where it counts something else."""
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else ""


def is_gpu(driver: str, product: str) -> bool:
    """Whether a driver's devices are GPUs, and no network cards or the like.

    They name their model, or the driver's name begins with `gpu.`, as that of each maker does.
    """
    return bool(product) or driver.startswith("gpu.")


def model_name(product: str) -> str:
    """The GPU model as the label of GPU feature discovery has it: without blanks."""
    return product.strip().replace(" ", "-")
