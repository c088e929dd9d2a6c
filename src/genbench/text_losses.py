"""How far pictures are from texts in a CLIP's embeddings: the losses by which texts lead pictures.

Spherical distances with weights and stops are those of VQGAN-CLIP (Crowson et al. 2022,
https://arxiv.org/abs/2204.08583) and of CLIP-guided diffusion; directional ones those of StyleGAN-NADA and Text2LIVE
(Gal et al. 2022, https://arxiv.org/abs/2108.00946, section 4.1; Bar-Tal et al. 2022,
https://arxiv.org/abs/2204.02491).
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def spherical_distance(u: Tensor, v: Tensor) -> Tensor:
    """Return half of the squared angle between vectors of any length, (...), of u and v (..., D).

    It is 2 arcsin^2(|u - v| / 2) of unit vectors: 0 for equal directions, pi^2 / 8 for right angles, pi^2 / 2 for
    opposite ones.
    """
    chord = (normalize(u, dim=-1) - normalize(v, dim=-1)).norm(dim=-1)
    # Opposite vectors may be rounded to more than 2 apart, and arcsin has no finite slope at 1.
    return 2 * (chord / 2).clamp_max(1 - 1e-6).asin().square()


def cosine_distance(u: Tensor, v: Tensor) -> Tensor:
    """Return 1 - cos of the angle between vectors, (...), of u and v (..., D)."""
    return 1 - (normalize(u, dim=-1) * normalize(v, dim=-1)).sum(-1)


def directional_distance(after: Tensor, before: Tensor, target: Tensor, source: Tensor) -> Tensor:
    """Return 1 - cos between the change of pictures and that of texts, (...), of embeddings (..., D).

    All are embeddings divided by their norms first, so that a picture whose embedding did not move has no direction and
    the distance 1.
    """
    change = normalize(after, dim=-1) - normalize(before, dim=-1)
    wanted = normalize(target, dim=-1) - normalize(source, dim=-1)
    return cosine_distance(change, wanted)


def weighted(distances: Tensor, weight: float, stop: float) -> Tensor:
    """Return a prompt's loss (...) of the distances (..., N) of N views of a picture.

    |weight| times the mean of sign(weight) distances; those that are less than `stop` have no gradient.
    """
    signed = distances if weight > 0 else -distances
    return abs(weight) * torch.where(signed < stop, signed.detach(), signed).mean(-1)
