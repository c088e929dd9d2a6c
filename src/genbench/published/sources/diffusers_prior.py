"""diffusers' `PriorTransformer`: unCLIP's diffusion prior, such as Karlo's (kakaobrain/karlo-v1-alpha).

The folder `prior/` of a pipeline as `save_pretrained` writes it. It is built on the CLIP that it was trained for,
ViT-L/14 for Karlo's: `parts.embedder=RUN` of its own import.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench.conditions.captions import Captions
from genbench.errors import UserError
from genbench.published.diffusers_folder import CONFIG, model_folder, read_model
from genbench.published.networks import tensor_of
from genbench.published.source import Archive, Published, Source, Weights, renamed
from genbench.published.unet_names import swapped

_ONLY: dict[str, tuple[Any, ...]] = {
    "additional_embeddings": (4,),
    "time_embed_act_fn": ("silu",),
    "norm_in_type": (None,),
    "embedding_proj_norm_type": (None,),
    "encoder_hid_proj_type": ("linear",),
    "added_emb_type": ("prd",),
    "time_embed_dim": (None,),
}
"""The values of settings that our transformer can hold, which are those that they have where nothing is said."""

_RULES = [
    (r"proj_in\.(weight|bias)", r"from_image.\1"),
    (r"embedding_proj\.(weight|bias)", r"from_text.\1"),
    (r"encoder_hidden_states_proj\.(weight|bias)", r"from_states.\1"),
    (r"time_embedding\.linear_1\.(weight|bias)", r"embed_time.1.\1"),
    (r"time_embedding\.linear_2\.(weight|bias)", r"embed_time.3.\1"),
    (r"norm_out\.(weight|bias)", r"norm_after.\1"),
    (r"proj_to_clip_embeddings\.(weight|bias)", r"to_image.\1"),
    *(
        (rf"transformer_blocks\.(\d+)\.{re.escape(theirs)}\.(weight|bias)", rf"blocks.\1.{ours}.\2")
        for theirs, ours in (
            ("norm1", "norm_1"),
            ("attn1.qkv", "attention.qkv"),
            ("attn1.to_out.0", "attention.out"),
            ("norm3", "norm_2"),
            ("ff.net.0.proj", "widen"),
            ("ff.net.2", "narrow"),
        )
    ),
]

_SINGLE = ("positional_embedding", "prd_embedding", "clip_mean", "clip_std")
"""Tensors that are no layers."""


class DiffusersPrior(Source):
    """A folder with `config.json` and the weights, of a pipeline's prior."""

    title = "diffusers' PriorTransformer (Karlo)"

    def read(self, path: Path) -> Archive:
        """Return the weights and `config.json`, of the folder or of `prior/` in it.

        Raises:
            UserError: it is no such folder, or a file can't be read.
        """
        folder = path / "prior" if (path / "prior").is_dir() else model_folder(path)
        weights, config = read_model(folder)
        return Archive(folder, weights, {CONFIG: config})

    def recognises(self, archive: Archive) -> bool:
        """Return whether the tensors are of a prior."""
        return isinstance(archive.content, Mapping) and "prd_embedding" in archive.content

    def convert(self, archive: Archive) -> Published:
        """Return the network with the shape that its tensors and its configuration say."""
        config = archive.settings[CONFIG]
        for key, values in _ONLY.items():
            if config.get(key, values[0]) not in values:
                raise UserError(f"config.json says {key}={config[key]!r}, which can't be held here: only {values[0]!r}")
        weights = {name: each.float() for name, each in archive.content.items()}
        singles = {name: tensor_of(weights, name) for name in _SINGLE}
        heads = config.get("num_attention_heads", 32)
        width = singles["positional_embedding"].shape[-1]
        layers = {match[1] for name in weights if (match := re.match(r"transformer_blocks\.(\d+)\.", name))}
        others = {name: each for name, each in weights.items() if name not in (*_SINGLE, "causal_attention_mask")}
        converted = renamed(_joined(others), _RULES)
        # Theirs has cosines first.
        converted["embed_time.1.weight"] = swapped(converted["embed_time.1.weight"])
        converted["positions"] = singles["positional_embedding"][0]
        converted["query"] = singles["prd_embedding"][0, 0]
        converted["statistics"] = torch.cat([singles["clip_mean"], singles["clip_std"]])
        return Published(
            "prior_vit_l14",
            {
                "network.denoiser.width": width,
                "network.denoiser.layers": len(layers),
                "network.denoiser.heads": heads,
                "method.embeddings": "raw",
                "method.bound": 5.0,
            },
            {"denoiser": converted},
            condition=Captions(tokenizer="clip_bpe"),
            notes=("built on the CLIP of parts.embedder: only the one that it was trained for makes sense",),
        )


def _joined(weights: Weights) -> dict[str, Tensor]:
    """Return weights with the q, k and v of each attention in one."""
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        match = re.fullmatch(r"(.+\.attn1)\.to_([qkv])\.(weight|bias)", name)
        if match is None:
            found[name] = tensor
        elif match[2] == "q":
            parts = [tensor_of(weights, f"{match[1]}.to_{each}.{match[3]}") for each in "qkv"]
            found[f"{match[1]}.qkv.{match[3]}"] = torch.cat(parts)
    return found
