"""VQGAN's transformers as taming-transformers saves them: `.ckpt` files of Lightning, read without unpickling.

Of faces, unconditional; and of ImageNet, with a class before the codes. The first stage within the same file is
imported before, `source=compvis_autoencoder`, and is the part.
"""

import torch

from genbench.errors import UserError
from genbench.published.networks import joined, last_index, state_of, tensor_of
from genbench.published.source import Archive, Published, Source, numbered_classes, renamed

_PREFIX = "transformer."
_SIDE, _PLACES = 256, 256
"""Pixels of an image, and codes of its map."""

_IMAGENET = 48
"""Layers of the one that was trained with classes, of which there are 1,000."""

_HEAD_CHANNELS = 64

_RULES = [
    (r"blocks\.\d+\.attn\.mask", ""),
    (r"tok_emb\.weight", "tokens.weight"),
    (r"pos_emb", "positions"),
    (r"ln_f\.(\w+)", r"norm.\1"),
    (r"head\.weight", "to_logits.weight"),
    *(
        (rf"blocks\.(\d+)\.{theirs}\.(\w+)", rf"blocks.\1.{ours}.\2")
        for theirs, ours in (
            ("ln1", "before_attention"),
            ("ln2", "before_layers"),
            (r"attn\.qkv", "qkv"),
            (r"attn\.proj", "out"),
            (r"mlp\.0", "layers.0"),
            (r"mlp\.2", "layers.2"),
        )
    ),
]


class CompvisTransformer(Source):
    """A file alone."""

    title = "taming-transformers' VQGAN transformers"

    def recognises(self, archive: Archive) -> bool:
        """Return whether it has a transformer over codes."""
        weights = state_of(archive.content)
        return {f"{_PREFIX}tok_emb.weight", f"{_PREFIX}head.weight"} <= weights.keys()

    def convert(self, archive: Archive) -> Published:
        """Return the transformer with the shape that its tensors say."""
        tensors = state_of(archive.content)
        inner = {name.removeprefix(_PREFIX): each for name, each in tensors.items() if name.startswith(_PREFIX)}
        floats = {name: each.float() for name, each in inner.items()}
        found = renamed(joined(floats, ("query", "key", "value"), "qkv."), _RULES)
        layers = 1 + last_index(found, "blocks")
        tokens, positions = tensor_of(found, "tokens.weight"), tensor_of(found, "positions")[0]
        classes = 1000 if layers == _IMAGENET else 0
        length = 1 + _PLACES
        if len(positions) < length - 1:
            raise UserError(f"{archive.path} has room for {len(positions)} tokens: an image has {_PLACES} codes")
        # A class, or what begins an image, is there a code like others; here they follow the codes. The last code of an
        # image is never an input, so the last position may be missing.
        more = [tokens[:classes], torch.zeros_like(tokens[:1])] if classes else [tokens[:1]]
        found["tokens.weight"] = torch.cat([tokens, *more])
        found["positions"] = torch.cat([positions, torch.zeros_like(positions[:1])])[:length]
        width = tokens.shape[1]
        return Published(
            "vqgan_transformer_faces256",
            {
                "data.size": _SIDE,
                "method.conditional": bool(classes),
                "network.transformer.width": width,
                "network.transformer.layers": layers,
                "network.transformer.heads": max(1, width // _HEAD_CHANNELS),
            },
            {"transformer": found},
            condition=numbered_classes(classes),
            notes=(
                "built on parts.first_stage, the one of the same file",
                "with the 1,000 classes of ImageNet" if classes else "unconditional: a code of 0 begins an image",
            ),
        )
