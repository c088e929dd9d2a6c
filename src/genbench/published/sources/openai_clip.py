"""CLIP under OpenAI's names: OpenAI's TorchScript archives, and open_clip's `.pt`, `.bin` and `.safetensors`.

Radford et al. 2021, https://arxiv.org/abs/2103.00020. An archive of OpenAI's has three more tensors, which say its
sizes; open_clip's training wraps the weights in "state_dict" and may prefix their names by "module.".
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from genbench.published.clip import CLIPSource, Known, published_clip
from genbench.published.reading import tensors_of
from genbench.published.source import Archive, Published, without_prefix

_OPENAIS = "input_resolution"
"""A tensor of OpenAI's archives alone."""


class OpenAICLIP(CLIPSource):
    """A file of the weights, or a folder with `open_clip_config.json` too, which says whose GELU they need."""

    title = "OpenAI's CLIP, and open_clip's of its architecture"

    def recognises(self, archive: Archive) -> bool:
        """Return whether both towers are there, under OpenAI's names."""
        weights = _weights(archive)
        return "text_projection" in weights and "visual.conv1.weight" in weights

    def convert(self, archive: Archive) -> Published:
        """Return the towers with the settings that their shapes and the JSON file say."""
        weights = _weights(archive)
        known = _known(archive.settings.get("open_clip_config", {}))
        if _OPENAIS in weights:
            known = known._replace(gelu="openai")
        return published_clip(weights, known, archive.path)


def _weights(archive: Archive) -> dict[str, Tensor]:
    content = archive.content
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    return without_prefix(tensors_of(content))


def _known(config: Mapping[str, Any]) -> Known:
    """Return what open_clip's configuration says."""
    model, colours = config.get("model_cfg", {}), config.get("preprocess_cfg", {})
    if not model:
        return Known()
    vision, text = model.get("vision_cfg", {}), model.get("text_cfg", {})
    return Known(
        gelu="openai" if model.get("quick_gelu", False) else "open_clip",
        image_heads=vision["width"] // vision.get("head_width", 64) if isinstance(vision.get("layers"), int) else None,
        text_heads=text.get("heads"),
        mean=colours.get("mean"),
        std=colours.get("std"),
    )
