"""The JSON files beside a CLIP: what another network would need is refused, never passed over."""

from pathlib import Path
from typing import Any

import pytest

from genbench.errors import UserError
from genbench.published.source import Archive
from genbench.published.sources import make
from tests.published.test_clip import TEXT, VIT, hugging_faces, open_clip, theirs

PLAIN = (
    *("ViT-B-32", "ViT-B-32-quickgelu", "ViT-B-16", "ViT-B-16-plus-240", "ViT-L-14", "ViT-L-14-336", "ViT-H-14"),
    *("RN50", "RN50-quickgelu", "RN101", "RN50x4", "RN50x16", "RN50x64"),
)
OTHER = ("coca_ViT-B-32", "convnext_base", "roberta-ViT-B-32", "ViT-B-16-SigLIP", "ViT-M-16-alt", "ViT-bigG-14-CLIPA")


def convert(config: dict[str, Any], weights: dict[str, Any] | None = None) -> Any:
    weights = theirs(VIT)[0].state_dict() if weights is None else weights
    return make("openai_clip").convert(Archive(Path("x"), weights, {"open_clip_config": config}))


@pytest.mark.parametrize("name", PLAIN)
def test_open_clips_plain_models_are_accepted(name: str) -> None:
    with pytest.raises(UserError, match="the file of another model"):
        # Only their sizes are not those of the small weights.
        convert({"model_cfg": open_clip.get_model_config(name)})


@pytest.mark.parametrize("name", OTHER)
def test_open_clips_other_architectures_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"open_clip_config.json: (vision|text|model)_cfg has .*can be read"):
        convert({"model_cfg": open_clip.get_model_config(name)})


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("vision_cfg", "pool_type", "avg"),
        ("vision_cfg", "final_ln_after_pool", True),
        ("vision_cfg", "timm_model_name", "vit_base_patch16_224"),
        ("vision_cfg", "norm_kwargs", {"eps": 1e-6}),
        ("vision_cfg", "no_ln_pre", True),
        ("vision_cfg", "head_width", 0),
        ("vision_cfg", "rotary", True),
        ("text_cfg", "no_causal_mask", True),
        ("text_cfg", "pool_type", "last"),
        ("text_cfg", "act_kwargs", {"approximate": "tanh"}),
        ("text_cfg", "hf_model_name", "roberta-base"),
        ("text_cfg", "heads", 0),
        ("text_cfg", "heads", True),
        ("model_cfg", "embed_dim", "16"),
        ("model_cfg", "quick_gelu", "false"),
        ("model_cfg", "multimodal_cfg", {}),
        ("preprocess_cfg", "resize_mode", "squash"),
    ],
)
def test_a_setting_of_another_network_is_refused_by_name(part: str, key: str, value: Any) -> None:
    _, config = theirs(VIT)
    model = config["model_cfg"]
    model |= {"vision_cfg": dict(VIT), "text_cfg": dict(TEXT)}
    {**config, **model, "model_cfg": model}[part][key] = value
    with pytest.raises(UserError, match=rf"{part} has {key}="):
        convert(config)


def test_settings_at_their_defaults_are_accepted() -> None:
    _, config = theirs(VIT)
    vision = VIT | {"pool_type": "tok", "norm_kwargs": {}, "timm_model_name": None, "mlp_ratio": 4.0, "qk_norm": False}
    text = TEXT | {"pool_type": "argmax", "no_causal_mask": False, "act_kwargs": None, "proj_type": "linear"}
    config["model_cfg"] |= {"vision_cfg": vision, "text_cfg": text, "custom_text": False}
    config["preprocess_cfg"] |= {"interpolation": "bicubic", "resize_mode": "shortest", "size": [32, 32]}
    assert convert(config).settings["network.image_tower.heads"] == 4


def test_colours_are_read_without_the_model() -> None:
    published = convert({"preprocess_cfg": {"mean": [0.4, 0.5, 0.6], "std": [0.3, 0.2, 0.1]}})
    assert published.settings["method.mean"] == [0.4, 0.5, 0.6]


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("vision_config", "layer_norm_eps", 1e-6),
        ("vision_config", "num_attention_heads", 0),
        ("text_config", "eos_token_id", 7),
        ("text_config", "hidden_act", ["gelu"]),
        (None, "projection_dim", 17),
    ],
)
def test_hugging_faces_settings_are_checked(part: str | None, key: str, value: Any) -> None:
    weights = hugging_faces(theirs(VIT)[0])
    config: dict[str, Any] = {
        "projection_dim": 16,
        "vision_config": {"num_attention_heads": 4, "layer_norm_eps": 1e-5, "dropout": 0.0},
        "text_config": {"num_attention_heads": 2, "eos_token_id": 2},
    }
    source = make("hugging_face_clip")
    source.convert(Archive(Path("x"), weights, {"config": config}))
    (config[part] if part else config)[key] = value
    with pytest.raises(UserError, match=f"{key}="):
        source.convert(Archive(Path("x"), weights, {"config": config}))
