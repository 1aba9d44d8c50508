"""NVIDIA after Ampere: Ada, Hopper, Blackwell."""

from quartermaster.catalog.published.datasheet import Memory, chip, one_way, pcie, row

_GEN_4 = pcie(4)
_GEN_5 = pcie(5)
_H100 = "NVIDIA H100 datasheet"
_H800 = "NVIDIA H800 datasheet"
_H200 = "NVIDIA H200 datasheet"
_GH200 = "NVIDIA GH200 datasheet"
_BLACKWELL = "NVIDIA Blackwell datasheet, individual GPU"

_L4 = chip(FP32=30.3).with_sparsity(TF32=120, FP16=242, BF16=242, FP8=485, INT8=485)
_L40 = chip(FP32=90.5, TF32=90.5, FP16=181.05, BF16=181.05, FP8=362, INT8=362)
_L40S = chip(FP32=91.6, TF32=183, FP16=362.05, BF16=362.05, FP8=733, INT8=733)
# With additions in FP32, which GeForce does at half rate.
_RTX_4090 = chip(FP32=82.6, TF32=82.6, FP16=165.2, BF16=165.2, FP8=330.3, INT8=660.6)
_RTX_5090 = chip(
    FP32=104.8, TF32=104.8, FP16=209.5, BF16=209.5, FP8=419, FP4=1676, INT8=838
)  # fmt: skip

_GH100_LOW = {"TF32": 989, "FP16": 1979, "BF16": 1979, "FP8": 3958, "INT8": 3958}
_GH100 = chip(FP64=67, FP32=67).with_sparsity(**_GH100_LOW)
_GH100_PCIE = chip(FP64=51, FP32=51).with_sparsity(
    TF32=756, FP16=1513, BF16=1513, FP8=3026, INT8=3026
)
_GH100_NVL = chip(FP64=60, FP32=60).with_sparsity(
    TF32=835, FP16=1671, BF16=1671, FP8=3341, INT8=3341
)
# The export versions cut FP64, by how much is not agreed on: it is left out.
_H800_SXM = chip(FP32=67).with_sparsity(**_GH100_LOW)
_H800_PCIE = chip(FP32=51).with_sparsity(TF32=756, FP16=1513, BF16=1513, FP8=3026, INT8=3026)
_H20 = chip(TF32=74, FP16=148, BF16=148, FP8=296, INT8=296)

_B200 = chip(FP64=37, FP32=75).with_sparsity(
    TF32=2200, FP16=4500, BF16=4500, FP8=9000, FP4=18000, INT8=9000
)
_GB200 = chip(FP64=40, FP32=80).with_sparsity(
    TF32=2500, FP16=5000, BF16=5000, FP8=10000, FP4=20000, INT8=10000
)

ROWS = (
    row("NVIDIA-L4", _L4, Memory(24, 300), link=None, bus=_GEN_4, title="NVIDIA L4 datasheet"),
    row("NVIDIA-L40", _L40, Memory(48, 864), link=None, bus=_GEN_4, title="NVIDIA L40 datasheet"),
    row("NVIDIA-L40S", _L40S, Memory(48, 864),
        link=None, bus=_GEN_4, title="NVIDIA L40S datasheet"),
    row("NVIDIA-GeForce-RTX-4090", _RTX_4090, Memory(24, 1008),
        link=None, bus=_GEN_4, title="NVIDIA Ada architecture whitepaper, appendix A"),
    row("NVIDIA-H100-80GB-HBM3", _GH100, Memory(80, 3350),
        link=one_way(900), bus=_GEN_5, title=_H100),
    row("NVIDIA-H100-PCIe", _GH100_PCIE, Memory(80, 2000),
        link=one_way(600), bus=_GEN_5, title=_H100),
    row("NVIDIA-H100-NVL", _GH100_NVL, Memory(94, 3900),
        link=one_way(600), bus=_GEN_5, title=_H100),
    row("NVIDIA-H800", _H800_SXM, Memory(80, 3350), link=one_way(400), bus=_GEN_5, title=_H800),
    row("NVIDIA-H800-PCIe", _H800_PCIE, Memory(80, 2000),
        link=one_way(400), bus=_GEN_5, title=_H800),
    row("NVIDIA-H20", _H20, Memory(96, 4000),
        link=one_way(900), bus=_GEN_5, title="NVIDIA H20, as resellers print it"),
    row("NVIDIA-H200", _GH100, Memory(141, 4800), link=one_way(900), bus=_GEN_5, title=_H200),
    row("NVIDIA-H200-NVL", _GH100_NVL, Memory(141, 4800),
        link=one_way(900), bus=_GEN_5, title=_H200),
    # 480 GB in the name is the processor's memory. The host is behind NVLink-C2C.
    row("NVIDIA-GH200-480GB", _GH100, Memory(96, 4000),
        link=None, bus=one_way(900), title=_GH200),
    row("NVIDIA-GH200-144G-HBM3e", _GH100, Memory(144, 4900),
        link=None, bus=one_way(900), title=_GH200),
    row("NVIDIA-B200", _B200, Memory(180, 7700),
        link=one_way(1800), bus=_GEN_5, title=_BLACKWELL),
    row("NVIDIA-GB200", _GB200, Memory(186, 8000),
        link=one_way(1800), bus=None, title=_BLACKWELL),
    row("NVIDIA-GeForce-RTX-5090", _RTX_5090, Memory(32, 1792),
        link=None, bus=_GEN_5, title="NVIDIA RTX Blackwell architecture whitepaper, appendix A"),
    row("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", chip(FP32=120), Memory(96, 1597),
        link=None, bus=_GEN_5, title="NVIDIA RTX PRO 6000 Blackwell Server Edition datasheet"),
)  # fmt: skip
