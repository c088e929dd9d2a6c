"""StackGAN's second stage: large images of the first stage's and of the same captions (Zhang et al. 2017, section 3.4).

https://arxiv.org/abs/1612.03242. The frozen first stage G_0 draws a small image of a caption; the second one reads the
caption again and corrects what is wrong with it:

    x = G(G_0(z, t), c),    c ~ N(mu(t), sigma(t)^2)

Its discriminator compares image and caption, and also says of an image alone whether it is real; the losses are in
`matching`. The first stage is any model of images of captions, and is in evaluation mode; in the authors' PyTorch code
its BatchNorm goes on with the statistics of each batch in training, and with others in sampling.

Example:
    python -m genbench experiment=stackgan_scenes64 parts.stage_one=RUN
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from genbench.abilities import DrawsAlone
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions, reread
from genbench.medium import Images
from genbench.methods.adversarial.matching import MatchingAwareGAN
from genbench.networks.pair_discriminator import PairDiscriminator
from genbench.networks.stackgan import Drawn, StageTwoGenerator
from genbench.parts import Frozen
from genbench.randomness import Noise


class StackGANRefiner(MatchingAwareGAN):
    """Draw large images of captions, of small ones that a frozen first stage draws.

    Args:
        generator: builds the generator from `small_shape`, `image_shape` and `condition`.
        discriminator: see `MatchingAwareGAN`.
        image_shape: (C, H, W) of the data.
        condition: the captions of the data, or embeddings in their place.
        stage_one: draws small images of captions.
        settings: those of `MatchingAwareGAN`.

    Raises:
        ValueError: an argument is out of range, the data has no captions, or the first stage does not suit.
    """

    with_realness = True

    generator: StageTwoGenerator

    def __init__(
        self,
        generator: Callable[..., StageTwoGenerator],
        discriminator: Callable[..., PairDiscriminator],
        image_shape: Sequence[int],
        condition: Condition | None,
        *,
        stage_one: Frozen[DrawsAlone],
        **settings: Any,
    ) -> None:
        small = stage_one.medium
        if not isinstance(small, Images) or small.shape[0] != image_shape[0]:
            raise ValueError(f"parts.stage_one must draw images of {image_shape[0]} channels, as the data's are")
        if not (isinstance(condition, Captions) and isinstance(stage_one.condition, Captions)) and (
            condition is None or stage_one.condition is None or condition.to_dict() != stage_one.condition.to_dict()
        ):
            raise ValueError("parts.stage_one must draw images of captions, as method=stackgan does")
        super().__init__(partial(generator, small_shape=small.shape), discriminator, image_shape, condition, **settings)
        self.stage_one = stage_one

    def draw(self, rows: Tensor) -> Drawn:
        """Return images of fresh noise, of the first stage's images of captions (B, L), and of the captions."""
        # Drawn by torch's generator, which is seeded anew for each step.
        noise = Noise(int(torch.randint(2**31, (1,))))
        eps = torch.randn(len(rows), self.generator.caption_dim, device=rows.device)
        drawn: Drawn = self.generator(self.first_drawn(rows, noise), eps, self.read(rows))
        return drawn

    @torch.no_grad()
    def first_drawn(self, rows: Tensor, noise: Noise) -> Tensor:
        """Return the first stage's images (B, C, s, s) of captions (B, L).

        Raises:
            UserError: it can't read a caption.
        """
        own = self.stage_one.condition
        if isinstance(own, Captions) and isinstance(self.condition, Captions):
            rows = reread(rows, self.condition, own, "parts.stage_one")
        return self.stage_one.sample(len(rows), rows, noise=noise)

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images (count, C, H, W) of captions (count, L), from the averaged generator.

        Raises:
            ValueError: there are no captions, or they are not of the data's kind.
            UserError: a part can't read a caption.
        """
        rows = self.check_condition(condition, count)
        assert rows is not None
        small = self.first_drawn(rows, noise)
        eps = noise.normal(count, self.generator.caption_dim).to(self.device)
        images: Tensor = self.average(small, eps, self.read(rows)).images
        return images.clamp(-1, 1)
