"""Names in run folders of earlier versions, translated to today's: the only place that knows the old ones."""

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
"""Old and new modules of a `_target_`."""

_KEYS = {"dropped_classes": "condition_dropout"}
"""Old and new keys, under any `_target_`."""

_KEYS_OF = {
    "genbench.callbacks.sample_grid.SampleGrid": {"walks": "interpolations", "share": "max_fraction"},
    "genbench.callbacks.online_scores.OnlineScores": {"share": "max_fraction"},
}
"""Old and new keys under one `_target_`."""

_WEIGHTS = {".tell.": ".from_embedding.", ".embed_class.weight": ".embed_condition.embedding.weight"}
"""Old and new parts of the names of the tensors in a checkpoint."""


def translate(config: Any) -> Any:
    """Return a saved configuration with today's names."""
    if isinstance(config, dict):
        keys = _KEYS | _KEYS_OF.get(str(config.get("_target_")), {})
        return {
            keys.get(key, key): _target(value) if key == "_target_" else translate(value)
            for key, value in config.items()
        }
    if isinstance(config, list):
        return [translate(value) for value in config]
    return config


def translate_weights(weights: dict[str, Any]) -> dict[str, Any]:
    """Return a state dictionary with today's names."""
    for old, new in _WEIGHTS.items():
        weights = {name.replace(old, new): tensor for name, tensor in weights.items()}
    return weights


def first_name(name: str) -> str:
    """Return what a tensor of today's name was called first: fingerprints of weights stay those of earlier versions."""
    for old, new in _WEIGHTS.items():
        name = name.replace(new, old)
    return name


def _target(target: Any) -> Any:
    if not isinstance(target, str):
        return target
    module, dot, name = target.rpartition(".")
    return _MODULES.get(module, module) + dot + name
