"""Find the styles of which a generator draws an image (Karras et al. 2020, appendix D; w+: Abdal et al. 2019).

https://arxiv.org/abs/1912.04958, https://arxiv.org/abs/1904.03189. From the mean w on, w is led by the gradient of

    |x - G(w)|^2 + lambda sum_l |f_l(x) - f_l(G(w))|^2

where f_l are features, each place's of length 1, and norms are means over all places. In the first three quarters of
the steps w gets noise, which falls to zero, so that the neighbourhood is explored.
"""

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from genbench.abilities import PerceivesStyled
from genbench.choices import expect_choice
from genbench.lpips import load_lpips
from genbench.randomness import Noise

Space = Literal["w", "w_plus"]
Perceptual = Literal["discriminator", "lpips", "none"]

_EXPLORED = 0.75
"""Fraction of the steps in which w gets noise."""

_NOISE = 0.05
"""Deviation of the noise at first, in those of w."""

_LATENTS = 64
"""Of which the deviation of w is measured for each image."""


class Found(NamedTuple):
    """What a search found.

    Attributes:
        w: (B, layers, style_dim).
        frames: what was drawn on the way, (B, C, H, W) each.
        distances: what is minimised, on the way, (B,) each.
    """

    w: Tensor
    frames: list[Tensor]
    distances: list[Tensor]


class StyleSearch:
    """Lead styles to images.

    Args:
        method: draws images of styles, and perceives images.
        space: "w", one for all layers, or "w_plus", one for each.
        steps: of Adam.
        lr: its largest learning rate, which rises in the first twentieth and falls in the last quarter.
        perceptual: the features: the "discriminator"'s; "lpips", by VGG-16, whose weights must lie in torch's cache; or
            "none".
        perceptual_weight: lambda.

    Raises:
        ValueError: an argument is out of range.
        UserError: VGG-16's weights are not there.
    """

    def __init__(
        self,
        method: PerceivesStyled,
        *,
        space: Space = "w_plus",
        steps: int = 300,
        lr: float = 0.05,
        perceptual: Perceptual = "discriminator",
        perceptual_weight: float = 1.0,
    ) -> None:
        expect_choice("space", space, Space)
        expect_choice("perceptual", perceptual, Perceptual)
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        if perceptual_weight < 0:
            raise ValueError(f"perceptual_weight must be at least 0, not {perceptual_weight}")
        if lr <= 0:
            raise ValueError(f"lr must be positive, not {lr}")
        self.method = method
        self.space: Space = space
        self.steps = steps
        self.lr = lr
        self.perceptual: Perceptual = perceptual
        self.perceptual_weight = perceptual_weight
        self._lpips = load_lpips("vgg").to(method.device) if perceptual == "lpips" else None

    def find(self, images: Tensor, condition: Tensor | None, *, noise: Noise, pictures: int = 2) -> Found:
        """Return the styles of images (B, C, H, W) in [-1, 1], and some pictures on the way, both ends included.

        Args:
            images: what is looked for.
            condition: rows of the method's condition, if it has any.
            noise: source of random numbers.
            pictures: how many, at least 2; the first is of the mean w.
        """
        images = images.to(self.method.device)
        with torch.no_grad():
            known = self._perceived(images)
        count = len(images)
        z = noise.normal(count, _LATENTS, self.method.latent_dim).to(self.method.device).flatten(0, 1)
        shown = None if condition is None else condition.repeat_interleave(_LATENTS, 0)
        spread = self.method.styles(z, shown)[:, 0].unflatten(0, (count, _LATENTS)).std(1).mean(1)
        layers = self.method.layers if self.space == "w_plus" else 1
        w = self.method.mean_style.repeat(count, layers, 1).requires_grad_()
        optimizer = torch.optim.Adam([w], betas=(0.9, 0.999))
        kept = torch.linspace(0, self.steps, pictures).round().tolist()
        frames, distances = [], []
        for step in range(self.steps + 1):
            if step in kept:
                with torch.no_grad():
                    drawn = self._drawn(w)
                    distances.append(self._distance(drawn, images, known))
                frames.append(drawn)
            if step == self.steps:
                break
            optimizer.param_groups[0]["lr"] = self.lr * rate_at(step / self.steps)
            around = _NOISE * spread * max(0.0, 1 - step / self.steps / _EXPLORED) ** 2
            explored = w + around[:, None, None] * noise.normal(count, *w.shape[1:]).to(w)
            # Each image's by itself: the sum over images has the gradient of each.
            optimizer.zero_grad()
            self._distance(self._drawn(explored), images, known).sum().backward()
            optimizer.step()
        return Found(w.detach().expand(-1, self.method.layers, -1), frames, distances)

    def _drawn(self, w: Tensor) -> Tensor:
        return self.method.synthesise(w.expand(-1, self.method.layers, -1))

    def _perceived(self, images: Tensor) -> list[Tensor]:
        """Return the discriminator's features of images, if they are compared by these."""
        return self.method.perceive(images) if self.perceptual == "discriminator" else []

    def _distance(self, drawn: Tensor, images: Tensor, known: list[Tensor]) -> Tensor:
        """Return what is minimised (B,), of what is drawn, images (B, C, H, W), and what is perceived of these."""
        pixels = (drawn - images).square().flatten(1).mean(1)
        if self._lpips is not None:
            return pixels + self.perceptual_weight * self._lpips(drawn, images)
        if known:
            return pixels + self.perceptual_weight * features_apart(self._perceived(drawn), known)
        return pixels


def features_apart(one: list[Tensor], other: list[Tensor]) -> Tensor:
    """Return the sum over maps of the mean squared distance (B,) of their vectors, each place's of length 1."""
    distances = [
        (normalize(f) - normalize(g)).square().sum(1).flatten(1).mean(1) for f, g in zip(one, other, strict=True)
    ]
    return torch.stack(distances).sum(0)


def rate_at(t: float) -> float:
    """Return the fraction of the learning rate at time t in [0, 1]: up in the first 5 %, down in the last 25 %."""
    down = min(1.0, (1 - t) / 0.25)
    return min(1.0, t / 0.05 + 0.02) * (0.5 - 0.5 * math.cos(down * math.pi))
