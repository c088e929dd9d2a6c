"""GLIDE's `.pt` files (Nichol et al. 2022, https://arxiv.org/abs/2112.10741): base, upsampler, and both for inpainting.

Plain state dictionaries, in half or single precision. Beside a file may lie its tokenizer: `encoder.json` and
`vocab.bpe` of the authors' repository.
"""

import re
from typing import Any

from torch import Tensor

from genbench.conditions.captions import Captions
from genbench.errors import UserError
from genbench.published.networks import tensor_of
from genbench.published.openai_unet import IMAGE_END, converted, is_glide, shape_of
from genbench.published.source import Archive, Published, Source, Weights
from genbench.text.glide_bpe import GlideBpe, definition_in

_HEAD_CHANNELS = 64
"""Of all attention, that of the text too."""

_COLOURS = 3

_AT_64, _AT_256 = (1, 2, 3, 4), (1, 1, 2, 2, 4, 4)
"""Multipliers of the width, by the side in pixels."""

_KINDS: dict[tuple[int, tuple[float, ...]], tuple[str, int]] = {
    (3, _AT_64): ("glide_64", 64),
    (7, _AT_64): ("glide_64_inpaint", 64),
    (6, _AT_256): ("glide_256", 256),
    (10, _AT_256): ("glide_256_inpaint", 256),
}
"""Experiments and sides in pixels, by the channels of the input and the multipliers."""

_TEXT, _TRANSFORMER = "embed_condition", "transformer."
"""Where our network and theirs have the encoder of texts."""

_RULES = [
    (r"token_embedding\.weight", f"{_TEXT}.tokens.weight"),
    (r"positional_embedding", f"{_TEXT}.positions"),
    (r"padding_embedding", f"{_TEXT}.padding"),
    (r"final_ln\.(weight|bias)", rf"{_TEXT}.norm_after.\1"),
    (r"transformer_proj\.(weight|bias)", rf"{_TEXT}.to_vector.\1"),
    *(
        (rf"transformer\.resblocks\.(\d+)\.{re.escape(theirs)}\.(weight|bias)", rf"{_TEXT}.blocks.\1.{ours}.\2")
        for theirs, ours in (
            ("attn.c_qkv", "attention.qkv"),
            ("attn.c_proj", "attention.out"),
            ("ln_1", "norm_1"),
            ("ln_2", "norm_2"),
            ("mlp.c_fc", "widen"),
            ("mlp.c_proj", "narrow"),
        )
    ),
    (r"(.+)\.encoder_kv\.(weight|bias)", r"\1.from_sequence.\2"),
    *IMAGE_END,
]


class Glide(Source):
    """A file alone, of the base, of the upsampler, or of one of the two for inpainting."""

    title = "OpenAI's GLIDE"

    def recognises(self, archive: Archive) -> bool:
        """Return whether it is one of OpenAI's U-Nets that attend to a text."""
        return is_glide(archive.content)

    def convert(self, archive: Archive) -> Published:
        """Return the network with the shape that its tensors say, and its captions with the tokenizer beside it."""
        weights = {name: each.float() for name, each in archive.content.items()}
        shape = shape_of({name: each for name, each in weights.items() if not name.startswith(_TRANSFORMER)})
        kind = shape.channels, shape.multipliers
        if kind not in _KINDS:
            raise UserError(
                f"{archive.path} takes {shape.channels} channels and has multipliers={list(shape.multipliers)}: "
                f"GLIDE's models take 3 or, for inpainting, 7 and have {list(_AT_64)}, and its upsamplers take 6 or 10 "
                f"and have {list(_AT_256)}"
            )
        experiment, side = _KINDS[kind]
        if len(tensor_of(weights, "out.2.weight")) != 2 * _COLOURS:
            raise UserError(f"{archive.path} has no learned variance, as GLIDE's published models have")
        captions = _captions(archive, weights)
        network = shape.settings(side) | {"head_channels": _HEAD_CHANNELS} | _text_settings(weights)
        return Published(
            experiment,
            {
                "data.size": side,
                "data.length": captions.length,
                **{f"network.denoiser.{key}": value for key, value in network.items()},
            },
            {"denoiser": _converted(weights)},
            condition=captions,
            notes=_notes(captions),
        )


def _captions(archive: Archive, weights: Weights) -> Captions:
    vocabulary, width = tensor_of(weights, "token_embedding.weight").shape
    if vocabulary != GlideBpe.size:
        raise UserError(f"{archive.path} has {vocabulary:,} tokens, and GLIDE's models have {GlideBpe.size:,}")
    if width % _HEAD_CHANNELS:
        raise UserError(
            f"{archive.path} has a text encoder of width {width}, which heads of {_HEAD_CHANNELS} divide not"
        )
    length = len(tensor_of(weights, "positional_embedding"))
    return Captions(tokenizer="glide_bpe", definition=definition_in(archive.path.parent), length=length)


def _text_settings(weights: Weights) -> dict[str, Any]:
    width = tensor_of(weights, "token_embedding.weight").shape[1]
    layers = {match[1] for name in weights if (match := re.match(r"transformer\.resblocks\.(\d+)\.", name))}
    return {"text.width": width, "text.layers": len(layers), "text.heads": width // _HEAD_CHANNELS}


def _converted(weights: Weights) -> dict[str, Tensor]:
    """Return weights under our names; theirs order q, k and v by head, and pad by their last token."""
    found = converted(weights, _RULES, None, _HEAD_CHANNELS)
    for name, tensor in found.items():
        if name == f"{_TEXT}.tokens.weight":
            found[name] = tensor.roll(1, 0)
        elif name.startswith(_TEXT) and ".attention.qkv." in name:
            found[name] = _by_kind(tensor, 3)
        elif ".from_sequence." in name:
            found[name] = _by_kind(tensor[..., 0] if tensor.ndim == 3 else tensor, 2)
    return found


def _by_kind(tensor: Tensor, kinds: int) -> Tensor:
    """Return rows that are ordered by head, then by kind (q, k, v), in the order of kinds, then of heads."""
    return tensor.unflatten(0, (-1, kinds, _HEAD_CHANNELS)).transpose(0, 1).flatten(0, 2)


def _notes(captions: Captions) -> tuple[str, ...]:
    assert isinstance(captions.tokenizer, GlideBpe)
    if captions.tokenizer.definition is not None:
        return ()
    return (
        "no tokenizer beside the file: prompts will be refused until encoder.json and vocab.bpe of GLIDE's repository "
        "are put there, as they are or with .gz, and the file is imported again",
    )
