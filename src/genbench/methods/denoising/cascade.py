"""A cascade: a base model draws small images of captions, and one or two upsamplers enlarge them.

Ho et al. 2022 (https://arxiv.org/abs/2106.15282); Imagen's is of 64, 256 and 1,024 pixels (Saharia et al. 2022). The
models are trained apart, each with its own sampler, guidance and level of augmentation, and together they are one
method. A caption goes from one to the next as a text.

Example:
    python -m genbench experiment=imagen_cascade_scenes parts.base=RUN parts.upsampler=RUN
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from genbench.abilities import DrawsCaptions, FillsInByHints, Upsamples
from genbench.conditions.captions import Captions
from genbench.errors import UserError
from genbench.medium import Images
from genbench.methods.assembled import Assembled
from genbench.parts import Frozen
from genbench.randomness import Noise


class Cascade(Assembled):
    """Draw images of captions in two or three stages.

    Args:
        base: draws small images of captions.
        upsampler: enlarges them.
        second_upsampler: enlarges what the first one makes; None to do without.

    Raises:
        ValueError: the parts do not go together.
    """

    condition: Captions

    def __init__(
        self,
        base: Frozen[DrawsCaptions],
        upsampler: Frozen[Upsamples],
        second_upsampler: Frozen[Upsamples] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(base.condition, Captions):
            raise ValueError("parts.base must draw images from captions")
        self.base = base
        self.upsampler = upsampler
        self.second_upsampler = second_upsampler
        self.condition = base.condition
        self.medium = base.medium
        for name, each in self.stages.items():
            taken = each.shrink.condition(each.medium).shape
            if not isinstance(self.medium, Images) or taken != self.medium.shape:
                raise ValueError(f"parts.{name} takes {taken}, and before it there are {self.medium.shape}")
            self.medium = each.medium

    @property
    def stages(self) -> dict[str, Upsamples]:
        """The upsamplers that there are, in their order, by their names as parts."""
        both = {"upsampler": self.upsampler, "second_upsampler": self.second_upsampler}
        return {name: each for name, each in both.items() if each is not None}

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images (count, *medium.shape) of captions (count, L).

        Raises:
            ValueError: the captions are missing or invalid, or too long for an upsampler.
            UserError: a sampler's settings do not suit its process.
        """
        rows = self.check_condition(condition, count)
        assert rows is not None
        images = self.base.sample(count, rows, noise=noise)
        for each in self.stages.values():
            images = each.upsample(images, self._tokens(rows, each), noise=noise)
        return images

    @torch.no_grad()
    def inpaint(self, known: Tensor, mask: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images whose missing part is filled in small and then enlarged, see `FillsIn`.

        A pixel of a small image is known where all of the large one are that it stands for.

        Raises:
            UserError: a part was not trained for inpainting.
        """
        lacking = [f"parts.{name}" for name, each in self.stages.items() if not each.inpainting]
        if not (isinstance(self.base, FillsInByHints) and self.base.inpainting):
            lacking.insert(0, "parts.base")
        if lacking:
            raise UserError(f"{' and '.join(lacking)} must be trained with method.inpainting=true to fill in images")
        assert isinstance(self.base, FillsInByHints)
        known, mask = known.to(self.device), mask.to(self.device).expand(len(known), 1, *known.shape[-2:])
        rows = self.condition.null(len(known)).to(self.device)
        if condition is not None:
            rows = self.check_condition(condition, len(known))  # type: ignore[assignment]
        images = self.base.inpaint(*shrunk(known, mask, self.base.medium.shape[-1]), rows, noise=noise)
        for each in self.stages.values():
            own, part = shrunk(known, mask, each.medium.shape[-1])
            images = each.upsample(images, self._tokens(rows, each), noise=noise, known=own, mask=part)
        return images

    def _tokens(self, rows: Tensor, stage: Upsamples) -> Tensor:
        """Return captions as an upsampler's tokenizer has them."""
        return stage.captions.encode_again(rows, self.condition).to(rows.device)


def shrunk(known: Tensor, mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Return images (B, C, H, W) and their masks (B, 1, H, W) of another side."""
    factor = known.shape[-1] // side
    if factor == 1:
        return known, mask
    # Averages of blocks, as nothing that is hidden may show beside them, which a wider filter would let it.
    return avg_pool2d(known, factor), -max_pool2d(-mask, factor)
