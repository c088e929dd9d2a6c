"""StyleCLIP's first way: the styles of one image led to a text (Patashnik et al. 2021, section 4).

https://arxiv.org/abs/2103.17249. From the styles w_0 of an image on, w, of each layer its own, is led by the gradient
of

    1 - cos(I(G(w)), T) + l2 |w - w_0|^2 + id (1 - cos(F(G(w)), F(G(w_0))))

with a CLIP's embeddings I of images and T of the text, and F those of a network that knows who somebody is. The squared
distance is a sum over layers.

Example:
    python -m genbench edit editor=styleclip_optimization run=STYLEGAN clip=CLIP prompt="a seven"
"""

from typing import ClassVar

import torch
from torch import Tensor

from genbench.abilities import EmbedsImages, EmbedsTexts, PerceivesStyled
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.editing.by_text import Nearness, losses, targets_of
from genbench.editing.strips import strip_medium
from genbench.editing.style_search import rate_at
from genbench.editing.styled import before_and_after, scores_of, styles_of
from genbench.parts import Frozen
from genbench.randomness import Noise
from genbench.text_losses import cosine_distance


class StyleclipOptimization(Editor):
    """Lead styles to texts; a result is the strip of the image before and after.

    Args:
        method: draws images of styles.
        clip: what embeds images and prompts.
        scorer: another CLIP, which does not lead, to say how near the image comes; None for none.
        identity: what embeds images so that the same person, or thing, has the same embedding; None for none.
        steps: of Adam.
        lr: its largest learning rate, which rises in the first twentieth and falls in the last quarter.
        l2: of the squared distance to the styles at first.
        identity_weight: id; takes parts.identity.
        search_steps: of the search for the styles of images that are given.
        pictures: on the way that are kept, both ends included; at least 2.

    Raises:
        ValueError: an argument is out of range.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"text", "asked images", "condition"})
    chunk = 8

    def __init__(
        self,
        method: PerceivesStyled,
        clip: Frozen[EmbedsTexts],
        scorer: Frozen[EmbedsTexts] | None = None,
        identity: Frozen[EmbedsImages] | None = None,
        *,
        steps: int = 100,
        lr: float = 0.1,
        l2: float = 0.008,
        identity_weight: float = 0.0,
        search_steps: int = 300,
        pictures: int = 5,
    ) -> None:
        for name, value, least in (
            ("steps", steps, 1),
            ("search_steps", search_steps, 1),
            ("pictures", pictures, 2),
            ("l2", l2, 0),
            ("identity_weight", identity_weight, 0),
        ):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        if lr <= 0:
            raise ValueError(f"lr must be positive, not {lr}")
        if (identity is None) == bool(identity_weight):
            raise ValueError("identity_weight above 0 and parts.identity=RUN go together")
        self.method = method
        self.clip = clip
        self.identity = identity
        self.steps = steps
        self.lr = lr
        self.l2 = l2
        self.identity_weight = identity_weight
        self.search_steps = search_steps
        self.pictures = pictures
        self.medium = strip_medium(method.medium, 2)
        self.nearness = Nearness(clip, scorer, method.device)
        self.scores = scores_of(self.nearness)

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the strips.

        Raises:
            UserError: a CLIP does not know a prompt.
        """
        assert inputs.texts is not None
        targets = targets_of(self.clip, inputs.texts, self.method.device)
        w_0 = styles_of(self.method, inputs, self.search_steps, noise=noise)
        before = self._identity(self.method.synthesise(w_0)) if self.identity is not None else None
        w = w_0.clone().requires_grad_()
        optimizer = torch.optim.Adam([w])
        kept = torch.linspace(0, self.steps, self.pictures).round().tolist()
        frames = []
        for step in range(self.steps + 1):
            drawn = self.method.synthesise(w)
            if step in kept:
                frames.append(drawn)
            if step == self.steps:
                break
            views = self.clip.embed_images(drawn).float()[:, None]
            loss = losses(views, targets, cosine_distance) + self.l2 * _squares(w - w_0)
            if before is not None:
                loss = loss + self.identity_weight * cosine_distance(self._identity(drawn), before.detach())
            optimizer.param_groups[0]["lr"] = self.lr * rate_at(step / self.steps)
            optimizer.zero_grad()
            # Each image's by itself: the sum over images has the gradient of each.
            loss.sum().backward()
            optimizer.step()
        return before_and_after(self.method.medium, frames, inputs.texts, self.nearness, _squares(w - w_0))

    def _identity(self, images: Tensor) -> Tensor:
        assert self.identity is not None
        return self.identity.embed_images(images).float()


def _squares(difference: Tensor) -> Tensor:
    return difference.square().flatten(1).sum(1)
