"""Names that have moved since earlier versions wrote a run folder: the one place that knows the old ones."""

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


def translate(config: Any) -> Any:
    """Return a saved configuration with the names of today."""
    if isinstance(config, dict):
        return {key: _target(value) if key == "_target_" else translate(value) for key, value in config.items()}
    if isinstance(config, list):
        return [translate(value) for value in config]
    return config


def _target(target: Any) -> Any:
    if not isinstance(target, str):
        return target
    module, dot, name = target.rpartition(".")
    return _MODULES.get(module, module) + dot + name
