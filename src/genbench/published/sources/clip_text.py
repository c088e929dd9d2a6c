"""CLIP's text tower alone: a folder of a `CLIPTextModel`, or Stable Diffusion's file, whose text tower it is.

The folder is `text_encoder/` of a diffusers pipeline.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from genbench.errors import UserError
from genbench.published.clip import GELUS
from genbench.published.networks import joined, state_of, tensor_of
from genbench.published.reading import read, read_settings
from genbench.published.source import Archive, Published, Source, renamed

_WITHIN = "cond_stage_model.transformer."
_TOWER, _LAST = "text_model.", "final_layer_norm.weight"
_FILES = ("model.safetensors", "pytorch_model.bin")

_RULES = [
    (r".*position_ids", ""),
    (r"text_model\.embeddings\.token_embedding\.weight", "tokens.weight"),
    (r"text_model\.embeddings\.position_embedding\.weight", "positions"),
    (r"text_model\.final_layer_norm\.(\w+)", r"norm_after.\1"),
    *(
        (rf"text_model\.encoder\.layers\.(\d+)\.{theirs}\.(\w+)", rf"blocks.\1.{ours}.\2")
        for theirs, ours in (
            (r"self_attn\.qkv", "attention.qkv"),
            (r"self_attn\.out_proj", "attention.out"),
            ("layer_norm1", "norm_1"),
            ("layer_norm2", "norm_2"),
            (r"mlp\.fc1", "widen"),
            (r"mlp\.fc2", "narrow"),
        )
    ),
]

_HEAD_CHANNELS = 64


class ClipText(Source):
    """A folder with `config.json` and the weights, or a file that holds the tower within."""

    title = "Hugging Face's CLIPTextModel"

    def read(self, path: Path) -> Archive:
        """Return the weights, and the configuration of a folder.

        Raises:
            UserError: a file is missing or can't be read.
        """
        if not path.is_dir():
            return Archive(path, read(path))
        file = next((path / name for name in _FILES if (path / name).is_file()), None)
        if file is None:
            raise UserError(f"{path} has neither {' nor '.join(_FILES)}")
        config = path / "config.json"
        return Archive(path, read(file), {"config": read_settings(config)} if config.is_file() else {})

    def recognises(self, archive: Archive) -> bool:
        """Return whether there is a text tower and nothing else."""
        return _has_tower(_weights(archive.content))

    def convert(self, archive: Archive) -> Published:
        """Return the tower with the shape that its tensors say."""
        weights = _weights(archive.content)
        inner = {name.removeprefix(_WITHIN): each for name, each in weights.items() if name.startswith(_WITHIN)}
        floats = {name: each.float() for name, each in (inner or weights).items() if each.is_floating_point()}
        found = renamed(joined(floats, ("q_proj", "k_proj", "v_proj"), "qkv."), _RULES)
        tokens, positions = tensor_of(found, "tokens.weight"), tensor_of(found, "positions")
        if tokens.shape[0] != 49408 or positions.shape[0] != 77:
            raise UserError(
                f"{archive.path} has {tokens.shape[0]} tokens in texts of {positions.shape[0]}: CLIP has 49408 in 77"
            )
        config = archive.settings.get("config", {})
        gelu = config.get("hidden_act", "quick_gelu")
        if gelu not in GELUS:
            raise UserError(f"config.json has hidden_act={gelu!r}: only {' or '.join(GELUS)} can be read")
        layers = 1 + max(int(name.split(".")[1]) for name in found if name.startswith("blocks."))
        width = tokens.shape[1]
        settings = {
            "width": width,
            "layers": layers,
            "heads": config.get("num_attention_heads", max(1, width // _HEAD_CHANNELS)),
            "gelu": GELUS[gelu],
        }
        return Published(
            "clip_text_encoder",
            {f"network.text_encoder.{key}": value for key, value in settings.items()},
            {"network": found},
        )


def _weights(content: Any) -> dict[str, Tensor]:
    """Return the tensors; today's transformers saves the tower alone without its prefix."""
    weights = state_of(content)
    return {f"{_TOWER}{name}": each for name, each in weights.items()} if _LAST in weights else weights


def _has_tower(weights: Mapping[str, Tensor]) -> bool:
    return f"{_TOWER}{_LAST}" in weights and not any(
        name.startswith(("vision_model.", "text_projection")) for name in weights
    )
