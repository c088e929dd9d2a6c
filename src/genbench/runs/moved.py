"""Names that have moved since earlier versions wrote a run folder: the one place that knows the old ones."""

import re
from typing import Any

_FAMILIES = {
    "adversarial": ("gan", "wgan", "wgan_gp", "cgan", "latent_gan", "pix2pix", "cyclegan"),
    "denoising": ("ddpm", "improved_ddpm", "score_sde", "ddgan", "classifier_guidance"),
    "autoencoding": ("vae",),
}

_MODULES = {
    **{
        f"genbench.methods.{name}": f"genbench.methods.{family}.{name}"
        for family, names in _FAMILIES.items()
        for name in names
    },
    "genbench.loggers": "genbench.logs.loggers",
    "genbench.wandb_run": "genbench.logs.wandb_run",
}
"""Modules that a `_target_` of an earlier version names."""


_KEYS = {"dropped_classes": "condition_dropout"}
"""Settings of methods."""

_WEIGHTS = {
    r"\.tell\.": ".from_embedding.",
    r"\.embed_class\.weight$": ".embed_condition.embedding.weight",
}
"""Patterns of the names of tensors in a checkpoint."""


def translate(config: Any) -> Any:
    """Return a saved configuration with the names of today."""
    if isinstance(config, dict):
        return {
            _KEYS.get(key, key): _target(value) if key == "_target_" else translate(value)
            for key, value in config.items()
        }
    if isinstance(config, list):
        return [translate(value) for value in config]
    return config


def translate_weights(weights: dict[str, Any]) -> dict[str, Any]:
    """Return a state dictionary with the names of today."""
    for old, new in _WEIGHTS.items():
        weights = {re.sub(old, new, name): tensor for name, tensor in weights.items()}
    return weights


def _target(target: Any) -> Any:
    if not isinstance(target, str):
        return target
    module, dot, name = target.rpartition(".")
    return _MODULES.get(module, module) + dot + name
