"""Animate a portrait: a person, shown by one or a few pictures, in the poses of a driver (Zakharov et al. 2019).

https://arxiv.org/abs/1905.08233. Poses are taken as they are, or, as in First Order Motion (Siarohin et al. 2019,
section 3.3), by how the driver moves from the first frame on, which leaves the person's own proportions:

    absolute    k = k(D_t)
    relative    k = k(S) + k(D_t) - k(D_1),   S the person's first picture, which should be in the pose of D_1

Example:
    python -m genbench edit editor=animate run=FOLDER images=PORTRAIT driver=DIR editor.finetune_steps=40
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from genbench.abilities import Animates, EmbedsImages
from genbench.choices import expect_choice
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.editing.strips import side_by_side, strip_medium
from genbench.medium import Images
from genbench.parts import Frozen
from genbench.randomness import Noise

Motion = Literal["absolute", "relative"]

_SCORES = {
    "pose_error": "mean distance of key points of what is drawn to those that were asked for, as a fraction of half of "
    "the image's side; one for each frame of the driver",
    "shots_l1": "mean absolute error of the person's own pictures, drawn in their own poses, on [-1, 1]",
}
_OF_IDENTITY = {
    "identity": "cosine of embeddings of what is drawn and of the person's pictures, in [-1, 1], by the run "
    "parts.identity; one for each frame of the driver",
    "identity_driver": "the same of what is drawn and of the driver's frames, which it should be below",
}

_BATCH = 16


class Animate(Editor):
    """Draw a person in the poses of a driver; a result is a strip, the driver's frames above and what is drawn below.

    Args:
        method: finds poses, and draws people in poses.
        identity: a model that embeds images, by which faces are compared; None to leave out these scores.
        motion: "absolute" or "relative".
        finetune_steps: by which a copy of the model is trained further on the person's pictures; 0: none.
        pictures: of the strip, at equal distances in the driver; at least 1.

    Raises:
        ValueError: an argument is out of range, or the part embeds other images.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"shots", "driver"})
    chunk = 1

    def __init__(
        self,
        method: Animates,
        identity: Frozen[EmbedsImages] | None = None,
        *,
        motion: Motion = "absolute",
        finetune_steps: int = 0,
        pictures: int = 8,
    ) -> None:
        expect_choice("motion", motion, Motion)
        for name, value, least in (("finetune_steps", finetune_steps, 0), ("pictures", pictures, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        if identity is not None and identity.medium.shape != method.medium.shape:
            raise ValueError(
                f"parts.identity embeds images of shape {identity.medium.shape}, and the run draws "
                f"{method.medium.shape}"
            )
        self.method = method
        self.identity = identity
        self.motion: Motion = motion
        self.finetune_steps = finetune_steps
        self.pictures = pictures
        self.scores = _SCORES if identity is None else _SCORES | _OF_IDENTITY
        channels, height, width = strip_medium(method.medium, pictures).shape
        self.medium = Images((channels, 2 * height, width))

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the strips, and as pictures on the way the driver's frames one by one above what is drawn of them."""
        assert inputs.shots is not None
        assert inputs.driver is not None
        shots, driver = (each.to(self.method.device) for each in (inputs.shots, inputs.driver))
        draw = self.method.portrait(shots, steps=self.finetune_steps)
        points = self._poses(shots, driver)
        drawn = torch.cat([draw(part) for part in points.split(_BATCH)])
        own = torch.cat([draw(part) for part in self._found(shots).split(_BATCH)])
        scores = {
            "pose_error": (self._found(drawn) - points).norm(dim=-1).mean(1)[None].cpu(),
            "shots_l1": (own - shots).abs().mean()[None].cpu(),
            **self._identities(shots, driver, drawn),
        }
        medium = self.method.medium
        above, below = (medium.picture(medium.store(each.cpu())) for each in (driver, drawn))
        frames = torch.cat([above, below], dim=2)
        chosen = torch.linspace(0, len(frames) - 1, self.pictures).round().long()
        return EditResult(side_by_side(frames[None, chosen]), frames[None], scores)

    def _found(self, images: Tensor) -> Tensor:
        return torch.cat([self.method.find_keypoints(part) for part in images.split(_BATCH)])

    def _poses(self, shots: Tensor, driver: Tensor) -> Tensor:
        """Return the key points (T, P, 2) that are asked for."""
        points = self._found(driver)
        return points if self.motion == "absolute" else self._found(shots[:1]) + points - points[:1]

    @torch.no_grad()
    def _identities(self, shots: Tensor, driver: Tensor, drawn: Tensor) -> dict[str, Tensor]:
        """Return how like its person, and how like the driver, each picture is, (1, T)."""
        if self.identity is None:
            return {}
        person, others, own = (
            torch.nn.functional.normalize(
                torch.cat([self.identity.embed_images(part).flatten(1) for part in each.split(_BATCH)]), dim=1
            )
            for each in (shots, driver, drawn)
        )
        return {"identity": (own @ person.T).mean(1)[None].cpu(), "identity_driver": (own * others).sum(1)[None].cpu()}
