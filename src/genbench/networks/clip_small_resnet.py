"""A small residual image tower for CLIP, of images too small for OpenAI's ResNets, which shrink them 32 times.

Blocks of He et al. 2016 (https://arxiv.org/abs/1512.03385), with the attention pool of CLIP's ResNets at the end.
"""

from torch import Tensor, nn
from torch.nn.functional import relu

from genbench.networks.clip_resnet import AttentionPool


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut.

    Args:
        channels_in: of the input.
        channels: of the output.
        stride: 1 or 2.
    """

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm_1 = nn.BatchNorm2d(channels)
        self.conv_2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm_2 = nn.BatchNorm2d(channels)
        # Each block begins as its shortcut.
        nn.init.zeros_(self.norm_2.weight)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels:
            convolution = nn.Conv2d(channels_in, channels, 1, bias=False)
            self.shortcut = nn.Sequential(nn.AvgPool2d(stride), convolution, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps of x (B, channels_in, H, W)."""
        hidden = relu(self.norm_1(self.conv_1(x)))
        return relu(self.norm_2(self.conv_2(hidden)) + self.shortcut(x))


class SmallResNet(nn.Module):
    """Map images (B, 3, side, side) to embeddings (B, embedding_dim), with maps of side / 2, side / 4 and so on.

    Args:
        side: of the images in pixels, a multiple of 2 to the power of `levels`.
        embedding_dim: numbers of an embedding.
        width: channels of the first maps, doubled at each level.
        levels: resolutions, with a block each.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, side: int, *, embedding_dim: int, width: int, levels: int) -> None:
        super().__init__()
        if levels < 1 or side % 2**levels:
            raise ValueError(
                f"data.size={side} must be a multiple of {2 ** max(1, levels)}, with levels={levels} from 1 on"
            )
        self.side, self.embedding_dim = side, embedding_dim
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        maps = [width * 2**level for level in range(levels)]
        pairs = zip([width, *maps], maps, strict=False)
        self.blocks = nn.Sequential(*(BasicBlock(a, b, 1 if n == 0 else 2) for n, (a, b) in enumerate(pairs)))
        self.pool = AttentionPool((side // 2**levels) ** 2, maps[-1], embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return the embeddings."""
        out: Tensor = self.pool(self.blocks(self.stem(x)))
        return out
