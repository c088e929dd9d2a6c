"""Published models of latent diffusion in GenBench's words, whoever saved them."""

import re
from typing import Any

from torch import Tensor

from genbench.conditions.captions import Captions
from genbench.errors import UserError
from genbench.published.source import Published, Weights

STANDARD_SCALE = 0.18215
"""What Stable Diffusion multiplies latents by."""

BLOCK = {
    "attentions.0.to_q": "attn1.to_q",
    "attentions.0.to_k": "attn1.to_k",
    "attentions.0.to_v": "attn1.to_v",
    "attentions.0.to_out": "attn1.to_out.0",
    "attentions.1.to_q": "attn2.to_q",
    "attentions.1.to_k": "attn2.to_k",
    "attentions.1.to_v": "attn2.to_v",
    "attentions.1.to_out": "attn2.to_out.0",
    "norms.0": "norm1",
    "norms.1": "norm2",
    "norms.2": "norm3",
    "widen": "ff.net.0.proj",
    "narrow": "ff.net.2",
}
"""Layers of a transformer's block, ours and those of everybody else."""

WITHOUT_BIAS = frozenset(name for name in BLOCK if name.endswith((".to_q", ".to_k", ".to_v")))


def of_captions(
    weights: Weights,
    network: dict[str, Any],
    process: dict[str, Any],
    *,
    scale: float,
    side: int,
    averages: Weights | None = None,
    notes: tuple[str, ...] = (),
) -> Published:
    """Return a model that is conditioned on the states of CLIP's text tower.

    Args:
        weights: of the U-Net, under our names.
        network: settings of it.
        process: settings of the method.
        scale: what latents are multiplied by.
        side: of a map of latents.
        averages: averaged weights, if the file has both.
        notes: see `Published`.
    """
    settings = {
        "data.size": 8 * side,
        "data.length": 77,
        "method.latent_std": 1 / scale,
        **{f"network.denoiser.{key}": value for key, value in network.items()},
        **{f"method.{key}": value for key, value in process.items()},
    }
    return Published(
        "stable_diffusion",
        settings,
        {"denoiser": dict(weights)},
        averages={} if averages is None else {"denoiser": dict(averages)},
        condition=Captions(tokenizer="clip_bpe"),
        notes=(
            "built on parts.first_stage, of images of this size, and parts.text_encoder: those of its training",
            *notes,
        ),
    )


def depth_of(weights: dict[str, Tensor]) -> int:
    """Return how many blocks each transformer has, by names of the form of `transformer_blocks.0.norm1.weight`.

    Raises:
        UserError: there are none.
    """
    found = {int(match[1]) for name in weights if (match := re.search(r"\.transformer_blocks\.(\d+)\.", name))}
    if not found:
        raise UserError("no tensor is of a transformer block: the file is of another network")
    return max(found) + 1
