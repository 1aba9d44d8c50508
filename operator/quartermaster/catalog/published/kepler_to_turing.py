"""NVIDIA before Ampere: Kepler, Pascal, Volta, Turing."""

from quartermaster.catalog.published.datasheet import Memory, chip, one_way, pcie, row

_PCIE = pcie(3)
_P100 = "NVIDIA Tesla P100 datasheet"
_V100 = "NVIDIA V100 datasheet"

# A board has two, and a node counts each of them. The peak is half a board's, with GPU Boost.
_GK210 = chip(FP64=1.455, FP32=4.365)
_GP100_SXM2 = chip(FP64=5.3, FP32=10.6, FP16=21.2)
_GP100_PCIE = chip(FP64=4.7, FP32=9.3, FP16=18.7)
_GV100_SXM2 = chip(FP64=7.8, FP32=15.7, FP16=125)
_GV100_PCIE = chip(FP64=7, FP32=14, FP16=112)
_GV100_S = chip(FP64=8.2, FP32=16.4, FP16=130)
_TU104 = chip(FP32=8.1, FP16=65, INT8=130)
_TU102 = chip(FP32=16.3, FP16=130.5, INT8=261)
# GeForce runs tensor cores at half rate when they add up in FP32, which is what training does.
_TU102_GEFORCE = chip(FP32=13.4, FP16=53.8, INT8=215.2)

ROWS = (
    row(
        "Tesla-K80", _GK210, Memory(12, 240),
        link=None, bus=_PCIE, title="NVIDIA Tesla K80 datasheet, half a board",
    ),
    row("Tesla-P100-SXM2-16GB", _GP100_SXM2, Memory(16, 732),
        link=one_way(160), bus=_PCIE, title=_P100),
    row("Tesla-P100-PCIE-16GB", _GP100_PCIE, Memory(16, 732), link=None, bus=_PCIE, title=_P100),
    row("Tesla-P100-PCIE-12GB", _GP100_PCIE, Memory(12, 549), link=None, bus=_PCIE, title=_P100),
    row(
        "Tesla-P4", chip(FP32=5.5, INT8=22), Memory(8, 192),
        link=None, bus=_PCIE, title="NVIDIA Tesla P4 datasheet",
    ),
    row(
        "Tesla-P40", chip(FP32=12, INT8=47), Memory(24, 346),
        link=None, bus=_PCIE, title="NVIDIA Tesla P40 datasheet",
    ),
    row("Tesla-V100-SXM2-16GB", _GV100_SXM2, Memory(16, 900),
        link=one_way(300), bus=_PCIE, title=_V100),
    row("Tesla-V100-SXM2-32GB", _GV100_SXM2, Memory(32, 900),
        link=one_way(300), bus=_PCIE, title=_V100),
    row("Tesla-V100-PCIE-16GB", _GV100_PCIE, Memory(16, 900), link=None, bus=_PCIE, title=_V100),
    row("Tesla-V100-PCIE-32GB", _GV100_PCIE, Memory(32, 900), link=None, bus=_PCIE, title=_V100),
    row("Tesla-V100S-PCIE-32GB", _GV100_S, Memory(32, 1134), link=None, bus=_PCIE, title=_V100),
    row("Tesla-T4", _TU104, Memory(16, 320),
        link=None, bus=_PCIE, title="NVIDIA T4 datasheet"),
    row(
        "Quadro-RTX-6000", _TU102, Memory(24, 672),
        link=one_way(100), bus=_PCIE, title="NVIDIA Quadro RTX 6000 datasheet",
    ),
    row(
        "Quadro-RTX-8000", _TU102, Memory(48, 672),
        link=one_way(100), bus=_PCIE, title="NVIDIA Quadro RTX 8000 datasheet",
    ),
    row(
        "NVIDIA-GeForce-RTX-2080-Ti", _TU102_GEFORCE, Memory(11, 616),
        link=one_way(100), bus=_PCIE, title="NVIDIA Turing architecture whitepaper, table 1",
    ),
)  # fmt: skip
