"""An editor that changes a latent until a classifier sees the class that is wanted: a per-image optimiser."""

from typing import ClassVar

import torch

from genbench.abilities import ClassifiesNoisy, HasLatents
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.parts import Frozen
from genbench.randomness import Noise


class Steer(Editor):
    """Gradient ascent on log p(target | G(z)).

    Args:
        method: what decodes latents.
        classifier: of its images.
        target: the class that is wanted.
        steps: of the ascent.
        lr: learning rate.
    """

    takes: ClassVar[frozenset[Input]] = frozenset()
    scores = {"log_probability": "log p(target | G(z)), in nats, before each step and after the last"}
    chunk = 4

    def __init__(
        self,
        method: HasLatents,
        classifier: Frozen[ClassifiesNoisy],
        *,
        target: int = 0,
        steps: int = 20,
        lr: float = 0.1,
    ) -> None:
        self.method, self.classifier, self.medium = method, classifier, method.medium
        self.target, self.steps, self.lr = target, steps, lr

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the pictures of the latents that were found."""
        z = noise.normal(inputs.count, self.method.latent_dim).to(self.method.device).requires_grad_()
        optimizer = torch.optim.Adam([z], lr=self.lr)
        pictures, curve = [], []
        for _ in range(self.steps + 1):
            images = self.method.decode(z)
            logits = self.classifier.classify(images, torch.zeros(len(z), device=z.device))
            log_probability = logits.log_softmax(1)[:, self.target]
            pictures.append(self.medium.store(images.detach()))
            curve.append(log_probability.detach())
            optimizer.zero_grad()
            (-log_probability.sum()).backward()
            optimizer.step()
        stored = torch.stack(pictures, dim=1).cpu()
        return EditResult(stored[:, -1], stored, {"log_probability": torch.stack(curve, dim=1).cpu()})
