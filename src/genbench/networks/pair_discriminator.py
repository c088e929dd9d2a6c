"""StackGAN's discriminator of pairs: an image, and what it is said to show (Zhang et al. 2017, section 3.3).

An image becomes maps of 4 x 4 places. By concatenation, as in the paper, what the caption says is repeated at each
place and joined to them by a convolution; by projection (Miyato and Koyama 2018) its product with the maps' mean is
added to the logit, so that one image can be compared with all captions of a batch at once.

The discriminator reads captions by an encoder of its own. One that it had in common with the generator would change
what pairs it sees as the generator is trained; its own learns, from real images with right and wrong captions, what
distinguishes them.

Example:
    >>> captions = Captions(["a", "bird"], 4)
    >>> discriminator = PairDiscriminator((3, 64, 64), captions, width=8)
    >>> discriminator(torch.randn(2, 3, 64, 64), captions.encode(["a bird", "bird"])).shape
    torch.Size([2])
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.networks.conditioning import ConditionEncoder, encoder_of
from genbench.networks.dcgan import halvings_of
from genbench.networks.initialisation import initialise_normal
from genbench.networks.normalisation import NormName, normalisation
from genbench.networks.stackgan import unit_numbers

Joining = Literal["concatenation", "projection"]

_MOST = 8
"""Channels of the last maps as a multiple of the first; more, of large images, are reduced to as many."""


class PairDiscriminator(nn.Module):
    """Map images (B, C, S, S) and what they are said to show to logits (B,).

    Args:
        image_shape: (C, S, S), S even and at least 8.
        condition: what rows mean: captions, or embeddings, of which the network has a linear map.
        width: channels of the first maps; doubled with each halving.
        caption_dim: numbers of what a caption says where it is concatenated.
        joining: "concatenation" or "projection".
        norm: of all but the first layer: "batch"; or "none" or "layer", where the output for one image must not depend
            on others.
        with_realness: whether it also says of an image alone how real it is, as in the second stage.
        text: builds the encoder of captions from their form and the length of its vector, see `encoder_of`.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        condition: Condition,
        *,
        width: int = 64,
        caption_dim: int = 128,
        joining: Joining = "concatenation",
        norm: NormName = "batch",
        with_realness: bool = False,
        text: Callable[..., ConditionEncoder] | None = None,
    ) -> None:
        super().__init__()
        expect_choice("joining", joining, Joining)
        make_norm, bias = normalisation(norm)

        def layer(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
            conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=1, bias=bias)
            return [conv, make_norm(outputs), nn.LeakyReLU(0.2, inplace=True)]

        halvings, end = halvings_of(image_shape)
        widths = [width * 2**level for level in range(halvings)]
        layers: list[nn.Module] = [
            nn.Conv2d(image_shape[0], width, 4, stride=2, padding=1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for inputs, outputs in pairwise(widths):
            layers += layer(inputs, outputs, 4, 2)
        last = widths[-1]
        while last > _MOST * width:
            layers += layer(last, last // 2, 3, 1)
            last //= 2
        self.joining: Joining = joining
        self.maps = nn.Sequential(*layers)
        joined = caption_dim if joining == "concatenation" else 0
        self.join = nn.Sequential(*layer(last + joined, last, 3, 1))
        self.to_logit = nn.Sequential(nn.Conv2d(last, 1, end), nn.Flatten(0))
        self.to_realness = nn.Sequential(nn.Conv2d(last, 1, end), nn.Flatten(0)) if with_realness else None
        if norm == "none":
            # Without normalisation DCGAN's small weights would leave nothing of an image.
            self.apply(_initialise_he)
        else:
            self.apply(initialise_normal)
        self.text = encoder_of(condition, joined or last, (), with_null=False, text=text)

    def forward(self, images: Tensor, rows: Tensor) -> Tensor:
        """Return logits (B,) of images (B, C, S, S) with rows (B, ...)."""
        return self.match(self.features(images), self.read(rows))

    def features(self, images: Tensor) -> Tensor:
        """Return maps (B, K, s, s) of images, on which all that is said of them is based."""
        maps: Tensor = self.maps(images)
        return maps if self.joining == "concatenation" else self.join(maps)

    def read(self, rows: Tensor) -> Tensor:
        """Return what rows say, (B, D); for projection of numbers whose mean square is 1."""
        vector = self.text(rows).vector
        assert vector is not None
        return vector if self.joining == "concatenation" else unit_numbers(vector)

    def match(self, features: Tensor, said: Tensor) -> Tensor:
        """Return logits (B,) that images with these features are real and show what is said, (B, D)."""
        if self.joining == "concatenation":
            everywhere = said[:, :, None, None].expand(-1, -1, *features.shape[2:])
            logits: Tensor = self.to_logit(self.join(torch.cat([features, everywhere], dim=1)))
            return logits
        return self.to_logit(features) + (said * self.pooled(features)).sum(1) / said.shape[1] ** 0.5

    def realness(self, features: Tensor) -> Tensor:
        """Return logits (B,) that images are real, whatever they show."""
        assert self.to_realness is not None
        logits: Tensor = self.to_realness(features)
        return logits

    def pooled(self, features: Tensor) -> Tensor:
        """Return vectors (B, K), which are as long as what rows say if it is projected."""
        return features.mean((2, 3))


def _initialise_he(module: nn.Module) -> None:
    """Draw weights of convolutions such that leaky ReLUs of slope 0.2 keep the size of features (He et al. 2015)."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, a=0.2)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
