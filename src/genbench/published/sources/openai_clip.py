"""CLIP under OpenAI's names: OpenAI's TorchScript archives, and open_clip's `.pt`, `.bin` and `.safetensors`.

Radford et al. 2021, https://arxiv.org/abs/2103.00020. An archive of OpenAI's has three more tensors, which say its
sizes; open_clip's training wraps the weights in "state_dict" and may prefix their names by "module.".
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from genbench.published.clip import CLIPSource, Known, published_clip
from genbench.published.clip_settings import (
    ANY,
    LAYERS,
    SIZE,
    TRUTH,
    WHOLE,
    Rule,
    check_agrees,
    check_settings,
    only,
)
from genbench.published.reading import tensors_of
from genbench.published.source import Archive, Published, without_prefix

_OPENAIS = "input_resolution"
"""A tensor of OpenAI's archives alone."""

_FILE = "open_clip_config.json"

_ROOT = {
    "embed_dim": WHOLE,
    "quick_gelu": TRUTH,
    "vision_cfg": ANY,
    "text_cfg": ANY,
    "custom_text": TRUTH,
    "init_logit_scale": ANY,
    "init_logit_bias": only(),
    "nonscalar_logit_scale": only(False),
    "cast_dtype": ANY,
    "output_dict": ANY,
}
"""Of `model_cfg`."""

_TOWER = {
    "width": WHOLE,
    "mlp_ratio": only(4, 4.0),
    "ls_init_value": only(),
    "final_ln_after_pool": only(False),
    "output_tokens": only(False),
    "act_kwargs": only({}),
    "norm_kwargs": only({}, {"eps": 1e-5}),
    "block_type": only("default"),
    **{key: only(False) for key in ("qk_norm", "scaled_cosine_attn", "scale_heads")},
    **{key: only(False) for key in ("scale_attn_inner", "scale_attn", "scale_fc")},
}
"""Of both towers."""

_VISION = _TOWER | {
    "layers": LAYERS,
    "head_width": WHOLE,
    "patch_size": SIZE,
    "image_size": SIZE,
    "patch_dropout": ANY,  # of training alone
    "attentional_pool": only(False),
    **{f"attn_pooler_{key}": ANY for key in ("queries", "heads")},  # of `attentional_pool`
    "no_ln_pre": only(False),
    "pos_embed_type": only("learnable"),
    "pool_type": only("tok"),
    "timm_model_name": only(),
    **{f"timm_{key}": ANY for key in ("model_pretrained", "pool", "proj", "proj_bias", "drop", "drop_path")},
}

_TEXT = _TOWER | {
    "layers": WHOLE,
    "heads": WHOLE,
    "context_length": WHOLE,
    "vocab_size": WHOLE,
    "hf_tokenizer_name": only(),
    "tokenizer_mode": only(),
    "tokenizer_kwargs": only({}),
    "embed_cls": only(False),
    **{f"{key}_id": ANY for key in ("pad", "eos")},  # of `embed_cls` and of pool_type=eos
    "no_causal_mask": only(False),
    "pool_type": only("argmax"),
    "proj_bias": only(False),
    "proj_type": only("linear"),
    "hf_model_name": only(),
    **{f"hf_{key}": ANY for key in ("model_pretrained", "proj_type", "pooler_type")},
}

_PREPROCESSING: dict[str, Rule] = {
    "mode": only("RGB"),
    "interpolation": only("bicubic"),
    "resize_mode": only("shortest"),
}

_SIZES = {
    "embed_dim": "image_tower.embedding_dim",
    "vision_cfg.width": "image_tower.width",
    "vision_cfg.layers": "image_tower.layers",
    "vision_cfg.patch_size": "image_tower.patch",
    "text_cfg.width": "text_tower.width",
    "text_cfg.layers": "text_tower.layers",
}
"""What the shapes of the tensors say too."""


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
        config = archive.settings.get("open_clip_config", {})
        known = _known(config)
        if _OPENAIS in weights:
            known = known._replace(gelu="openai")
        published = published_clip(weights, known, archive.path)
        _check_sizes(config, published)
        return published


def _weights(archive: Archive) -> dict[str, Tensor]:
    content = archive.content
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    return without_prefix(tensors_of(content))


def _known(config: Mapping[str, Any]) -> Known:
    """Return what open_clip's configuration says; a key that it leaves out has open_clip's default.

    Raises:
        UserError: it asks for a network that is not built here.
    """
    colours = config.get("preprocess_cfg") or {}
    check_settings(colours, _PREPROCESSING, f"{_FILE}: preprocess_cfg", others=True)
    known = Known(mean=colours.get("mean"), std=colours.get("std"))
    if "model_cfg" not in config:
        return known
    model = config["model_cfg"]
    check_settings(model, _ROOT, f"{_FILE}: model_cfg")
    vision, text = model.get("vision_cfg", {}), model.get("text_cfg", {})
    check_settings(vision, _VISION, f"{_FILE}: vision_cfg")
    check_settings(text, _TEXT, f"{_FILE}: text_cfg")
    head_width = vision.get("head_width", 64)
    is_resnet = isinstance(vision.get("layers"), list)
    if is_resnet:
        check_settings({"head_width": head_width}, {"head_width": only(64)}, f"{_FILE}: vision_cfg")
    return known._replace(
        gelu="openai" if model.get("quick_gelu") else "open_clip",
        image_heads=None if is_resnet else max(1, vision.get("width", 768) // head_width),
        text_heads=text.get("heads", 8),
    )


def _check_sizes(config: Mapping[str, Any], published: Published) -> None:
    model = config.get("model_cfg", {})
    for key, own in _SIZES.items():
        part, _, name = key.rpartition(".")
        said = (model.get(part, {}) if part else model).get(name)
        own = f"network.{own}"
        if own in published.settings:
            check_agrees(
                said[0] if name == "patch_size" and isinstance(said, list) else said,
                published.settings[own],
                key,
                _FILE,
            )
