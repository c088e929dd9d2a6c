"""GLIDE's CLIP of noisy images: `clip_image_enc.pt` and `clip_text_enc.pt` in one folder (Nichol et al. 2022).

https://arxiv.org/abs/2112.10741. Plain state dictionaries, one a tower. The scale of the logits is in neither: it is
100, as the authors' `clip/config.yaml` says, whose chain has the cosine schedule.
"""

import math
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench.conditions.captions import Captions
from genbench.errors import UserError
from genbench.published.networks import tensor_of
from genbench.published.reading import read, tensors_of
from genbench.published.source import Archive, Published, Source, Weights, renamed

_FILES = {"image": "clip_image_enc.pt", "text": "clip_text_enc.pt"}
"""What the authors' code calls the files of the towers."""

_HEAD_CHANNELS = 64
_LOGIT_SCALE = 100.0

_AFFINE = {"w": "weight", "b": "bias"}
_NORM = {"g": "weight", "b": "bias"}

_RULES = [
    (r"blocks\.input\.patch_proj", "patches.weight"),
    (r"blocks\.input\.w_t", "first"),
    (r"blocks\.input\.w_voc", "tokens.weight"),
    (r"blocks\.input\.w_pos", "positions"),
    (r"blocks\.output\.f\.w", "project.weight"),
    *((rf"blocks\.input\.ln\.{theirs}", f"norm_before.{ours}") for theirs, ours in _NORM.items()),
    *((rf"blocks\.output\.ln\.{theirs}", f"norm_after.{ours}") for theirs, ours in _NORM.items()),
    *(
        (rf"blocks\.block_(\d+)\.{layer}\.{theirs}", rf"blocks.\1.{own}.{ours}")
        for layer, own, names in (
            (r"f_attn\.ln", "norm_1", _NORM),
            (r"f_attn\.f_c", "attention.out", _AFFINE),
            (r"f_mlp\.ln", "norm_2", _NORM),
            (r"f_mlp\.f_1", "widen", _AFFINE),
            (r"f_mlp\.f_2", "narrow", _AFFINE),
        )
        for theirs, ours in names.items()
    ),
    (r"blocks\.block_(\d+)\.f_attn\.(qkv\.weight|qv_bias)", r"blocks.\1.attention.\2"),
]


class GlideNoisedCLIP(Source):
    """A folder with both files; or one of them, beside which the other lies."""

    title = "GLIDE's CLIP of noisy images"

    def read(self, path: Path) -> Archive:
        """Return the weights of both towers.

        Raises:
            UserError: a file is missing or can't be read.
        """
        folder = path if path.is_dir() else path.parent
        if path.is_file() and path.name not in _FILES.values():
            return Archive(path, read(path))
        missing = [name for name in _FILES.values() if not (folder / name).is_file()]
        if missing:
            raise UserError(f"{folder} lacks {' and '.join(missing)}: a CLIP of GLIDE's is two files, one a tower")
        return Archive(path, {tower: read(folder / name) for tower, name in _FILES.items()})

    def recognises(self, archive: Archive) -> bool:
        """Return whether there are two towers, under the names of GLIDE's code, and the image tower has times."""
        image, text = (archive.content.get(tower, ()) for tower in _FILES)
        return "blocks.input.w_t" in image and "blocks.input.w_voc" in text

    def convert(self, archive: Archive) -> Published:
        """Return the towers with the settings that their shapes say."""
        image, text = (_joined(tensors_of(archive.content[tower])) for tower in _FILES)
        vocabulary, length = len(tensor_of(text, "blocks.input.w_voc")), len(tensor_of(text, "blocks.input.w_pos"))
        condition = Captions(tokenizer="clip_bpe", length=length)
        if vocabulary < condition.tokenizer.size:
            raise UserError(
                f"{archive.path} has {vocabulary:,} tokens, and CLIP's tokenizer {condition.tokenizer.size:,}"
            )
        patch = tensor_of(image, "blocks.input.patch_proj").shape[-1]
        # Beside the patches there is a token of the time.
        side = patch * isqrt(len(tensor_of(image, "blocks.input.w_pos")) - 1)
        settings: dict[str, Any] = {
            "data.size": side,
            "data.length": length,
            "method.process.steps": len(tensor_of(image, "blocks.input.w_t")),
            "network.image_tower.patch": patch,
            "network.image_tower.embedding_dim": len(tensor_of(image, "blocks.output.f.w")),
            "network.text_tower.vocabulary": vocabulary,
        }
        for tower, weights in (("image_tower", image), ("text_tower", text)):
            width = len(tensor_of(weights, "blocks.output.ln.g"))
            settings |= {
                f"network.{tower}.width": width,
                f"network.{tower}.layers": sum(name.endswith(".f_attn.ln.g") for name in weights),
                f"network.{tower}.heads": max(1, width // _HEAD_CHANNELS),
            }
        towers = {
            f"{part}.{name}": each
            for part, own in (("image", image), ("text", text))
            for name, each in renamed(own, _RULES).items()
        }
        towers["log_scale"] = torch.tensor(math.log(_LOGIT_SCALE))
        return Published("noisy_clip_64", settings, {"towers": towers}, condition=condition)


def _joined(weights: Weights) -> dict[str, Tensor]:
    """Return weights in which q, k and v of each attention are one matrix, and their biases one tensor without k's."""
    found = {name: each.float() for name, each in weights.items()}
    for name in weights:
        if name.endswith(".f_attn.f_q.w"):
            start = name.removesuffix("f_q.w")
            found[f"{start}qkv.weight"] = torch.cat([found.pop(f"{start}f_{each}.w") for each in "qkv"])
            found[f"{start}qv_bias"] = torch.stack([found.pop(f"{start}f_{each}.b") for each in "qv"])
    return found
