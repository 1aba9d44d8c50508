"""What a training step of a job costs, and what bounds it: before it ever ran, or as measured."""

from dataclasses import dataclass
from enum import StrEnum

from quartermaster.domain.hardware import NumberFormat


class Bound(StrEnum):
    """The part of a step that takes the longest."""

    COMPUTE = "Compute"
    MEMORY = "Memory"
    COMMUNICATION = "Communication"
    INPUT = "Input"


class Kernel(StrEnum):
    """What most of the arithmetic is done in; each reaches its own share of a GPU's peak."""

    CONVOLUTION = "Convolution"
    MATMUL = "Matmul"
    RECURRENT = "Recurrent"
    """One small product after another."""
    LOOKUP = "Lookup"
    """Embedding tables with little arithmetic behind them."""


class Strategy(StrEnum):
    """How a model is spread over its processes."""

    DDP = "DDP"
    FSDP = "FSDP"

    @property
    def passes(self) -> int:
        """How often a byte of the model goes round the ring in a step [count].

        An all-reduce is a reduce-scatter and an all-gather. Fully sharded, the parameters are
        gathered once more, for the backward pass (Rajbhandari et al., ZeRO, SC 2020, section 7).
        """
        return 2 if self is Strategy.DDP else 3


class ProfileSource(StrEnum):
    """Where a profile comes from."""

    PREDICTED = "Predicted"
    MEASURED = "Measured"


@dataclass(frozen=True, slots=True)
class Measured:
    """What one step was seen to take."""

    accelerator: str
    """GPU model as GPU feature discovery names it."""
    per_node: int
    """Processes on a node [count]."""
    nodes: int
    """[count]"""
    seconds: float
    """[s]"""
    network_bandwidth: float | None = None
    """Of the slowest link between its nodes, one direction [byte/s]; None: not known."""
    network_latency: float = 0.0
    """What that way added to a message [s]."""

    @property
    def alone(self) -> bool:
        """Whether one GPU ran by itself, so that nothing was synchronised."""
        return self.per_node == self.nodes == 1


@dataclass(frozen=True, slots=True)
class JobProfile:
    """A step of one job. A process is one GPU's; batch size and all costs are one process's."""

    flops_per_sample: float
    """Forward and backward [FLOP]; a fused multiply-add is two."""
    parameters: int
    """[count]"""
    batch: int
    """Samples in a step [count]."""
    traffic_per_sample: float = 0.0
    """Bytes between the GPU's memory and its cores, forward and backward [byte]."""
    tensors: int = 0
    """Parameter tensors [count]; each has launches of its own, however small it is."""
    kernel: Kernel = Kernel.MATMUL
    """What most of the arithmetic is done in."""
    number_format: NumberFormat = NumberFormat.FP32
    """What it is computed in where the GPU has it; FP32 elsewhere."""
    strategy: Strategy = Strategy.DDP
    """How the model is spread."""
    shards: int | None = None
    """Processes that one copy of a split model is spread over; None: all of them [count]."""
    tensor: int = 1
    """Processes that compute each sample together [count]; what a sample costs is one's part."""
    bytes_per_parameter: int = 4
    """What is synchronised [byte]."""
    state_bytes_per_parameter: int = 16
    """Weights, gradients and both of AdamW's moments, in FP32 [byte]."""
    activation_bytes_per_sample: float = 0.0
    """What the forward pass keeps for the backward pass [byte]."""
    input_seconds_per_sample: float = 0.0
    """Reading and preparing, by one process's loaders together [s]."""
    source: ProfileSource = ProfileSource.PREDICTED
    """Where the costs above come from."""
    measured: tuple[Measured, ...] = ()
    """Steps seen so far, at this batch size."""

    def synchronised(self) -> float:
        """Bytes that each pass round the ring moves, before the ring's own factor [byte]."""
        return self.parameters * self.bytes_per_parameter / self.tensor

    def memory(self, processes: int) -> float:
        """What one GPU of `processes` has to hold [byte]; a lower bound, without fragmentation."""
        sharded = self.strategy is Strategy.FSDP
        shards = (self.shards or max(1, processes // self.tensor)) if sharded else 1
        state = self.parameters * self.state_bytes_per_parameter / (shards * self.tensor)
        return state + self.activation_bytes_per_sample * self.batch


@dataclass(frozen=True, slots=True)
class Shape:
    """How the processes of a gang lie, and the narrowest links between them."""

    per_node: int = 1
    """The most processes on one node [count]."""
    nodes: int = 1
    """[count]"""
    linked: bool = True
    """Whether the GPUs of a node are joined by NVLink or its like, where their model has it."""
    network_bandwidth: float | None = None
    """Of the slowest link that the gang crosses, for each node, one direction [byte/s]."""
    network_latency: float = 0.0
    """What the way between two nodes adds to each message [s]."""

    @property
    def processes(self) -> int:
        """As many as fit into this shape [count]."""
        return self.per_node * self.nodes


@dataclass(frozen=True, slots=True)
class StepTime:
    """What a step takes, part by part [s]. Parts overlap: the total is not their sum."""

    compute: float
    memory: float
    communication: float
    input: float
    total: float

    def parts(self) -> dict[Bound, float]:
        """The parts by what they are bound by [s]."""
        return {
            Bound.COMPUTE: self.compute,
            Bound.MEMORY: self.memory,
            Bound.COMMUNICATION: self.communication,
            Bound.INPUT: self.input,
        }
