"""GPU machine types of Google Cloud. N1 has none of its own: its GPUs are chosen by number."""

from quartermaster.catalog.published.datasheet import READ
from quartermaster.catalog.published.machine_type import Family, Size
from quartermaster.domain.hardware import Source

# Google prints GB and means 2^30 bytes: its API has 85 of them as 87,040 MiB.
_SOURCE = Source("Google Compute Engine, GPU machine types", READ)
_RTX_PRO_6000 = "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition"

FAMILIES = (
    Family("GCP", "NVIDIA-A100-SXM4-40GB", linked=True, source=_SOURCE, sizes=(
        Size("a2-highgpu-1g", 1, 12, 85, 24),
        Size("a2-highgpu-2g", 2, 24, 170, 32),
        Size("a2-highgpu-4g", 4, 48, 340, 50),
        Size("a2-highgpu-8g", 8, 96, 680, 100),
        Size("a2-megagpu-16g", 16, 96, 1360, 100),
    )),
    Family("GCP", "NVIDIA-A100-SXM4-80GB", linked=True, source=_SOURCE, sizes=(
        Size("a2-ultragpu-1g", 1, 12, 170, 24),
        Size("a2-ultragpu-2g", 2, 24, 340, 32),
        Size("a2-ultragpu-4g", 4, 48, 680, 50),
        Size("a2-ultragpu-8g", 8, 96, 1360, 100),
    )),
    Family("GCP", "NVIDIA-H100-80GB-HBM3", linked=True, source=_SOURCE, sizes=(
        Size("a3-highgpu-1g", 1, 26, 234, 25),
        Size("a3-highgpu-2g", 2, 52, 468, 50),
        Size("a3-highgpu-4g", 4, 104, 936, 100),
        Size("a3-highgpu-8g", 8, 208, 1872, 1000),
        Size("a3-megagpu-8g", 8, 208, 1872, 1800),
    )),
    Family("GCP", "NVIDIA-H200", linked=True, source=_SOURCE, sizes=(
        Size("a3-ultragpu-8g", 8, 224, 2952, 3600),
    )),
    Family("GCP", "NVIDIA-B200", linked=True, source=_SOURCE, sizes=(
        Size("a4-highgpu-8g", 8, 224, 3968, 3600),
    )),
    Family("GCP", "NVIDIA-GB200", linked=True, source=_SOURCE, sizes=(
        Size("a4x-highgpu-4g", 4, 140, 884, 2000),
    )),
    Family("GCP", "NVIDIA-L4", linked=False, source=_SOURCE, sizes=(
        Size("g2-standard-4", 1, 4, 16, 10),
        Size("g2-standard-8", 1, 8, 32, 16),
        Size("g2-standard-12", 1, 12, 48, 16),
        Size("g2-standard-16", 1, 16, 64, 32),
        Size("g2-standard-32", 1, 32, 128, 32),
        Size("g2-standard-24", 2, 24, 96, 32),
        Size("g2-standard-48", 4, 48, 192, 50),
        Size("g2-standard-96", 8, 96, 384, 100),
    )),
    # The smaller G4 have a part of a GPU and are left out.
    Family("GCP", _RTX_PRO_6000, linked=False, source=_SOURCE, sizes=(
        Size("g4-standard-48", 1, 48, 180, 50),
        Size("g4-standard-96", 2, 96, 360, 100),
        Size("g4-standard-192", 4, 192, 720, 200),
        Size("g4-standard-384", 8, 384, 1440, 400),
    )),
)  # fmt: skip
