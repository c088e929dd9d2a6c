"""A cascade: a base model draws small images, and one or two upsamplers enlarge them.

Ho et al. 2022 (https://arxiv.org/abs/2106.15282); Imagen's is of 64, 256 and 1,024 pixels (Saharia et al. 2022). The
models are trained apart, each with its own sampler, guidance and level of augmentation, and together they are one
method. A caption goes from one to the next as a text.

What an upsampler is given is made noisy to a level s, so that it does not trust what a base model gets wrong (section
4.2): "non_truncated", the small image is drawn and then diffused to s; or "truncated", its sampling ends at s, where it
is as noisy by itself.

Example:
    python -m genbench experiment=imagen_cascade_scenes parts.base=RUN parts.upsampler=RUN
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from genbench.abilities import DrawsAlone, DrawsPartly, FillsInByHints, Upsamples
from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions, reread
from genbench.errors import UserError
from genbench.medium import Images, Medium
from genbench.methods.assembled import Assembled
from genbench.parts import Frozen
from genbench.randomness import Noise

Augmentation = Literal["non_truncated", "truncated"]


class Cascade(Assembled):
    """Draw images in two or three stages.

    Args:
        base: draws small images, of captions or something else or nothing.
        upsampler: enlarges them; what it is conditioned on besides, the base must be, too.
        second_upsampler: enlarges what the first one makes; None to do without.
        augmentation: where the noise of small images comes from.
        level: of that noise, in [0, 1], for all upsamplers; None for that of each.

    Raises:
        ValueError: the parts do not go together, or a setting is out of range.
    """

    def __init__(
        self,
        base: Frozen[DrawsAlone],
        upsampler: Frozen[Upsamples],
        second_upsampler: Frozen[Upsamples] | None = None,
        *,
        augmentation: Augmentation = "non_truncated",
        level: float | None = None,
    ) -> None:
        super().__init__()
        expect_choice("augmentation", augmentation, Augmentation)
        if level is not None and not 0 <= level <= 1:
            raise ValueError(f"level must be in [0, 1], not {level}")
        self.base = base
        self.upsampler = upsampler
        self.second_upsampler = second_upsampler
        self.augmentation = augmentation
        self.level = level
        if base.derives_condition:
            raise ValueError("parts.base draws of other images: a base draws of a caption, a class or nothing")
        self.condition = base.condition
        self.medium = base.medium
        for name, each in self.stages.items():
            self._check_stage(name, each)
            self.medium = each.medium

    @property
    def stages(self) -> dict[str, Upsamples]:
        """The upsamplers that there are, in their order, by their names as parts."""
        both = {"upsampler": self.upsampler, "second_upsampler": self.second_upsampler}
        return {name: each for name, each in both.items() if each is not None}

    def level_of(self, stage: Upsamples) -> float:
        """Return the level of noise of what a stage is given."""
        return stage.level if self.level is None else self.level

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images (count, *medium.shape) of rows (count, ...) of the base's condition.

        Raises:
            ValueError: the condition is missing or invalid.
            UserError: an upsampler can't read a caption, or a sampler's settings do not suit its process.
        """
        rows = self.check_condition(condition, count)
        ends = [self._end(each) for each in self.stages.values()]
        images = self._draw_base(ends[0], count, rows, noise)
        for (name, each), end, until in zip(self.stages.items(), ends, [*ends[1:], None], strict=True):
            images = each.upsample(
                images,
                shown_to(name, each, rows, self.condition),
                noise=noise,
                level=self.level_of(each),
                is_noisy=end is not None,
                until=until,
            )
        return images

    def _end(self, stage: Upsamples) -> float | None:
        """Return the time at which the sampling of what a stage is given ends early; None if it does not."""
        return self.level_of(stage) or None if self.augmentation == "truncated" else None

    def _draw_base(self, until: float | None, count: int, rows: Tensor | None, noise: Noise) -> Tensor:
        if until is None:
            return self.base.sample(count, rows, noise=noise)
        assert isinstance(self.base, DrawsPartly)
        return self.base.sample_until(until, count, rows, noise=noise)

    def _check_stage(self, name: str, stage: Upsamples) -> None:
        check_size(name, stage, self.medium)
        shown, own = stage.shown, self.condition
        is_read = isinstance(shown, Captions) and isinstance(own, Captions)
        if shown is not None and not is_read and (own is None or own.to_dict() != shown.to_dict()):
            raise ValueError(f"parts.{name} is conditioned on something else than parts.base")
        if self.level_of(stage) and not stage.augments:
            raise ValueError(
                f"level: parts.{name} was trained on small images without noise (method.augmentation=none)"
            )
        if self.augmentation == "truncated" and self.level_of(stage):
            before = self.base if name == "upsampler" else self.upsampler
            level = torch.tensor(self.level_of(stage), dtype=torch.float64)
            if level == 1:
                raise ValueError(f"augmentation=truncated at level 1 leaves parts.{name} nothing but noise")
            if not isinstance(before, DrawsPartly):
                raise ValueError("augmentation=truncated takes parts whose sampling can end early, such as ddpm")
            if before.space is not before.medium:
                raise ValueError("augmentation=truncated takes parts that denoise images themselves, not latents")
            if not torch.isclose(before.process.alpha(level), stage.process.alpha(level), atol=1e-6):
                raise ValueError(
                    f"augmentation=truncated takes parts of one process: at level {float(level):g} what is given to "
                    f"parts.{name} is not as noisy as in its training"
                )

    @torch.no_grad()
    def inpaint(self, known: Tensor, mask: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images whose missing part is filled in small and then enlarged, see `FillsIn`.

        A pixel of a small image is known where all of the large one are that it stands for.

        Raises:
            UserError: a part was not trained for inpainting, or sampling is truncated.
        """
        if self.augmentation == "truncated":
            raise UserError(
                "images are filled in with small images that are drawn to their end: assemble the cascade with "
                "method.augmentation=non_truncated"
            )
        lacking = [f"parts.{name}" for name, each in self.stages.items() if not each.inpainting]
        if not (isinstance(self.base, FillsInByHints) and self.base.inpainting):
            lacking.insert(0, "parts.base")
        if lacking:
            raise UserError(f"{' and '.join(lacking)} must be trained with method.inpainting=true to fill in images")
        assert isinstance(self.base, FillsInByHints)
        known, mask = known.to(self.device), mask.to(self.device).expand(len(known), 1, *known.shape[-2:])
        rows = None if self.condition is None else self.condition.null(len(known)).to(self.device)
        if condition is not None:
            rows = self.check_condition(condition, len(known))
        images = self.base.inpaint(*shrunk(known, mask, self.base.medium.shape[-1]), rows, noise=noise)
        for name, each in self.stages.items():
            own, part = shrunk(known, mask, each.medium.shape[-1])
            images = each.upsample(
                images,
                shown_to(name, each, rows, self.condition),
                noise=noise,
                level=self.level_of(each),
                known=own,
                mask=part,
            )
        return images


def check_size(name: str, stage: Upsamples, medium: Medium) -> None:
    """Check that an upsampler, the part of this name, takes samples of a medium.

    Raises:
        ValueError: it does not.
    """
    taken = stage.shrink.condition(stage.medium).shape
    if not isinstance(medium, Images) or taken != medium.shape:
        raise ValueError(f"parts.{name} takes {taken}, and before it there are {medium.shape}")


def shown_to(name: str, stage: Upsamples, rows: Tensor | None, condition: Condition | None) -> Tensor | None:
    """Return rows of a condition as an upsampler, the part of this name, takes them; None if it takes none.

    Raises:
        UserError: it can't read a caption.
    """
    if stage.shown is None or rows is None:
        return None
    if isinstance(stage.shown, Captions) and isinstance(condition, Captions):
        return reread(rows, condition, stage.shown, f"parts.{name}")
    return rows


def shrunk(known: Tensor, mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Return images (B, C, H, W) and their masks (B, 1, H, W) of another side."""
    factor = known.shape[-1] // side
    if factor == 1:
        return known, mask
    # Averages of blocks, as nothing that is hidden may show beside them, which a wider filter would let it.
    return avg_pool2d(known, factor), -max_pool2d(-mask, factor)
