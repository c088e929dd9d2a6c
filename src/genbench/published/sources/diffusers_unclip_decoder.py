"""The decoder of diffusers' `UnCLIPPipeline`, such as Karlo's (kakaobrain/karlo-v1-alpha).

The folders `decoder/` and `text_proj/` of a pipeline as `save_pretrained` writes it. It is built on the CLIP that it
was trained for, ViT-L/14 for Karlo's: `parts.embedder=RUN` of its own import.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from genbench.conditions.captions import Captions
from genbench.errors import UserError
from genbench.published.diffusers_folder import read_model
from genbench.published.diffusers_names import NAMES
from genbench.published.networks import is_weights
from genbench.published.source import Archive, Published, Source, Weights, multipliers_of, renamed
from genbench.published.unet_names import Plan, imported, swapped

_UNET, _TEXT = "decoder", "text_proj"

_EXTRA_TOKENS = 4
"""Tokens that the embedding of an image becomes."""

_KINDS = {
    "ResnetDownsampleBlock2D": False,
    "SimpleCrossAttnDownBlock2D": True,
    "ResnetUpsampleBlock2D": False,
    "SimpleCrossAttnUpBlock2D": True,
}
"""Kinds of blocks, and whether they attend."""

_ONLY: dict[str, Any] = {
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "class_embed_type": "identity",
    "resnet_time_scale_shift": "scale_shift",
    "in_channels": 3,
    "out_channels": 6,
    "act_fn": "silu",
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "only_cross_attention": False,
}
"""What Karlo's decoder is, and our U-Net can hold."""

_NAMES = NAMES._replace(
    down=NAMES.down | {"resampling": "down_blocks.{level}.downsamplers.0"},
    up=NAMES.up | {"resampling": "up_blocks.{rise}.upsamplers.0"},
    attention=NAMES.attention | {"from_sequence": ("add_k_proj", "add_v_proj")},
)

_TEXT_RULES = [
    (r"embedding_proj\.(weight|bias)", r"embed_condition.text_to_vector.\1"),
    (r"clip_image_embeddings_project_to_time_embeddings\.(weight|bias)", r"embed_condition.to_vector.\1"),
    (r"clip_extra_context_tokens_proj\.(weight|bias)", r"embed_condition.to_tokens.\1"),
    (r"encoder_hidden_states_proj\.(weight|bias)", r"embed_condition.from_states.\1"),
    (r"text_encoder_hidden_states_norm\.(weight|bias)", r"embed_condition.norm.\1"),
    (r"learned_classifier_free_guidance_embeddings", r"embed_condition.nothing"),
]


class DiffusersUnclipDecoder(Source):
    """A folder with `decoder/` and `text_proj/`, of a pipeline."""

    title = "the decoder of diffusers' UnCLIPPipeline (Karlo)"

    def read(self, path: Path) -> Archive:
        """Return the weights of both folders by their names, and their configurations.

        Raises:
            UserError: one is missing, or can't be read.
        """
        missing = [name for name in (_UNET, _TEXT) if not (path / name).is_dir()]
        if missing:
            raise UserError(f"{path} has no folder {' or '.join(missing)}: this source takes a pipeline's folder")
        read = {name: read_model(path / name) for name in (_UNET, _TEXT)}
        weights, settings = ({name: each[place] for name, each in read.items()} for place in (0, 1))
        return Archive(path, weights, settings)

    def recognises(self, archive: Archive) -> bool:
        """Return whether there are a U-Net and a projection of CLIP's embeddings."""
        content = archive.content
        is_both = isinstance(content, Mapping) and set(content) == {_UNET, _TEXT}
        return is_both and "learned_classifier_free_guidance_embeddings" in content[_TEXT]

    def convert(self, archive: Archive) -> Published:
        """Return the network with the shape that its configuration says."""
        unet = archive.settings[_UNET]
        for key, value in _ONLY.items():
            if unet.get(key, value) != value:
                raise UserError(
                    f"decoder/config.json says {key}={unet[key]!r}, which can't be held here: only {value!r}"
                )
        maps, side = unet["block_out_channels"], unet["sample_size"]
        attention = tuple(_attends(kind) for kind in unet["down_block_types"])
        plan = Plan(len(maps), unet["layers_per_block"], attention, is_residual=True)
        for name, weights in archive.content.items():
            if not is_weights(weights):
                raise UserError(f"{archive.path / name} holds no weights")
        converted = imported(_floats(archive.content[_UNET]), plan, _NAMES)
        # Theirs has cosines first.
        converted["embed_time.1.weight"] = swapped(converted["embed_time.1.weight"])
        text = renamed(_floats(archive.content[_TEXT]), _TEXT_RULES)
        for kind in ("weight", "bias"):
            # Theirs are ordered by number first, ours by token.
            place = f"embed_condition.to_tokens.{kind}"
            text[place] = text[place].unflatten(0, (-1, _EXTRA_TOKENS)).transpose(0, 1).flatten(0, 1)
        return Published(
            "unclip_decoder_64",
            {
                "data.size": side,
                "network.denoiser.width": maps[0],
                "network.denoiser.multipliers": multipliers_of(maps, maps[0]),
                "network.denoiser.blocks": plan.blocks,
                "network.denoiser.attention": [side // 2**level for level, attends in enumerate(attention) if attends],
                "network.denoiser.head_channels": unet["attention_head_dim"],
                "network.denoiser.groups": unet.get("norm_num_groups", 32),
                "network.denoiser.norm_eps": float(unet.get("norm_eps", 1e-5)),
                "network.denoiser.text.width": unet["cross_attention_dim"],
                "method.embeddings": "raw",
            },
            {"denoiser": converted | text},
            condition=Captions(tokenizer="clip_bpe"),
            notes=("built on the CLIP of parts.embedder: only the one that it was trained for makes sense",),
        )


def _attends(kind: str) -> bool:
    if kind not in _KINDS:
        raise UserError(f"decoder/config.json names {kind}, which can't be held here: only {', '.join(_KINDS)}")
    return _KINDS[kind]


def _floats(weights: Weights) -> dict[str, Tensor]:
    return {name: each.float() for name, each in weights.items()}
