"""Models that ship with the trainer: small enough for a demonstration, real enough to learn.

Normalisation is by group, not by batch: a step then does not depend on how the batch is split over
processes, and two processes learn exactly what one would.

Shapes: B batch, C channels, H height, W width, F features, K classes.
"""

from torch import Tensor, nn
from typing_extensions import override


class Residual(nn.Module):
    """Two 3 x 3 convolutions and a way around them.

    Source: He et al. 2016, "Identity mappings in deep residual networks", figure 1 (b).
    """

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(_norm(channels), nn.ReLU())
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False),
            _norm(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
        )
        same = channels == width and stride == 1
        self.around = nn.Identity() if same else nn.Conv2d(channels, width, 1, stride, bias=False)

    @override
    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The input, or its projection, plus what the convolutions add."""
        activated_BCHW = self.first(x_BCHW)  # noqa: N806 - the shape is the name
        way = x_BCHW if isinstance(self.around, nn.Identity) else self.around(activated_BCHW)
        out: Tensor = way + self.body(activated_BCHW)
        return out


def resnet(num_classes: int = 10, channels: int = 1, width: int = 32, blocks: int = 2) -> nn.Module:
    """A residual network for small images; three stages, the width doubles as the side halves.

    Args:
        num_classes: Classes to tell apart [count].
        channels: Of the image: 1 grey, 3 colour [count].
        width: Channels of the first stage; a multiple of 8 [count].
        blocks: Residual blocks in each stage [count].
    """
    if width % 8:
        raise ValueError(f"width must be a multiple of 8, not {width}: its groups hold 8 channels")
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
    before = width
    for stage in range(3):
        after = width << stage
        for block in range(blocks):
            layers.append(Residual(before, after, stride=2 if stage and not block else 1))
            before = after
    layers += [_norm(before), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(before, num_classes))


def mlp(
    num_classes: int = 10,
    features: int = 64,
    width: int = 128,
    depth: int = 2,
    dropout: float = 0.0,
) -> nn.Module:
    """A plain network of `depth` hidden layers over flattened input.

    Args:
        num_classes: Classes to tell apart [count].
        features: Numbers in one sample [count].
        width: Of each hidden layer [count].
        depth: Hidden layers [count].
        dropout: Chance that a hidden number is left out of a training step [0, 1).
    """
    layers: list[nn.Module] = [nn.Flatten()]
    before = features
    for _ in range(depth):
        layers += [nn.Linear(before, width), nn.ReLU(), nn.Dropout(dropout)]
        before = width
    return nn.Sequential(*layers, nn.Linear(before, num_classes))


def _norm(channels: int) -> nn.Module:
    return nn.GroupNorm(max(1, channels // 8), channels)
