"""GPU instance types of AWS."""

from quartermaster.catalog.published.datasheet import READ
from quartermaster.catalog.published.machine_type import Family, Size
from quartermaster.domain.hardware import Source

_NOW = Source("Karpenter provider for AWS, reference of instance types, 2026-08-21", READ)
_BEFORE = Source("Amazon EC2 instance types, previous generation", READ)

FAMILIES = (
    Family("AWS", "Tesla-K80", linked=False, source=_BEFORE, sizes=(
        Size("p2.xlarge", 1, 4, 61, None),
        Size("p2.8xlarge", 8, 32, 488, 10),
        Size("p2.16xlarge", 16, 64, 732, None),
    )),
    Family("AWS", "Tesla-V100-SXM2-16GB", linked=True, source=_BEFORE, sizes=(
        Size("p3.2xlarge", 1, 8, 61, None),
        Size("p3.8xlarge", 4, 32, 244, 10),
        Size("p3.16xlarge", 8, 64, 488, 25),
    )),
    Family("AWS", "Tesla-V100-SXM2-32GB", linked=True, source=_NOW, sizes=(
        Size("p3dn.24xlarge", 8, 96, 768, 100),
    )),
    Family("AWS", "NVIDIA-A100-SXM4-40GB", linked=True, source=_NOW, sizes=(
        Size("p4d.24xlarge", 8, 96, 1152, 400),
    )),
    Family("AWS", "NVIDIA-A100-SXM4-80GB", linked=True, source=_NOW, sizes=(
        Size("p4de.24xlarge", 8, 96, 1152, 400),
    )),
    Family("AWS", "NVIDIA-H100-80GB-HBM3", linked=True, source=_NOW, sizes=(
        Size("p5.4xlarge", 1, 16, 256, 100),
        Size("p5.48xlarge", 8, 192, 2048, 3200),
    )),
    Family("AWS", "NVIDIA-H200", linked=True, source=_NOW, sizes=(
        Size("p5e.48xlarge", 8, 192, 2048, 3200),
        Size("p5en.48xlarge", 8, 192, 2048, 3200),
    )),
    Family("AWS", "NVIDIA-B200", linked=True, source=_NOW, sizes=(
        Size("p6-b200.48xlarge", 8, 192, 2048, 3200),
    )),
    Family("AWS", "Tesla-T4", linked=False, source=_NOW, sizes=(
        Size("g4dn.xlarge", 1, 4, 16, 5),
        Size("g4dn.2xlarge", 1, 8, 32, 10),
        Size("g4dn.4xlarge", 1, 16, 64, 20),
        Size("g4dn.8xlarge", 1, 32, 128, 50),
        Size("g4dn.16xlarge", 1, 64, 256, 50),
        Size("g4dn.12xlarge", 4, 48, 192, 50),
        Size("g4dn.metal", 8, 96, 384, 100),
    )),
    Family("AWS", "NVIDIA-A10G", linked=False, source=_NOW, sizes=(
        Size("g5.xlarge", 1, 4, 16, 2.5),
        Size("g5.2xlarge", 1, 8, 32, 5),
        Size("g5.4xlarge", 1, 16, 64, 10),
        Size("g5.8xlarge", 1, 32, 128, 25),
        Size("g5.16xlarge", 1, 64, 256, 25),
        Size("g5.12xlarge", 4, 48, 192, 40),
        Size("g5.24xlarge", 4, 96, 384, 50),
        Size("g5.48xlarge", 8, 192, 768, 100),
    )),
    Family("AWS", "NVIDIA-L4", linked=False, source=_NOW, sizes=(
        Size("g6.xlarge", 1, 4, 16, 2.5),
        Size("g6.2xlarge", 1, 8, 32, 5),
        Size("g6.4xlarge", 1, 16, 64, 10),
        Size("g6.8xlarge", 1, 32, 128, 25),
        Size("g6.16xlarge", 1, 64, 256, 25),
        Size("gr6.4xlarge", 1, 16, 128, 10),
        Size("gr6.8xlarge", 1, 32, 256, 25),
        Size("g6.12xlarge", 4, 48, 192, 40),
        Size("g6.24xlarge", 4, 96, 384, 50),
        Size("g6.48xlarge", 8, 192, 768, 100),
    )),
    Family("AWS", "NVIDIA-L40S", linked=False, source=_NOW, sizes=(
        Size("g6e.xlarge", 1, 4, 32, 2.5),
        Size("g6e.2xlarge", 1, 8, 64, 5),
        Size("g6e.4xlarge", 1, 16, 128, 20),
        Size("g6e.8xlarge", 1, 32, 256, 25),
        Size("g6e.16xlarge", 1, 64, 512, 35),
        Size("g6e.12xlarge", 4, 48, 384, 100),
        Size("g6e.24xlarge", 4, 96, 768, 200),
        Size("g6e.48xlarge", 8, 192, 1536, 400),
    )),
    Family("AWS", "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", linked=False, source=_NOW, sizes=(
        Size("g7e.2xlarge", 1, 8, 64, 50),
        Size("g7e.4xlarge", 1, 16, 128, 50),
        Size("g7e.8xlarge", 1, 32, 256, 100),
        Size("g7e.12xlarge", 2, 48, 512, 400),
        Size("g7e.24xlarge", 4, 96, 1024, 800),
        Size("g7e.48xlarge", 8, 192, 2048, 1600),
    )),
)  # fmt: skip
