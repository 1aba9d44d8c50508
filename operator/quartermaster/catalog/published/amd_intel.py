"""AMD Instinct and Intel Gaudi. Matrix cores where there are any, as with NVIDIA's tensor cores."""

from quartermaster.catalog.published.datasheet import Memory, chip, one_way, pcie, row

_GEN_4 = pcie(4)
_GEN_5 = pcie(5)
_MI300 = "AMD Instinct MI300X data sheet"
_MI350 = "AMD Instinct MI350 series data sheets and their notes"
_GAUDI = "Intel Gaudi 3, Hot Chips 2024, table of generations"

_CDNA3 = chip(FP64=163.4, FP32=163.4, TF32=653.7, FP16=1307.4, BF16=1307.4, FP8=2614.9, INT8=2614.9)
_MI355X = chip(
    FP64=78.6, FP32=157.3, FP16=2516.6, BF16=2516.6, FP8=5033.2, FP4=10066.3, INT8=5033.2
)
_MI350X = chip(FP64=72.1, FP32=144.2, FP16=2306.9, BF16=2306.9, FP8=4613.7, FP4=9227.5, INT8=4613.7)

ROWS = (
    row("AMD_Instinct_MI210", chip(FP64=45.3, FP32=45.3, FP16=181, BF16=181, INT8=181),
        Memory(64, 1638), link=one_way(300), bus=_GEN_4, title="AMD Instinct MI210 data sheet"),
    row("AMD_Instinct_MI300X_OAM", _CDNA3, Memory(192, 5300),
        link=one_way(896), bus=_GEN_5, title=_MI300),
    row("AMD_Instinct_MI325X_OAM", _CDNA3, Memory(256, 6000),
        link=one_way(896), bus=_GEN_5, title="AMD Instinct MI325X data sheet"),
    row("AMD_Instinct_MI350X_OAM", _MI350X, Memory(288, 8000),
        link=one_way(1075.2), bus=_GEN_5, title=_MI350),
    row("AMD_Instinct_MI355X_OAM", _MI355X, Memory(288, 8000),
        link=one_way(1075.2), bus=_GEN_5, title=_MI350),
    # 24 Ethernet ports on the chip, of 100 and of 200 Gbit/s, most of which join the node's own.
    row("Intel-Gaudi2", chip(BF16=432, FP8=865), Memory(96, 2460),
        link=one_way(600), bus=_GEN_4, title=_GAUDI),
    row("Intel-Gaudi3", chip(), Memory(128, 3670),
        link=one_way(1200), bus=_GEN_5, title=_GAUDI),
)  # fmt: skip
