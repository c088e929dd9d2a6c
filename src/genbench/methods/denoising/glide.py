"""GLIDE: text-conditional diffusion that also fills in images (Nichol et al. 2022, https://arxiv.org/abs/2112.10741).

The network attends to the tokens of a caption, and classifier-free guidance leads away from what it predicts for the
empty caption (section 2),

    eps = eps_theta(x_t | empty) + s (eps_theta(x_t | caption) - eps_theta(x_t | empty)),    w = s - 1

where `guidance` is w, as everywhere in this package. Only the noise is guided, not the variance.

For inpainting (section 3) the network is given at each call, beside x_t, the known part of the image and its mask.
It is fine-tuned from a model without them: their weights begin at zero.

Example:
    python -m genbench experiment=glide_64 data.root=FOLDER
    python -m genbench experiment=glide_64_inpaint data.root=FOLDER init=RUN
    python -m genbench edit editor=inpaint run=RUN mask=center prompt="a red three on blue"
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from genbench.conditions.base import Condition
from genbench.diffusion.estimates import Denoise
from genbench.medium import Images, Medium
from genbench.methods.denoising.hints import fill, hinted_at_random, unhinted, with_room
from genbench.methods.denoising.improved_ddpm import ImprovedDDPM
from genbench.randomness import Noise


class GLIDE(ImprovedDDPM):
    """Text-conditional diffusion, which may have been trained to fill in images.

    Args:
        denoiser: builds the network, as for `ImprovedDDPM`; for inpainting also from `extra_channels`, with which it
            is called as `extra`.
        medium: what a sample is.
        condition: of the data; None if it has none.
        inpainting: whether the network is given the known part of an image, zero elsewhere, and a mask that is 1 where
            it is known. In training the masks are random, see `random_masks`; in `sample` nothing is known.
        condition_dropout: fraction of captions that are replaced by the empty one in training.
        settings: those of `ImprovedDDPM`.

    Raises:
        ValueError: an argument is out of range, or there are no images to fill in.
    """

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        inpainting: bool = False,
        condition_dropout: float = 0.2,
        **settings: Any,
    ) -> None:
        if inpainting:
            if not isinstance(medium, Images):
                raise ValueError("inpainting=true fills in images, and the data has none")
            denoiser = partial(denoiser, extra_channels=medium.shape[0] + 1)
        super().__init__(denoiser, medium, condition, condition_dropout=condition_dropout, **settings)
        self.inpainting = inpainting

    def trained_network(self, x_0: Tensor) -> Callable[..., Tensor]:
        """Return the network; for inpainting with the hints of random masks."""
        network = super().trained_network(x_0)
        return hinted_at_random(network, x_0) if self.inpainting else network

    def denoise_with(self, y: Tensor | None, *, guidance: float = 0.0) -> Denoise:
        """Return the averaged network as a denoiser, see `DenoisingMethod`; for inpainting one that knows no pixel."""
        if not self.inpainting:
            return super().denoise_with(y, guidance=guidance)
        return self.denoise_by(unhinted(self.average.module), y, guidance=guidance)

    @torch.no_grad()
    def inpaint(self, known: Tensor, mask: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images whose missing part is filled in by the sampler, see `FillsIn`.

        A network trained for inpainting is given the known pixels, which also replace those of its estimate of x_0 at
        each step, as in the authors' code, so that any sampler will do. For others the sampler is `samplers.repaint`.
        """
        if not self.inpainting:
            return super().inpaint(known, mask, condition, noise=noise)
        known, mask = known.to(self.device), mask.to(self.device)
        y = None if condition is None else self.check_condition(condition, len(known))
        return fill(self, known, mask.expand(len(known), 1, *known.shape[-2:]), y, noise)

    def adapted(self, name: str, value: Tensor, shape: torch.Size) -> Tensor | None:
        """Return the first layer of a model without hints with weights of zero for them, see `Method.adapted`."""
        if not self.inpainting:
            return super().adapted(name, value, shape)
        return with_room(name, value, shape, self.medium.shape[0])
