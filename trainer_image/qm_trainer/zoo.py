"""Models that ship with the trainer: small enough for a demonstration, real enough to learn.

Normalisation is by group, not by batch: a step then does not depend on how the batch is split over
processes, and two processes learn exactly what one would.

Shapes: B batch, C channels, H height, W width, F features, K classes; of text, T tokens, V
vocabulary, D width, N heads, E width of a head.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
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


class Attention(nn.Module):
    """Each token looks at those before it, and at itself.

    The three projections are apart, so that each can be split by heads over processes.

    Source: Vaswani et al. 2017, "Attention is all you need", section 3.2.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.head_width = width // heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    @override
    def forward(self, x_BTD: Tensor) -> Tensor:
        """What the tokens found, of the shape of the input."""
        # As many heads as this process has: all of them, or its part.
        query, key, value = (
            layer(x_BTD).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        found_BNTE = functional.scaled_dot_product_attention(query, key, value, is_causal=True)  # noqa: N806
        out: Tensor = self.out(found_BNTE.transpose(1, 2).flatten(2))
        return out


class DecoderBlock(nn.Module):
    """Attention, then two layers for each token by itself, each with a way around.

    Source: Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.3.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.before_feed = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    @override
    def forward(self, x_BTD: Tensor) -> Tensor:
        """The input plus what both parts add."""
        x_BTD = x_BTD + self.dropout(self.attention(self.before_attention(x_BTD)))  # noqa: N806
        fed_BTD = self.narrow(functional.gelu(self.widen(self.before_feed(x_BTD))))  # noqa: N806
        out: Tensor = x_BTD + self.dropout(fed_BTD)
        return out


class Decoder(nn.Module):
    """A language model: from the tokens so far to the next one."""

    def __init__(
        self, vocabulary: int, context: int, width: int, heads: int, blocks: int, dropout: float
    ) -> None:
        super().__init__()
        self.heads = heads
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(DecoderBlock(width, heads, dropout) for _ in range(blocks))
        self.last = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                # What adds to the sum through all blocks begins smaller the more blocks there are.
                adds = name.endswith(("out.weight", "narrow.weight"))
                deviation = 0.02 / (2 * blocks) ** 0.5 if adds else 0.02
                nn.init.normal_(parameter, std=deviation)

    @override
    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Logits of shape [B, V, T]: classes come second, as torch's cross-entropy wants them.

        Args:
            tokens_BT: Whole numbers below the vocabulary's size; T at most the context.
        """
        places_T = torch.arange(tokens_BT.shape[1], device=tokens_BT.device)  # noqa: N806
        x_BTD = self.token(tokens_BT) + self.position(places_T)  # noqa: N806
        for block in self.blocks:
            x_BTD = block(x_BTD)  # noqa: N806
        logits: Tensor = self.head(self.last(x_BTD)).transpose(1, 2)
        return logits

    def tensor_parallel(self, processes: int) -> dict[str, str]:
        """How layers are split over so many processes: see `parallel/tensors.py`.

        Raises:
            ValueError: Some would get more heads than others.
        """
        if self.heads % processes:
            raise ValueError(f"its heads, {self.heads}, are no multiple of {processes}")
        return {
            "blocks.*.attention.query": "columns",
            "blocks.*.attention.key": "columns",
            "blocks.*.attention.value": "columns",
            "blocks.*.attention.out": "rows",
            "blocks.*.widen": "columns",
            "blocks.*.narrow": "rows",
        }


def decoder(
    vocabulary: int = 256,
    context: int = 128,
    width: int = 128,
    heads: int = 4,
    blocks: int = 4,
    dropout: float = 0.0,
) -> nn.Module:
    """A GPT-like decoder for `builtin://python-source` or text of one's own.

    Args:
        vocabulary: Tokens that there are; 256 for bytes [count].
        context: The most tokens that it looks at [count].
        width: Numbers that stand for a token; a multiple of `heads` [count].
        heads: Of attention in each block [count].
        blocks: One after the other [count].
        dropout: Chance that a number is left out of what a block adds [0, 1).
    """
    if width % heads:
        raise ValueError(f"width must be a multiple of heads, {heads}, not {width}")
    return Decoder(vocabulary, context, width, heads, blocks, dropout)


def _norm(channels: int) -> nn.Module:
    return nn.GroupNorm(max(1, channels // 8), channels)
