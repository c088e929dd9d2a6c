"""A trained U-Net as diffusers' `UNet2DModel`, and its chain as a `DDPMScheduler`: the way back of `sources.diffusers`.

Example:
    >>> config, weights = to_diffusers(denoiser.state_dict(), settings)
    >>> model = UNet2DModel.from_config(config)
    >>> model.load_state_dict(weights)
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.published.diffusers_names import NAMES, PREDICTIONS, SCHEDULES, VARIANCES
from genbench.published.source import Weights
from genbench.published.unet_names import Plan, exported

UNET_DEFAULTS: dict[str, Any] = {
    "width": 128,
    "multipliers": (1, 2, 2, 2),
    "blocks": 2,
    "attention": (16,),
    "heads": 1,
    "head_channels": None,
    "dropout": 0.1,
    "time": "sinusoids",
    "time_scale": 1000.0,
    "time_width": None,
    "adaptive": False,
    "padding": "ho",
    "resampling": "convolution",
    "groups": None,
    "norm_eps": 1e-6,
}
"""What `UNet` takes where the settings say nothing."""

PROCESS_DEFAULTS: dict[str, Any] = {
    "schedule": "linear",
    "steps": 1000,
    "first_index": 0,
    "beta_start": None,
    "beta_end": None,
}
"""What `DiscreteProcess` takes where the settings say nothing."""

_UNET, _PROCESS = "genbench.networks.unet.UNet", "genbench.diffusion.processes.DiscreteProcess"
_BETA_START, _BETA_END = 1e-4, 0.02
_GROUPS = 32
_NO_MOST = 1e6
"""What a sample may reach before diffusers' thresholding stops scaling it: as good as anything."""


def to_diffusers(weights: Weights, settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the configuration and the state dictionary of a `UNet2DModel` with the same outputs.

    Its time steps are 0 ... T - 1, and its classes ours; the last class is the one for no condition.

    Args:
        weights: of a `UNet`.
        settings: the configuration of its run, as a run folder keeps it.

    Raises:
        UserError: diffusers' model can't hold it.
    """
    unet, process = _unet(settings), _process(settings)
    _check(unet, process, weights)
    maps = [int(unet["width"] * each) for each in unet["multipliers"]]
    side = settings["data"]["size"]
    attention = tuple(side // 2**level in unet["attention"] for level in range(len(maps)))
    groups = _groups(unet, maps)
    config = {
        "_class_name": "UNet2DModel",
        "sample_size": side,
        "in_channels": weights["from_image.weight"].shape[1],
        "out_channels": len(weights["to_image.2.weight"]),
        "block_out_channels": maps,
        "layers_per_block": unet["blocks"],
        "down_block_types": ["AttnDownBlock2D" if attends else "DownBlock2D" for attends in attention],
        "up_block_types": ["AttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(attention)],
        "attention_head_dim": _head_channels(unet, maps, attention),
        "dropout": unet["dropout"],
        "flip_sin_to_cos": False,
        "freq_shift": 1 if unet["time"] == "sinusoids" else 0,
        "downsample_padding": 0 if unet["padding"] == "ho" else 1,
        "resnet_time_scale_shift": "scale_shift" if unet["adaptive"] else "default",
        "norm_num_groups": groups,
        "attn_norm_num_groups": groups,
        "norm_eps": unet["norm_eps"],
    }
    found = exported(weights, Plan(len(maps), unet["blocks"], attention), NAMES)
    if process["first_index"] == 1:
        found["time_embedding.linear_1.weight"] = _counted_from_0(found["time_embedding.linear_1.weight"], unet["time"])
    if "embed_condition.embedding.weight" in weights:
        found["class_embedding.weight"] = weights["embed_condition.embedding.weight"].clone()
        config["num_class_embeds"] = len(found["class_embedding.weight"])
    return config, found


def scheduler_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of the `DDPMScheduler` of a run's chain.

    Args:
        settings: the configuration of the run, as a run folder keeps it.

    Raises:
        UserError: diffusers' scheduler can't hold it.
    """
    process, method, sampler = _process(settings), settings["method"], settings.get("sampler") or {}
    config = {
        "_class_name": "DDPMScheduler",
        "num_train_timesteps": process["steps"],
        "beta_schedule": _counterpart(SCHEDULES, "schedule", process["schedule"]),
        "prediction_type": _counterpart(PREDICTIONS, "prediction", method.get("prediction", "eps")),
        "variance_type": _counterpart(VARIANCES, "variance", sampler.get("variance", "posterior")),
        "clip_sample": sampler.get("clamp", "static") == "static",
    }
    if sampler.get("clamp") == "dynamic":
        config |= {"thresholding": True, "sample_max_value": _NO_MOST}
    if process["schedule"] != "cosine":
        # Ours are of 1,000 steps.
        for key, value in (("beta_start", _BETA_START), ("beta_end", _BETA_END)):
            config[key] = (value if process[key] is None else process[key]) * 1000 / process["steps"]
    if method["_target_"].endswith(".ImprovedDDPM"):
        config["variance_type"] = "learned_range"
    return config


def _unet(settings: Mapping[str, Any]) -> dict[str, Any]:
    node = settings["method"].get("denoiser") or {}
    if node.get("_target_") != _UNET:
        raise UserError(f"diffusers' UNet2DModel can hold a {_UNET} only, not {node.get('_target_')}")
    return UNET_DEFAULTS | dict(node)


def _process(settings: Mapping[str, Any]) -> dict[str, Any]:
    node = settings["method"].get("process") or {}
    if node.get("_target_") != _PROCESS:
        raise UserError(f"diffusers' schedulers can hold a {_PROCESS} only, not {node.get('_target_')}")
    return PROCESS_DEFAULTS | dict(node)


def _check(unet: Mapping[str, Any], process: Mapping[str, Any], weights: Weights) -> None:
    """Check that the network is one of those that `UNet2DModel` can be."""
    channels = weights["from_image.weight"].shape[1]
    conditions = {name for name in weights if name.startswith(("embed_condition.", "embed_latent."))}
    refusals = {
        f"time={unet['time']}": unet["time"] == "fourier",
        f"resampling={unet['resampling']}": unet["resampling"] != "convolution",
        f"time_width={unet['time_width']}": unet["time_width"] not in (None, unet["width"]),
        f"multipliers={list(unet['multipliers'])}, of which the first is not 1": unet["multipliers"][0] != 1,
        f"time_scale={unet['time_scale']} and {process['steps']} steps": unet["time_scale"] != process["steps"],
        "a condition that is no class": bool(conditions - {"embed_condition.embedding.weight"})
        or len(weights["to_image.2.weight"]) not in (channels, 2 * channels),
    }
    for what, is_refused in refusals.items():
        if is_refused:
            raise UserError(f"diffusers' UNet2DModel can't hold this network: it has {what}")


def _groups(unet: Mapping[str, Any], maps: list[int]) -> int:
    """Return the groups of each GroupNorm, which there are the same in all maps."""
    if unet["groups"] is not None:
        return int(unet["groups"])
    if any(each < 2 * _GROUPS or each % _GROUPS for each in maps):
        raise UserError(
            f"diffusers' UNet2DModel can't hold GroupNorms of several numbers of groups, as maps of {maps} have: train "
            "with one, such as network.denoiser.groups=16"
        )
    return _GROUPS


def _head_channels(unet: Mapping[str, Any], maps: list[int], attention: tuple[bool, ...]) -> int | None:
    """Return the channels of each head; None for one head."""
    if unet["head_channels"] is not None:
        return int(unet["head_channels"])
    if unet["heads"] == 1:
        return None
    # The lowest resolution always has attention.
    attended = {maps[-1], *(channels for channels, attends in zip(maps, attention, strict=True) if attends)}
    if len(attended) > 1:
        raise UserError(f"diffusers' UNet2DModel can't hold heads={unet['heads']} for maps of {sorted(attended)}")
    return int(maps[-1] // unet["heads"])


def _counted_from_0(weight: Tensor, time: str) -> Tensor:
    """Return the first layer's weights (D, F) for the index i instead of i + 1.

    sin((i + 1) f) and cos((i + 1) f) are sin(i f) and cos(i f), rotated by the angle f.
    """
    sines, cosines = weight.double().chunk(2, dim=1)
    half = sines.shape[1]
    exponents = torch.arange(half, dtype=torch.float64) / (half - 1 if time == "sinusoids" else half)
    angle = 10000.0**-exponents
    rotated = [sines * angle.cos() - cosines * angle.sin(), sines * angle.sin() + cosines * angle.cos()]
    return torch.cat(rotated, dim=1).to(weight)


def _counterpart(table: Mapping[str, str], name: str, ours: str) -> str:
    """Return what diffusers calls a setting of ours."""
    for theirs, own in table.items():
        if own == ours:
            return theirs
    raise UserError(f"diffusers' schedulers can't hold {name}={ours}: only {', '.join(dict.fromkeys(table.values()))}")
