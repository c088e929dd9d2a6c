"""VQGAN-CLIP: pictures made or changed by a text, through the latents of a VQGAN (Crowson et al. 2022).

https://arxiv.org/abs/2204.08583. Nothing is trained: from random codes, or from those of an image, the latents z are
led by the gradient of

    sum_p |w_p| E_c[ sign(w_p) d(I(c(G(z))), T_p) ] + lambda / 2 |z - z_0|^2,    d = angle^2 / 2

with the CLIP's embeddings T of prompts and I of random views c of the picture, which G draws of the codes nearest to z.

Example:
    python -m genbench edit editor=vqgan_clip run=VQGAN clip=CLIP prompt="a red three on blue"
"""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from genbench.abilities import Codes, EmbedsTexts
from genbench.cutouts import Cutouts
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.editing.by_text import Nearness, Target, generator_of, losses, seen, targets_of
from genbench.parts import Frozen
from genbench.randomness import Noise


class VqganClip(Editor):
    """Lead the latents of a VQGAN to texts; a result is the picture.

    Args:
        method: maps images to codes and back.
        clip: what embeds pictures and prompts.
        scorer: another CLIP, which does not lead, to say how near the picture comes; None for none.
        steps: of Adam.
        lr: its learning rate, in deviations of the codebook's numbers.
        cutouts: views of the picture in each step.
        least: side of the smallest view, as a fraction of the picture's.
        power: above 1 for more small views.
        distortion: how much views are turned, moved and bent; 0 for not at all.
        noise: largest deviation of the noise of a view.
        start_weight: lambda, which holds latents to those of the image that is changed.
        image_weight: of the distance to `others`, pictures as prompts.
        pictures: on the way that are kept, both ends included; at least 2.

    Raises:
        ValueError: an argument is out of range.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"text", "asked images", "asked others"})
    chunk = 4

    def __init__(
        self,
        method: Codes,
        clip: Frozen[EmbedsTexts],
        scorer: Frozen[EmbedsTexts] | None = None,
        *,
        steps: int = 200,
        lr: float = 0.1,
        cutouts: int = 32,
        least: float = 0.5,
        power: float = 1.0,
        distortion: float = 0.0,
        noise: float = 0.1,
        start_weight: float = 0.0,
        image_weight: float = 1.0,
        pictures: int = 5,
    ) -> None:
        for name, value, smallest in (
            ("steps", steps, 1),
            ("pictures", pictures, 2),
            ("start_weight", start_weight, 0),
        ):
            if value < smallest:
                raise ValueError(f"{name} must be at least {smallest}, not {value}")
        if lr <= 0 or not image_weight:
            raise ValueError(f"lr={lr} must be positive, and image_weight={image_weight} other than 0")
        self.method = method
        self.clip = clip
        self.steps = steps
        self.lr = lr
        self.cutouts = Cutouts(cutouts, least, power, distortion, noise)
        self.start_weight = start_weight
        self.image_weight = image_weight
        self.pictures = pictures
        self.medium = method.medium
        self.nearness = Nearness(clip, scorer, method.device)
        self.scores = {"loss": "what is minimised, a number for each picture on the way"} | self.nearness.scores

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the pictures.

        Raises:
            UserError: a CLIP does not know a prompt.
        """
        assert inputs.texts is not None
        targets = self._targets(inputs)
        z_0 = self._start(inputs, noise)
        table = self.method.codebook
        low, high = (each[:, None, None] for each in table.aminmax(dim=0))
        generator = generator_of(noise)
        z = z_0.clone().requires_grad_()
        optimizer = torch.optim.Adam([z], lr=self.lr * float(table.std()))
        kept = torch.linspace(0, self.steps, self.pictures).round().tolist()
        frames, values = [], []
        for step in range(self.steps + 1):
            drawn = self.method.decode(z)
            loss = losses(seen(self.clip, drawn, self.cutouts, generator), targets)
            if self.start_weight:
                loss = loss + self.start_weight / 2 * (z - z_0).square().flatten(1).mean(1)
            if step in kept:
                frames.append(drawn.detach())
                values.append(loss.detach())
            if step == self.steps:
                break
            optimizer.zero_grad()
            # Each picture's by itself: the sum over pictures has the gradient of each.
            loss.sum().backward()
            optimizer.step()
            with torch.no_grad():
                z.clamp_(low, high)
        stored = [self.medium.store(self.medium.check(each, inputs.count).cpu()) for each in frames]
        scores = {"loss": torch.stack(values, dim=1).cpu()} | self.nearness.of(frames[-1], inputs.texts)
        return EditResult(stored[-1], torch.stack(stored, dim=1), scores)

    def _targets(self, inputs: Inputs) -> list[list[Target]]:
        assert inputs.texts is not None
        targets = targets_of(self.clip, inputs.texts, self.method.device)
        if inputs.others is None:
            return targets
        with torch.no_grad():
            shown = normalize(self.clip.embed_images(inputs.others.to(self.method.device)).float(), dim=1)
        return [[*own, Target(one, self.image_weight)] for own, one in zip(targets, shown, strict=True)]

    def _start(self, inputs: Inputs, noise: Noise) -> Tensor:
        """Return the latents that are led: of random codes, or of the images that are given."""
        if inputs.images is not None:
            with torch.no_grad():
                return self.method.encode(inputs.images.to(self.method.device))
        table = self.method.codebook
        places = self.method.latent_shape[1:]
        codes = (noise.uniform(inputs.count, *places) * len(table)).long().to(table.device)
        return table[codes].permute(0, 3, 1, 2).contiguous()
