"""Models and data that a user might bring, with the faults that users' code has."""

import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from qm_trainer import zoo


class Failing(nn.Module):
    """Raises in one of its forward passes, counted from 1."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.inner = zoo.mlp(width=32, dropout=0.1)
        self.at, self.passes = at, 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += self.training
        if self.passes == self.at:
            raise ValueError("the user's own mistake")
        return self.inner(x)


class Slow(nn.Module):
    """Takes its time, so that a signal finds it in the middle."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.inner = zoo.mlp(width=32)
        self.seconds = seconds

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(self.seconds if self.training else 0.0)
        return self.inner(x)


def failing(at: int) -> nn.Module:
    return Failing(at)


def slow(seconds: float) -> nn.Module:
    return Slow(seconds)


class Straggling(nn.Module):
    """Slow in every process but the one that leads."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.inner = zoo.mlp(width=32)
        self.seconds = seconds

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(self.seconds if self.training and os.environ.get("RANK", "0") != "0" else 0.0)
        return self.inner(x)


def straggling(seconds: float) -> nn.Module:
    return Straggling(seconds)


def not_a_model() -> str:
    return "a text"


def out_of_memory() -> nn.Module:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


class Killed(nn.Module):
    """Ends its own process as the kernel would."""

    def forward(self, x: Tensor) -> Tensor:
        os.kill(os.getpid(), 9)
        return x


def killed() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), Killed())


class Attention(nn.Module):
    """An image's rows look at each other."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True)
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.look(x.reshape(len(x), 8, 8)).flatten(1))


def attention() -> nn.Module:
    return Attention()


def normalised() -> nn.Module:
    """A model with state that forward changes."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10)
    )


class Points:
    """A map-style data set of the user's: is a point's sum positive?"""

    def __init__(self, count: int) -> None:
        self.x = np.random.default_rng(0).normal(size=(count, 64)).astype(np.float32)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self.x[index], int(self.x[index].sum() > 0)


def points(train_samples: int = 100) -> tuple[Points, Points]:
    return Points(train_samples), Points(20)


def only_one() -> Points:
    return Points(3)


def here() -> Path:
    return Path(__file__)


def blocks(dropout: float) -> nn.Module:
    """Three blocks that have parts of their own."""
    return nn.Sequential(
        nn.Flatten(),
        *(nn.Sequential(_Block(dropout)) for _ in range(3)),
        nn.Linear(64, 10),
    )


class _Block(nn.Module):
    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(64, 64)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(torch.relu(self.inner(x)))
