"""What published CLIPs have in common: OpenAI's names of tensors, and what a network's shape says of its settings."""

import re
from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from genbench.conditions.captions import Captions
from genbench.errors import UserError
from genbench.published.networks import tensor_of
from genbench.published.reading import read, read_settings
from genbench.published.source import Archive, Published, Source, Weights, renamed

_FILES = (
    *("open_clip_model.safetensors", "open_clip_pytorch_model.bin"),
    *("model.safetensors", "pytorch_model.bin"),
)
"""Weights in a folder, in order of preference."""

_SETTINGS = ("open_clip_config", "config", "preprocessor_config")
"""JSON files beside them."""

_BLOCK = (
    ("attn.in_proj_", "attention.qkv."),
    ("attn.out_proj.", "attention.out."),
    ("ln_1.", "norm_1."),
    ("ln_2.", "norm_2."),
    ("mlp.c_fc.", "widen."),
    ("mlp.c_proj.", "narrow."),
)
"""What layers of a block are called, theirs and ours."""

_RULES = [
    (r"input_resolution|context_length|vocab_size|attn_mask", ""),
    (r"visual\.conv1\.weight", "image.patches.weight"),
    (r"visual\.class_embedding", "image.first"),
    (r"visual\.positional_embedding", "image.positions"),
    (r"visual\.ln_pre\.(\w+)", r"image.norm_before.\1"),
    (r"visual\.ln_post\.(\w+)", r"image.norm_after.\1"),
    (r"visual\.proj", "image.project.weight"),
    (r"token_embedding\.weight", "text.tokens.weight"),
    (r"positional_embedding", "text.positions"),
    (r"ln_final\.(\w+)", r"text.norm_after.\1"),
    (r"text_projection", "text.project.weight"),
    (r"logit_scale", "log_scale"),
    *(
        (rf"{theirs}transformer\.resblocks\.(\d+)\.{re.escape(layer)}(\w+)", rf"{ours}.blocks.\1.{own}\2")
        for theirs, ours in ((r"visual\.", "image"), ("", "text"))
        for layer, own in _BLOCK
    ),
]

_RESNET_RULES = [
    *((rf"visual\.conv{n}\.(\w+)", rf"image.stem.{3 * n - 3}.\1") for n in (1, 2, 3)),
    *((rf"visual\.bn{n}\.(\w+)", rf"image.stem.{3 * n - 2}.\1") for n in (1, 2, 3)),
    *(
        (rf"visual\.layer{n}\.(\d+)\.{theirs}", rf"image.levels.{n - 1}.\1.{ours}")
        for n in (1, 2, 3, 4)
        for theirs, ours in (
            (r"conv(\d\.\w+)", r"conv_\2"),
            (r"bn(\d\.\w+)", r"norm_\2"),
            (r"downsample\.0\.(\w+)", r"shortcut.1.\2"),
            (r"downsample\.1\.(\w+)", r"shortcut.2.\2"),
        )
    ),
    (r"visual\.attnpool\.positional_embedding", "image.pool.positions"),
    (r"visual\.attnpool\.c_proj\.(\w+)", r"image.pool.project.\1"),
    (r"visual\.attnpool\.([qkv])_proj\.(\w+)", r"image.pool.\1.\2"),
]

_TRANSPOSED = ("visual.proj", "text_projection")
"""Matrices that are applied from the right, and are layers here."""

_HEAD_CHANNELS = 64

GELUS = {"quick_gelu": "openai", "gelu": "open_clip"}
"""What transformers calls activations, and whose they are here."""


class Known(NamedTuple):
    """What the tensors of a CLIP don't say, as far as a file says it; None where it does not.

    Attributes:
        gelu: whose activation, see `networks.clip_transformer.GELU`.
        image_heads: of each attention of the image tower; None for one per 64 channels.
        text_heads: likewise of the text tower.
        mean: of each colour.
        std: of each colour.
    """

    gelu: str | None = None
    image_heads: int | None = None
    text_heads: int | None = None
    mean: list[float] | None = None
    std: list[float] | None = None


class CLIPSource(Source):
    """A file of a CLIP's weights, or a folder of it with JSON files that say its settings."""

    def read(self, path: Path) -> Archive:
        """Return the weights, and the JSON files beside them.

        Raises:
            UserError: a file is missing or can't be read.
        """
        file = path
        if path.is_dir():
            found = [path / name for name in _FILES if (path / name).is_file()]
            if not found:
                raise UserError(f"{path} has neither {' nor '.join(_FILES)}")
            file = found[0]
        files = {name: file.with_name(f"{name}.json") for name in _SETTINGS}
        return Archive(path, read(file), {name: read_settings(each) for name, each in files.items() if each.is_file()})


def published_clip(weights: Weights, known: Known, path: Path) -> Published:
    """Return a CLIP of OpenAI's architecture in GenBench's words.

    Args:
        weights: by OpenAI's names.
        known: what they don't say.
        path: of the file, for messages.

    Raises:
        UserError: it is of another architecture or tokenizer, or a tensor is missing.
    """
    weights = {name: each.float() if each.is_floating_point() else each for name, each in weights.items()}
    vocabulary, length = (
        len(tensor_of(weights, "token_embedding.weight")),
        len(tensor_of(weights, "positional_embedding")),
    )
    condition = Captions(tokenizer="clip_bpe", length=length)
    if vocabulary != condition.tokenizer.size:
        raise UserError(
            f"{path} has {vocabulary:,} tokens: only CLIPs with OpenAI's {condition.tokenizer.size:,} can be read"
        )
    is_resnet = "visual.attnpool.positional_embedding" in weights
    image = _resnet_settings(weights) if is_resnet else _vit_settings(weights, known)
    text = _text_settings(weights, known)
    gelu = {"text_tower.gelu" if is_resnet else "image_tower.gelu": known.gelu or "openai"}
    side = _side(weights)
    network = {f"network.{key}": value for key, value in (image | text | gelu).items()}
    colours = {f"method.{key}": getattr(known, key) for key in ("mean", "std") if getattr(known, key) is not None}
    settings = {
        "network": "clip_rn50" if is_resnet else "clip_vit_b32",
        "data.size": side,
        "data.length": length,
        "data.tokenizer": "clip_bpe",
        "method.image_size": side,
        **network,
        **colours,
    }
    return Published(
        "clip_vit_b32", settings, {"towers": converted(weights)}, condition=condition, notes=_notes(known, settings)
    )


def converted(weights: Weights) -> dict[str, Tensor]:
    """Return weights by OpenAI's names under ours.

    Raises:
        UserError: one has no counterpart.
    """
    turned = {name: each.T.contiguous() if name in _TRANSPOSED else each for name, each in weights.items()}
    is_resnet = "visual.attnpool.positional_embedding" in weights
    return renamed(turned, [*(_RESNET_RULES if is_resnet else []), *_RULES])


def _vit_settings(weights: Weights, known: Known) -> dict[str, Any]:
    width, _, patch, _ = tensor_of(weights, "visual.conv1.weight").shape
    return {
        "image_tower.embedding_dim": tensor_of(weights, "visual.proj").shape[1],
        "image_tower.width": width,
        "image_tower.layers": _count(weights, r"visual\.transformer\.resblocks"),
        "image_tower.heads": known.image_heads or max(1, width // _HEAD_CHANNELS),
        "image_tower.patch": patch,
    }


def _resnet_settings(weights: Weights) -> dict[str, Any]:
    return {
        "image_tower.embedding_dim": len(tensor_of(weights, "visual.attnpool.c_proj.weight")),
        "image_tower.width": len(tensor_of(weights, "visual.conv3.weight")),
        "image_tower.layers": [_count(weights, rf"visual\.layer{level}") for level in (1, 2, 3, 4)],
    }


def _text_settings(weights: Weights, known: Known) -> dict[str, Any]:
    width = len(tensor_of(weights, "ln_final.weight"))
    return {
        "text_tower.width": width,
        "text_tower.layers": _count(weights, r"transformer\.resblocks"),
        "text_tower.heads": known.text_heads or max(1, width // _HEAD_CHANNELS),
    }


def _side(weights: Weights) -> int:
    """Return the side of the images in pixels; beside the places there is a token for all."""
    if "visual.attnpool.positional_embedding" in weights:
        return 32 * isqrt(len(weights["visual.attnpool.positional_embedding"]) - 1)
    places = isqrt(len(tensor_of(weights, "visual.positional_embedding")) - 1)
    return places * tensor_of(weights, "visual.conv1.weight").shape[-1]


def _count(weights: Weights, prefix: str) -> int:
    """Return how many numbers follow a prefix in the tensors' names."""
    return len({match[1] for name in weights if (match := re.match(rf"{prefix}\.(\d+)\.", name))})


def _notes(known: Known, settings: Mapping[str, Any]) -> tuple[str, ...]:
    if known.gelu is not None:
        return ()
    key = next(key for key in settings if key.endswith(".gelu"))
    return (
        f"{key}=openai: the file does not say whose GELU it needs; open_clip's models whose names lack -quickgelu, "
        f"other than OpenAI's own weights, need {key}=open_clip",
    )
