"""Names in run folders of earlier versions, translated to today's: the only place that knows the old ones."""

from typing import Any

from genbench.signatures import parameters_of

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
    "genbench.methods.adversarial.wgan.WGAN": {"clip": "weight_clip"},
}
"""Old and new keys under one `_target_`. A node that has the new key is of today: there the old one, if it is there,
means something else."""

_RATES = "genbench.methods.learning_rates"
"""The module of the learning-rate schedules, which once were settings of the methods themselves."""

_SCHEDULED_BY = frozenset(("warmup_steps", "cosine_steps", "constant_steps", "falling_steps"))
"""These settings: of denoising methods, of DDGAN and of CycleGAN."""

_DEFAULTS: dict[str, dict[str, tuple[Any, Any]]] = {
    "genbench.networks.unet.UNet": {"padding": ("openai", "ho"), "initialisation": ("openai", "ho")},
    "genbench.networks.resnet.ResNetCritic": {"first_block": ("convolution", "optimised")},
    "genbench.diffusion.processes.DiscreteProcess": {"first_index": (1, 0)},
    "genbench.diffusion.samplers.heun": {"clamp": ("static", "none")},
    "genbench.diffusion.samplers.probability_flow": {"clamp": ("static", "none")},
    "genbench.diffusion.samplers.predictor_corrector": {
        "predictor": ("euler_maruyama", "reverse_diffusion"),
        "langevin_alpha": ("cumulative", "step"),
        "order": ("predictor_first", "corrector_first"),
        "clamp": ("static", "none"),
    },
}
"""Settings under one `_target_` that have another default today: that of earlier versions, and today's. A node without
such a setting is of an earlier version, since `spelled_out` writes today's into every configuration that is saved."""

_WEIGHTS = {".tell.": ".from_embedding.", ".embed_class.weight": ".embed_condition.embedding.weight"}
"""Old and new parts of the names of the tensors in a checkpoint."""


def translate(config: Any) -> Any:
    """Return a saved configuration with today's names."""
    if isinstance(config, dict):
        target = _target(config.get("_target_"))
        keys: dict[Any, Any] = {
            old: new for old, new in (_KEYS | _KEYS_OF.get(str(target), {})).items() if new not in config
        }
        today: dict[Any, Any] = {
            keys.get(key, key): translate(value) for key, value in config.items() if key != "_target_"
        }
        if target is None:
            return today
        defaults = {key: before for key, (before, _) in _DEFAULTS.get(str(target), {}).items()}
        return {"_target_": target, **defaults, **_with_schedule(today, str(target))}
    if isinstance(config, list):
        return [translate(value) for value in config]
    return config


def spelled_out(config: Any) -> Any:
    """Return a configuration that is to be saved with those of its defaults written out that once were others."""
    if isinstance(config, dict):
        defaults = _DEFAULTS.get(str(config.get("_target_")), {})
        return {key: spelled_out(value) for key, value in config.items()} | {
            key: today for key, (_, today) in defaults.items() if key not in config
        }
    if isinstance(config, list):
        return [spelled_out(value) for value in config]
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


def _with_schedule(config: dict[Any, Any], target: str) -> dict[Any, Any]:
    """Return a node with its learning-rate schedule in a node of its own, if it is of a class that now takes one."""
    old = config.keys() & _SCHEDULED_BY
    known = (parameters_of(target) or {}) if old else {}
    if "schedule" not in known or old & known.keys() or not all(isinstance(config[key], int | None) for key in old):
        return config
    rest = {key: value for key, value in config.items() if key not in _SCHEDULED_BY}
    if "warmup_steps" in config:
        schedule = {"_target_": f"{_RATES}.Constant", "warmup_steps": config["warmup_steps"]}
    elif config.get("cosine_steps"):
        schedule = {"_target_": f"{_RATES}.Cosine", "steps": config["cosine_steps"], "final": 0.07}
    elif config.get("constant_steps") is not None:
        first = config["constant_steps"]
        steps = first + config.get("falling_steps", 0)
        schedule = {"_target_": f"{_RATES}.LinearDecay", "constant_steps": first, "steps": steps}
    else:
        return rest
    return rest | {"schedule": schedule}


def _target(target: Any) -> Any:
    if not isinstance(target, str):
        return target
    module, dot, name = target.rpartition(".")
    return _MODULES.get(module, module) + dot + name
