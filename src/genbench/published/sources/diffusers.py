"""diffusers' `UNet2DModel` with its scheduler, such as the repositories google/ddpm-*.

A folder as `save_pretrained` writes it: `unet/` and `scheduler/` in it, or both in one. Checked against diffusers: see
docs/diffusion.md.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from genbench.errors import UserError
from genbench.published.diffusers_folder import CONFIG, model_folder, read_model
from genbench.published.diffusers_names import NAMES, NULL_CLASS, PREDICTIONS, SCHEDULES, VARIANCES, todays_names
from genbench.published.reading import read_settings
from genbench.published.source import Archive, Published, Source, multipliers_of, numbered_classes
from genbench.published.unet_names import Plan, imported, swapped, with_null

_SCHEDULER, _INDEX = "scheduler_config", "model_index"

_UNET_DEFAULTS: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "freq_shift": 0,
    "flip_sin_to_cos": True,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [224, 448, 672, 896],
    "layers_per_block": 2,
    "downsample_padding": 1,
    "dropout": 0.0,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "resnet_time_scale_shift": "default",
}
"""What `UNet2DModel` takes where its configuration says nothing."""

_UNET_ONLY: dict[str, tuple[Any, ...]] = {
    "center_input_sample": (False,),
    "time_embedding_type": ("positional",),
    "mid_block_type": ("UNetMidBlock2D",),
    "mid_block_scale_factor": (1,),
    "downsample_type": ("conv",),
    "upsample_type": ("conv",),
    "act_fn": ("silu", "swish"),
    "add_attention": (True,),
    "class_embed_type": (None,),
    "freq_shift": (0, 1),
    "downsample_padding": (0, 1),
    "resnet_time_scale_shift": ("default", "scale_shift"),
}
"""The values of settings that our U-Net can hold."""

_SCHEDULER_DEFAULTS: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "prediction_type": "epsilon",
    "variance_type": "fixed_small",
    "clip_sample": True,
    "thresholding": False,
    "sample_max_value": 1.0,
}

_SCHEDULER_ONLY: dict[str, tuple[Any, ...]] = {
    "_class_name": ("DDPMScheduler", "DDIMScheduler", "PNDMScheduler"),
    "trained_betas": (None,),
    "clip_sample": (True, False),
    "clip_sample_range": (1, 1.0),
    "thresholding": (True, False),
    "rescale_betas_zero_snr": (False,),
    "beta_schedule": tuple(SCHEDULES),
    "prediction_type": tuple(PREDICTIONS),
    "variance_type": (*VARIANCES, "learned_range"),
}


_ANCESTRAL = ("ddpm_cifar10", "ddpm_lsun")
"""Experiments that draw by ancestral sampling with a variance that is not learned."""


class Diffusers(Source):
    """A folder of a pipeline, or of a model alone, whose chain is then taken to be Ho's."""

    title = "diffusers' UNet2DModel"

    def read(self, path: Path) -> Archive:
        """Return the weights, safetensors preferred, and the JSON files `config` and `scheduler_config`.

        Raises:
            UserError: it is no folder, or a file is missing or can't be read.
        """
        path = model_folder(path)
        unet = path / "unet" if (path / "unet").is_dir() else path
        scheduler = path / "scheduler" if (path / "scheduler").is_dir() else path
        weights, config = read_model(unet)
        settings: dict[str, Any] = {CONFIG: config}
        for name, file in ((_SCHEDULER, scheduler / f"{_SCHEDULER}.json"), (_INDEX, path / f"{_INDEX}.json")):
            if file.is_file():
                settings[name] = read_settings(file)
        return Archive(path, weights, settings)

    def recognises(self, archive: Archive) -> bool:
        """Return whether the configuration and the tensors are of a `UNet2DModel`."""
        config = archive.settings.get(CONFIG)
        named = config.get("_class_name", "UNet2DModel") if isinstance(config, Mapping) else None
        content = archive.content
        return (
            named == "UNet2DModel"
            and isinstance(content, Mapping)
            and {"time_embedding.linear_1.weight", "conv_in.weight"} <= set(content)
        )

    def convert(self, archive: Archive) -> Published:
        """Return the network and its chain with the settings of the two JSON files."""
        unet = _UNET_DEFAULTS | dict(archive.settings[CONFIG])
        scheduler = _SCHEDULER_DEFAULTS | dict(archive.settings.get(_SCHEDULER, {}))
        _check(unet, _UNET_ONLY, f"{CONFIG}.json")
        _check(scheduler, _SCHEDULER_ONLY, f"{_SCHEDULER}.json")
        side = _side(unet)
        learned = _learned(unet, scheduler)
        plan = _plan(unet)
        weights: dict[str, Tensor] = todays_names(archive.content)
        embedded = weights.pop("class_embedding.weight", None)
        converted = imported(weights, plan, NAMES)
        if unet["flip_sin_to_cos"]:
            converted["embed_time.1.weight"] = swapped(converted["embed_time.1.weight"])
        if embedded is not None:
            has_null = archive.settings.get(_INDEX, {}).get(NULL_CLASS) is True
            embedded = embedded if has_null else with_null(embedded)
            converted["embed_condition.embedding.weight"] = embedded
        classes = 0 if embedded is None else len(embedded) - 1
        settings = _network(unet, side, plan, scheduler["num_train_timesteps"]) | _method(scheduler, classes)
        settings |= {"data.size": side, "sampler.clamp": _clamp(scheduler)}
        experiment = _experiment(side, unet["in_channels"], learned)
        if experiment in _ANCESTRAL:
            settings["sampler.variance"] = VARIANCES[scheduler["variance_type"]]
        return Published(
            experiment,
            settings,
            {"denoiser": converted},
            condition=numbered_classes(classes),
        )


def _check(settings: Mapping[str, Any], held: Mapping[str, tuple[Any, ...]], file: str) -> None:
    """Check that settings have values that we can hold."""
    for key, values in held.items():
        if key in settings and settings[key] not in values:
            raise _refused(key, settings[key], " or ".join(json.dumps(value) for value in values), file)


def _refused(key: str, value: object, held: str, file: str = f"{CONFIG}.json") -> UserError:
    return UserError(f"{file} says {key}={json.dumps(value)}, which can't be held here: only {held}")


def _side(unet: Mapping[str, Any]) -> int:
    """Return the side of the images."""
    side = unet.get("sample_size")
    height, width = side if isinstance(side, list | tuple) and len(side) == 2 else (side, side)
    if not isinstance(height, int) or height != width:
        raise _refused("sample_size", side, "a whole number")
    return height


def _learned(unet: Mapping[str, Any], scheduler: Mapping[str, Any]) -> bool:
    """Return whether the network predicts the variance too."""
    learned = scheduler["variance_type"] == "learned_range"
    if unet["out_channels"] != (2 if learned else 1) * unet["in_channels"] or unet["in_channels"] not in (1, 3):
        channels = [unet["in_channels"], unet["out_channels"]]
        wanted = "1 or 3, and as many or, with variance_type=learned_range, twice as many"
        raise _refused("in_channels and out_channels", channels, wanted)
    return learned


def _plan(unet: Mapping[str, Any]) -> Plan:
    """Return the network's shape; the ways down and up attend at the same resolutions."""
    kinds = {"DownBlock2D": False, "AttnDownBlock2D": True, "UpBlock2D": False, "AttnUpBlock2D": True}
    down, up, maps = unet["down_block_types"], unet["up_block_types"], unet["block_out_channels"]
    if not 0 < len(down) == len(up) == len(maps):
        raise _refused(
            "block_out_channels", maps, f"a number for each of {len(down)} kinds of blocks down and as many up"
        )
    unknown = [kind for kind in (*down, *up) if kind not in kinds]
    if unknown:
        raise UserError(f"{CONFIG}.json names {unknown[0]}, which can't be held here: only {', '.join(kinds)}")
    attention = tuple(kinds[kind] for kind in down)
    if attention != tuple(kinds[kind] for kind in reversed(up)):
        raise UserError(f"{CONFIG}.json says that the ways down and up attend at different resolutions")
    if unet["resnet_time_scale_shift"] == "scale_shift" and unet.get("attn_norm_num_groups") is None:
        raise UserError(f"{CONFIG}.json says scale_shift without attn_norm_num_groups: attention without GroupNorm")
    if unet.get("attn_norm_num_groups") not in (None, unet["norm_num_groups"]):
        raise UserError(f"{CONFIG}.json says another attn_norm_num_groups than norm_num_groups")
    return Plan(len(down), unet["layers_per_block"], attention)


def _network(unet: Mapping[str, Any], side: int, plan: Plan, steps: int) -> dict[str, Any]:
    """Return the settings of our network."""
    width, *_ = maps = unet["block_out_channels"]
    if unet.get("time_embedding_dim") not in (None, 4 * width):
        raise _refused("time_embedding_dim", unet["time_embedding_dim"], f"{4 * width}, four times the width")
    head_channels = unet["attention_head_dim"]
    found = {
        "width": width,
        "multipliers": multipliers_of(maps, width),
        "blocks": plan.blocks,
        "attention": [side // 2**level for level, attends in enumerate(plan.attention) if attends],
        "heads": 1 if head_channels is None else None,
        "head_channels": head_channels,
        "dropout": float(unet["dropout"]),
        "time": "sinusoids" if unet["freq_shift"] == 1 else "sinusoids_openai",
        "time_scale": float(steps),
        "adaptive": unet["resnet_time_scale_shift"] == "scale_shift",
        "padding": "ho" if unet["downsample_padding"] == 0 else "openai",
        "groups": unet["norm_num_groups"],
        "norm_eps": float(unet["norm_eps"]),
    }
    return {f"network.denoiser.{key}": value for key, value in found.items()}


def _method(scheduler: Mapping[str, Any], classes: int) -> dict[str, Any]:
    """Return the settings of our method: its chain, prediction and condition."""
    steps = scheduler["num_train_timesteps"]
    schedule = SCHEDULES[scheduler["beta_schedule"]]
    found: dict[str, Any] = {
        "process.schedule": schedule,
        "process.steps": steps,
        "process.first_index": 0,
        "prediction": PREDICTIONS[scheduler["prediction_type"]],
        "conditional": bool(classes),
        "condition_dropout": 0.0 if classes else 0.1,
    }
    if schedule != "cosine":
        # Ours are of 1,000 steps.
        found |= {f"process.{key}": scheduler[key] * steps / 1000 for key in ("beta_start", "beta_end")}
    return {f"method.{key}": value for key, value in found.items()}


def _clamp(scheduler: Mapping[str, Any]) -> str:
    """Return what our samplers do to estimates of x_0."""
    if scheduler["thresholding"]:
        # A sample is scaled from one to this at most: by default not at all, which is to clamp it.
        return "dynamic" if scheduler["sample_max_value"] > 1 else "static"
    return "static" if scheduler["clip_sample"] else "none"


def _experiment(side: int, channels: int, learned: bool) -> str:
    """Return the experiment whose data are nearest to these images."""
    if channels == 1:
        return "improved_ddpm_mnist" if learned else "ddpm_mnist"
    if learned:
        return "improved_ddpm_cifar10" if side <= 32 else "improved_ddpm_lsun"
    return "ddpm_cifar10" if side <= 32 else "ddpm_celeba" if side <= 64 else "ddpm_lsun"
