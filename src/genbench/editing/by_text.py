"""What editors that follow a text have in common: prompts as embeddings, views of pictures, how near they come."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from genbench.abilities import EmbedsTexts
from genbench.cutouts import Cutouts
from genbench.errors import UserError
from genbench.randomness import Noise
from genbench.text.prompts import parse_prompts
from genbench.text.templates import fill
from genbench.text_losses import spherical_distance, weighted

Distance = Callable[[Tensor, Tensor], Tensor]


class Target(NamedTuple):
    """What a picture is led to, or away from.

    Attributes:
        embedding: (D,), of length 1.
        weight: see `text.prompts.Prompt`, as is `stop`.
        stop: distance at which it has no effect.
    """

    embedding: Tensor
    weight: float = 1.0
    stop: float = -math.inf

    def loss(self, views: Tensor, distance: Distance) -> Tensor:
        """Return the loss (...) of N views (..., N, D) of a picture."""
        return weighted(distance(views, self.embedding), self.weight, self.stop)


def targets_of(clip: EmbedsTexts, texts: Sequence[str], device: torch.device) -> list[list[Target]]:
    """Return the targets of each text, which may be several prompts, by the embeddings of a CLIP on a device.

    Raises:
        UserError: a text has no prompt, or one that the CLIP does not know.
    """
    found: dict[str, list[Target]] = {}
    for text in texts:
        if text not in found:
            try:
                prompts = parse_prompts(text)
                rows = torch.cat([clip.condition.parse(prompt.text) for prompt in prompts])
            except ValueError as error:
                raise UserError(f"prompt: {error}") from error
            with torch.no_grad():
                embedded = normalize(clip.embed_texts(rows.to(device)).float(), dim=1)
            found[text] = [
                Target(row, prompt.weight, prompt.stop) for prompt, row in zip(prompts, embedded, strict=True)
            ]
    return [found[text] for text in texts]


@torch.no_grad()
def embed_filled(clip: EmbedsTexts, name: str, templates: Sequence[str], device: torch.device, where: str) -> Tensor:
    """Return the embeddings (K, D), of length 1, of a text in each of K templates, by a CLIP on a device.

    Raises:
        UserError: the CLIP does not know it; the message begins with `where`.
    """
    try:
        rows = torch.cat([clip.condition.parse(fill(template, name)) for template in templates])
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error
    return normalize(clip.embed_texts(rows.to(device)).float(), dim=1)


def losses(
    views: Tensor,
    targets: Sequence[Sequence[Target]],
    distance: Distance = spherical_distance,
) -> Tensor:
    """Return the loss (B,) of pictures: the sum of the weighted distances of their views to their targets.

    Args:
        views: embeddings (B, N, D) of N views of each picture.
        targets: of each picture.
        distance: of vectors, one of `text_losses`.
    """
    return torch.stack(
        [
            sum((each.loss(own, distance) for each in wanted), start=own.new_zeros(()))
            for own, wanted in zip(views, targets, strict=True)
        ]
    )


def seen(clip: EmbedsTexts, pictures: Tensor, cutouts: Cutouts, generator: torch.Generator) -> Tensor:
    """Return the embeddings (B, N, D) of N views of pictures (B, C, H, W) in [-1, 1]."""
    views = cutouts(pictures, generator)
    return clip.embed_images(views.flatten(0, 1)).float().unflatten(0, views.shape[:2])


class Nearness:
    """How near pictures come to their prompts, as scores of an editor.

    Args:
        clip: the CLIP that leads.
        scorer: another one, which does not; None for none.
        device: where both are.
    """

    def __init__(self, clip: EmbedsTexts, scorer: EmbedsTexts | None, device: torch.device) -> None:
        own = "cosine of the picture with its prompts by the CLIP that led it, in [-1, 1]"
        self.scores = {"cosine": own}
        self._clips = {"cosine": clip}
        self._device = device
        if scorer is not None:
            self.scores["held_out_cosine"] = "the same by parts.scorer, a CLIP that did not lead it"
            self._clips["held_out_cosine"] = scorer

    @torch.no_grad()
    def of(self, pictures: Tensor, texts: Sequence[str]) -> dict[str, Tensor]:
        """Return the scores (B,) of pictures (B, C, H, W) with texts: means by weights; of a negative one -cos.

        Raises:
            UserError: a CLIP does not know a prompt.
        """
        return {
            name: cosines(clip, pictures, targets_of(clip, texts, self._device)) for name, clip in self._clips.items()
        }


def cosines(clip: EmbedsTexts, pictures: Tensor, targets: Sequence[Sequence[Target]]) -> Tensor:
    """Return the mean cosine (B,) of pictures (B, C, H, W) with their targets, by weights, on the CPU."""
    embedded = normalize(clip.embed_images(pictures).float(), dim=1)
    found = []
    for own, wanted in zip(embedded, targets, strict=True):
        weights = torch.tensor([each.weight for each in wanted]).to(own)
        found.append(torch.stack([each.embedding for each in wanted]) @ own @ weights / weights.abs().sum())
    return torch.stack(found).cpu()


def generator_of(noise: Noise) -> torch.Generator:
    """Return a generator of as many random numbers as an editor needs: `noise` draws whole chunks of rows each time."""
    seed = int(noise.uniform(1, 1).double().item() * 2**24)
    return torch.Generator().manual_seed(seed)
