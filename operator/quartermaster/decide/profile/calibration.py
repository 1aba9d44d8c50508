"""What is reached of what the makers promise. Shares are of a peak, from above 0 to 1."""

from dataclasses import dataclass, fields, replace

from quartermaster.domain.profile import Kernel


@dataclass(frozen=True, slots=True)
class Calibration:
    """The constants between a specification and a step."""

    convolution: float
    """Share of the peak FLOP/s in convolutions."""
    matmul: float
    """The same in large products."""
    recurrent: float
    """The same in recurrent layers."""
    lookup: float
    """The same in what surrounds embedding tables."""
    memory: float
    """Share of the memory bandwidth."""
    link: float
    """Share of NVLink or its like that a ring's two directions together leave to one."""
    bus: float
    """Share of PCIe where GPUs cannot reach each other but through the host."""
    network: float
    """Share of the network card or of the single flow."""
    launch_seconds: float
    """Starting the kernels of one parameter tensor, forward, backward and update [s]."""
    hop_seconds: float
    """One step of a ring, without its bytes [s]."""
    overlap: float
    """Exponent of Pollux's norm: 1 adds communication to compute, infinity hides the shorter."""

    def share(self, kernel: Kernel) -> float:
        """Share of the peak FLOP/s that such kernels reach."""
        return {
            Kernel.CONVOLUTION: self.convolution,
            Kernel.MATMUL: self.matmul,
            Kernel.RECURRENT: self.recurrent,
            Kernel.LOOKUP: self.lookup,
        }[kernel]

    def having(self, **values: float) -> "Calibration":
        """The same with other values."""
        return replace(self, **values)


FIELDS = tuple(field.name for field in fields(Calibration))
KERNELS = FIELDS[:4]
"""Those of a GPU's peak FLOP/s."""
SHARES = FIELDS[:8]
"""Those that cannot be above 1."""

DECLARED = Calibration(
    convolution=0.5,
    matmul=0.4,
    recurrent=0.2,
    lookup=0.3,
    memory=0.8,
    link=0.3,
    bus=0.15,
    network=0.7,
    launch_seconds=5e-4,
    hop_seconds=5e-5,
    overlap=1.5,
)
"""Where nothing was measured: round figures, none of them fitted. What each rests on:

- matmul: large language models train at 0.3 to 0.5 of the peak (Chowdhery et al., PaLM, 2022,
  table 3: 0.21 to 0.46); convolution a little above, a recurrent layer half of that, since its
  products are small and wait for each other; memory: what STREAM-like copies reach on GPUs.
- link and bus: a ring over NVLink, and over PCIe through the host's memory without peer access, as
  in virtual machines; network: TCP, less what headers and other tenants take.
- launch: some thirty launches of 10 to 20 us a tensor from Python; hop: one NCCL step over TCP.
- overlap: between the sum (1) and the larger (10), where Pollux bounds it (Qiao et al., OSDI 2021,
  section 4.1).

benchmarks/results/classification.md has how well they do, and how much better a fit does."""
