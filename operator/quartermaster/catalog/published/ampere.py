"""NVIDIA Ampere."""

from quartermaster.catalog.published.datasheet import Memory, chip, one_way, pcie, row

_PCIE = pcie(4)
_A100 = "NVIDIA A100 datasheet"
_A800 = "NVIDIA A800 datasheet"

_GA100 = chip(FP64=19.5, FP32=19.5, TF32=156, FP16=312, BF16=312, INT8=624)
_A30 = chip(FP64=10.3, FP32=10.3, TF32=82, FP16=165, BF16=165, INT8=330)
_A10 = chip(FP32=31.2, TF32=62.5, FP16=125, BF16=125, INT8=250)
# More of the die than an A10 has, but its tensor cores run at half rate.
_A10G = chip(FP32=35, TF32=35, FP16=70, BF16=70, INT8=140)
_A40 = chip(FP32=37.4, TF32=74.8, FP16=149.7, BF16=149.7, INT8=299.3)
_A6000 = chip(FP32=38.7, TF32=77.4, FP16=154.8, BF16=154.8, INT8=309.7)
# A board has four, and a node counts each of them.
_A16 = chip(FP32=4.5, TF32=9, FP16=17.9, INT8=35.9)
# With additions in FP32, which GeForce does at half rate.
_GEFORCE = chip(FP32=35.6, TF32=35.6, FP16=71, BF16=71, INT8=284)

ROWS = (
    row("NVIDIA-A100-SXM4-40GB", _GA100, Memory(40, 1555),
        link=one_way(600), bus=_PCIE, title=_A100),
    row("NVIDIA-A100-SXM4-80GB", _GA100, Memory(80, 2039),
        link=one_way(600), bus=_PCIE, title=_A100),
    row("NVIDIA-A100-PCIE-40GB", _GA100, Memory(40, 1555),
        link=one_way(600), bus=_PCIE, title=_A100),
    row("NVIDIA-A100-80GB-PCIe", _GA100, Memory(80, 1935),
        link=one_way(600), bus=_PCIE, title=_A100),
    row("NVIDIA-A800-SXM4-80GB", _GA100, Memory(80, 2039),
        link=one_way(400), bus=_PCIE, title=_A800),
    row("NVIDIA-A800-80GB-PCIe", _GA100, Memory(80, 1935),
        link=one_way(400), bus=_PCIE, title=_A800),
    row("NVIDIA-A30", _A30, Memory(24, 933),
        link=one_way(200), bus=_PCIE, title="NVIDIA A30 datasheet"),
    row("NVIDIA-A10", _A10, Memory(24, 600), link=None, bus=_PCIE, title="NVIDIA A10 datasheet"),
    row("NVIDIA-A10G", _A10G, Memory(24, 600),
        link=None, bus=_PCIE, title="NVIDIA A10G datasheet for AWS"),
    row("NVIDIA-A16", _A16, Memory(16, 200),
        link=None, bus=None, title="NVIDIA A16 datasheet, a quarter of a board"),
    row("NVIDIA-A40", _A40, Memory(48, 696),
        link=one_way(112.5), bus=_PCIE, title="NVIDIA A40 datasheet"),
    row("NVIDIA-RTX-A6000", _A6000, Memory(48, 768),
        link=one_way(112.5), bus=_PCIE, title="NVIDIA RTX A6000 datasheet"),
    row("NVIDIA-GeForce-RTX-3090", _GEFORCE, Memory(24, 936),
        link=one_way(112.5), bus=_PCIE, title="NVIDIA Ampere GA102 whitepaper, appendix A"),
)  # fmt: skip
