"""Training runs that others measured packed and spread, with what is known of models and machines.

The measurements lie in the data folder (QM_BENCH_DATA): throughputs of Gavel (Narayanan et al.,
OSDI 2020, simulation_throughputs.json) and profiles of Sia (Jayaram Subramanya et al., SOSP 2023,
traces/*/placements-*.csv). What is known before a run stands here, with its source.
"""

import csv
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from quartermaster.domain.hardware import Accelerator, NumberFormat, Source
from quartermaster.domain.profile import JobProfile, Kernel, Shape

DATA = Path(os.environ.get("QM_BENCH_DATA", "../shared/data"))
READ = date(2026, 11, 24)


@dataclass(frozen=True, slots=True)
class Run:
    """One job at one scale on one GPU model, measured in both places."""

    cluster: str
    accelerator: Accelerator
    model: str
    profile: JobProfile
    packed: Shape
    spread: Shape
    packed_seconds: float
    spread_seconds: float
    alone_seconds: float
    """One GPU by itself [s]."""

    @property
    def kept(self) -> float:
        """The share of its packed speed that it kept when spread."""
        return self.packed_seconds / self.spread_seconds

    @property
    def group(self) -> tuple[str, str, str, int]:
        """Cluster, GPU model, model and scale: all but the batch size."""
        return self.cluster, self.accelerator.name, self.model, self.packed.processes


def _model(parameters: float, gflop: float, tensors: int, kernel: Kernel) -> JobProfile:
    """Facts of an architecture; memory traffic is not known of them and left out."""
    return JobProfile(
        flops_per_sample=gflop * 1e9,
        parameters=round(parameters),
        batch=1,
        tensors=tensors,
        kernel=kernel,
        number_format=NumberFormat.TF32,
    )


RESNET18 = _model(11.17e6, 3.34, 62, Kernel.CONVOLUTION)
MODELS = {
    # He et al. 2016, the variant for 32 x 32: 0.557 GMAC forward; backward counts twice.
    "ResNet-18": RESNET18,
    "cifar10": RESNET18,
    # word_language_model's defaults: embedding and output 200 x 33,278, two LSTM layers of 200,
    # 35 tokens a sample.
    "LM": _model(13.99e6, 1.53, 11, Kernel.RECURRENT),
    # He et al. 2016: 4.09 GMAC forward at 224 x 224.
    "imagenet": _model(25.56e6, 24.5, 161, Kernel.CONVOLUTION),
    # BERT-base (Devlin et al. 2019), SQuAD at 384 tokens: 6 x 85 M x 384, and attention.
    "bert": _model(109e6, 212, 199, Kernel.MATMUL),
    # Redmon and Farhadi 2018: 65.9 GFLOP forward at 416 x 416, here 448 x 448.
    "yolov3": _model(61.6e6, 230, 222, Kernel.CONVOLUTION),
    # Amodei et al. 2016: 5 bidirectional GRU layers of 800, about 160 frames an utterance.
    "deepspeech2": _model(41.2e6, 50, 51, Kernel.RECURRENT),
    # He et al. 2017: NeuMF of 32 factors on MovieLens 1M, 6,040 users and 3,706 items.
    "ncf": _model(1.6e6, 0.00026, 14, Kernel.LOOKUP),
}


def _gpu(
    name: str, tflops: float, bandwidth_gb: float, link_gb: float | None = None, tf32: float = 0
) -> Accelerator:
    """A data sheet in TFLOP/s and GB/s; PCIe 3.0 x16, or 4.0 where there is TF32."""
    flops = {NumberFormat.FP32: tflops * 1e12}
    return Accelerator(
        name=name,
        peak_flops=flops | ({NumberFormat.TF32: tf32 * 1e12} if tf32 else {}),
        memory_bytes=0,
        memory_bandwidth=bandwidth_gb * 1e9,
        link_bandwidth=None if link_gb is None else link_gb * 1e9,
        bus_bandwidth=31.5e9 if tf32 else 15.75e9,
        source=Source("NVIDIA's data sheet", READ),
    )


K80 = _gpu("Tesla-K80", 4.37, 240)  # one of its two GPUs, at boost
P100 = _gpu("Tesla-P100-PCIE-16GB", 9.3, 732)
V100 = _gpu("Tesla-V100-SXM2-16GB", 15.7, 900, 150)
V100_32 = _gpu("Tesla-V100-SXM2-32GB", 15.7, 900, 150)
T4 = _gpu("Tesla-T4", 8.1, 320)
A100 = _gpu("NVIDIA-A100-SXM4-40GB", 19.5, 1555, 300, tf32=156)

GAVEL_GPUS = {"k80": K80, "p100": P100, "v100": V100}
GAVEL_NETWORK = 10e9 / 8
"""[byte/s]. Not published: an assumption, the rate of one flow in a cloud's placement group."""
SIA_CLUSTERS = {
    # name: (GPU model, network [byte/s], placements of one job: packed, spread)
    # g4dn.12xlarge. 50 Gbit/s in all, but 5 Gbit/s for one flow outside a placement group (Amazon
    # EC2 instance network bandwidth, read 2026-11-24).
    "aws": (T4, 5e9 / 8, (("2", "11"), ("3", "111"), ("4", "1111"))),
    # ND40rs_v2: EDR InfiniBand, 100 Gbit/s.
    "azure": (V100_32, 100e9 / 8, (("2", "11"), ("6", "33"), ("8", "44"))),
    # DGX-A100: eight HDR InfiniBand cards of 200 Gbit/s.
    "dgx-ext": (A100, 1600e9 / 8, (("2", "11"), ("6", "33"), ("8", "44"))),
}
"""`rtx` and `quad` are left out: what joins their nodes is not known. `dgx` is `dgx-ext` with fewer
batch sizes."""
SIA_MODELS = ("bert", "cifar10", "deepspeech2", "imagenet", "ncf", "yolov3")


def all_runs(data: Path = DATA) -> list[Run]:
    """Every job that was measured packed, spread and alone."""
    return [*gavel(data), *sia(data)]


def gavel(data: Path = DATA) -> Iterator[Run]:
    """The published figure counts the steps of all workers, so a step is gpus / figure."""
    seconds: dict[tuple[str, str, int, int, str], float] = {}
    for row in _rows(data / "gavel" / "isolated_throughputs.csv"):
        if row["model"] in MODELS:
            key = (row["model"], row["gpu_type"], int(row["batch_size"]), int(row["gpus"]))
            seconds[*key, row["placement"]] = int(row["gpus"]) / float(row["steps_per_second"])
    for (model, gpu, batch, size, placement), packed in sorted(seconds.items()):
        if placement == "packed" and size > 1:
            yield Run(
                cluster="gavel",
                accelerator=GAVEL_GPUS[gpu],
                model=model,
                profile=_at(model, batch),
                packed=Shape(size, 1, network_bandwidth=GAVEL_NETWORK),
                spread=Shape(1, size, network_bandwidth=GAVEL_NETWORK),
                packed_seconds=packed,
                spread_seconds=seconds[model, gpu, batch, size, "spread"],
                alone_seconds=seconds[model, gpu, batch, 1, "packed"],
            )


def sia(data: Path = DATA) -> Iterator[Run]:
    """A placement is written as the GPUs on each node, one digit a node."""
    for cluster, (gpu, network, pairs) in SIA_CLUSTERS.items():
        for model in SIA_MODELS:
            steps: dict[str, dict[int, float]] = defaultdict(dict)
            path = data / "sia" / "traces" / model / f"placements-{cluster}.csv"
            for row in _rows(path):
                steps[row["placement"]][int(row["local_bsz"])] = float(row["step_time"])
            for packed, spread in pairs:
                for batch in sorted(
                    steps[packed].keys() & steps[spread].keys() & steps["1"].keys()
                ):
                    yield Run(
                        cluster=cluster,
                        accelerator=gpu,
                        model=model,
                        profile=_at(model, batch),
                        packed=_shape(packed, network),
                        spread=_shape(spread, network),
                        packed_seconds=steps[packed][batch],
                        spread_seconds=steps[spread][batch],
                        alone_seconds=steps["1"][batch],
                    )


def _at(model: str, batch: int) -> JobProfile:
    return replace(MODELS[model], batch=batch)


def _shape(placement: str, network: float) -> Shape:
    return Shape(int(max(placement)), len(placement), network_bandwidth=network)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if not path.is_file():
        raise SystemExit(f"{path} is missing: set QM_BENCH_DATA to the data folder")
    with path.open(newline="") as file:
        yield from csv.DictReader(file)
