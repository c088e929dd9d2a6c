"""CLIP as Hugging Face's transformers saves it: a folder with `config.json` and `model.safetensors`, or one of them.

q, k and v of an attention are three layers there, and one here; the projections are layers, which OpenAI's are not.
"""

import re
from collections.abc import Mapping
from typing import Any

from genbench.errors import UserError
from genbench.published.clip import GELUS, CLIPSource, Known, published_clip
from genbench.published.clip_settings import WHOLE, check_agrees, check_settings, only
from genbench.published.networks import joined
from genbench.published.reading import tensors_of
from genbench.published.source import Archive, Published, renamed

_BLOCK = (
    ("self_attn.in_proj_", "attn.in_proj_"),
    ("self_attn.out_proj.", "attn.out_proj."),
    ("layer_norm1.", "ln_1."),
    ("layer_norm2.", "ln_2."),
    ("mlp.fc1.", "mlp.c_fc."),
    ("mlp.fc2.", "mlp.c_proj."),
)

_RULES = [
    (r".*\.position_ids", ""),
    (r"vision_model\.embeddings\.class_embedding", "visual.class_embedding"),
    (r"vision_model\.embeddings\.patch_embedding\.weight", "visual.conv1.weight"),
    (r"vision_model\.embeddings\.position_embedding\.weight", "visual.positional_embedding"),
    # The misspelling is theirs.
    (r"vision_model\.pre_layrnorm\.(\w+)", r"visual.ln_pre.\1"),
    (r"vision_model\.post_layernorm\.(\w+)", r"visual.ln_post.\1"),
    (r"visual_projection\.weight", "visual.proj"),
    (r"text_model\.embeddings\.token_embedding\.weight", "token_embedding.weight"),
    (r"text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"text_model\.final_layer_norm\.(\w+)", r"ln_final.\1"),
    (r"text_projection\.weight", "text_projection"),
    ("logit_scale", "logit_scale"),
    *(
        (
            rf"{theirs}_model\.encoder\.layers\.(\d+)\.{re.escape(layer)}(\w+)",
            rf"{ours}transformer.resblocks.\1.{own}\2",
        )
        for theirs, ours in (("vision", "visual."), ("text", ""))
        for layer, own in _BLOCK
    ),
]

_TOWER = {"num_attention_heads": WHOLE, "projection_dim": WHOLE, "layer_norm_eps": only(1e-5)}
"""Settings of both towers that tensors don't say, or only one value of which is built here; others are not checked."""

# 2 is what configurations of before transformers 4.31 have, which then means the end of CLIP's vocabulary too.
_TEXT = _TOWER | {"eos_token_id": only(2, 49407)}

_PROJECTIONS = ("visual_projection.weight", "text_projection.weight")


class HuggingFaceCLIP(CLIPSource):
    """A folder of a `CLIPModel`, or its file of weights alone."""

    title = "Hugging Face's CLIPModel"

    def recognises(self, archive: Archive) -> bool:
        """Return whether both towers and their projections are there."""
        weights = tensors_of(archive.content)
        return all(name in weights for name in (*_PROJECTIONS, "vision_model.embeddings.class_embedding"))

    def convert(self, archive: Archive) -> Published:
        """Return the towers with the settings that their shapes and the JSON files say."""
        weights = joined(tensors_of(archive.content), ("q_proj", "k_proj", "v_proj"), "in_proj_")
        turned = {name: each.T if name in _PROJECTIONS else each for name, each in weights.items()}
        published = published_clip(renamed(turned, _RULES), _known(archive.settings), archive.path)
        said = archive.settings.get("config", {}).get("projection_dim")
        actual = published.settings["network.image_tower.embedding_dim"]
        check_agrees(said, actual, "projection_dim", "config.json")
        return published


def _known(settings: Mapping[str, Any]) -> Known:
    """Return what the JSON files say; a key that they leave out has the value of OpenAI's ViT-B/32.

    Raises:
        UserError: they ask for a network that is not built here.
    """
    colours = settings.get("preprocessor_config", {})
    known = Known(mean=colours.get("image_mean"), std=colours.get("image_std"))
    if "config" not in settings:
        return known
    vision, text = (settings["config"].get(f"{kind}_config") or {} for kind in ("vision", "text"))
    check_settings(vision, _TOWER, "config.json: vision_config", others=True)
    check_settings(text, _TEXT, "config.json: text_config", others=True)
    gelus = {str(each.get("hidden_act", "quick_gelu")) for each in (vision, text)}
    if len(gelus) > 1 or not gelus <= GELUS.keys():
        said = " and ".join(sorted(gelus))
        raise UserError(f"config.json has hidden_act={said}: both towers must have quick_gelu, or both gelu")
    return known._replace(
        gelu=GELUS[gelus.pop()],
        image_heads=vision.get("num_attention_heads", 12),
        text_heads=text.get("num_attention_heads", 8),
    )
