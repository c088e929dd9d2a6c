"""What editors of a generator's styles have in common: where they begin, and what they show."""

from collections.abc import Sequence

import torch
from torch import Tensor

from genbench.abilities import PerceivesStyled
from genbench.editing.base import EditResult, Inputs
from genbench.editing.by_text import Nearness
from genbench.editing.strips import side_by_side
from genbench.editing.style_search import StyleSearch
from genbench.medium import Medium
from genbench.randomness import Noise


def styles_of(method: PerceivesStyled, inputs: Inputs, search_steps: int, *, noise: Noise) -> Tensor:
    """Return the w (B, layers, style_dim) of which images are drawn that are to be changed, without gradients.

    Those of random latents, or, of images that are given, those that a search finds.
    """
    if inputs.images is None:
        z = noise.normal(inputs.count, method.latent_dim).to(method.device)
        return method.styles(z, inputs.condition)
    return StyleSearch(method, steps=search_steps).find(inputs.images, inputs.condition, noise=noise).w


def before_and_after(
    medium: Medium, frames: Sequence[Tensor], texts: Sequence[str], nearness: Nearness, moved: Tensor
) -> EditResult:
    """Return strips of what an edit began and ended with, with all frames as pictures on the way.

    Args:
        medium: of the images.
        frames: images (B, C, H, W) each, from the first to the last, which may be beyond the medium's range.
        texts: that they were led to.
        nearness: how near they came.
        moved: how far the styles are from those at first, (B,).
    """
    frames = [frame.detach().clamp(-1, 1) for frame in frames]
    pictures = torch.stack([medium.picture(medium.store(each.cpu())) for each in frames], dim=1)
    first = {f"{name}_before": values for name, values in nearness.of(frames[0], texts).items()}
    scores = nearness.of(frames[-1], texts) | first | {"moved": moved.detach().cpu()}
    return EditResult(side_by_side(pictures[:, [0, -1]]), pictures, scores)


def scores_of(nearness: Nearness) -> dict[str, str]:
    """Return what the scores of `before_and_after` are."""
    first = {f"{name}_before": f"{what}; of the image before the edit" for name, what in nearness.scores.items()}
    return nearness.scores | first | {"moved": "squared distance of the styles from those at first, over all layers"}
