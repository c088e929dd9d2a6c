"""Stable Diffusion v1 as diffusers saves it: the folder of a pipeline, of which `unet/` and `scheduler/` are read.

Its first stage, `vae/`, and its text tower, `text_encoder/`, are imported before, and are the parts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genbench.errors import UserError
from genbench.published.diffusers_folder import CONFIG, read_model
from genbench.published.diffusers_names import NAMES, PREDICTIONS, SCHEDULES
from genbench.published.latent_diffusion import BLOCK, STANDARD_SCALE, WITHOUT_BIAS, depth_of, of_captions
from genbench.published.networks import is_weights
from genbench.published.reading import read_settings
from genbench.published.source import Archive, Published, Source, multipliers_of
from genbench.published.unet_names import Names, Plan, imported, swapped

_SCHEDULER, _VAE = "scheduler_config", "vae"

_ATTENDS = {"CrossAttnDownBlock2D": True, "DownBlock2D": False}

_ONLY: dict[str, tuple[Any, ...]] = {
    "in_channels": (4,),
    "out_channels": (4,),
    "mid_block_type": ("UNetMidBlock2DCrossAttn",),
    "act_fn": ("silu",),
    "flip_sin_to_cos": (True,),
    "freq_shift": (0,),
    "only_cross_attention": (False,),
    "dual_cross_attention": (False,),
    "class_embed_type": (None,),
    "addition_embed_type": (None,),
    "encoder_hid_dim": (None,),
    "resnet_time_scale_shift": ("default",),
    "downsample_padding": (1,),
    "norm_num_groups": (32,),
    "center_input_sample": (False,),
}
"""Settings, and the values of them that our network can hold."""


class DiffusersLatent(Source):
    """A folder of a pipeline, or of its U-Net alone."""

    title = "diffusers' StableDiffusionPipeline, v1"

    def read(self, path: Path) -> Archive:
        """Return the weights of the U-Net, and the JSON files.

        Raises:
            UserError: it is no folder, or a file is missing or can't be read.
        """
        if not path.is_dir():
            raise UserError(f"{path} is no folder: this source takes that of a pipeline")
        unet = path / "unet" if (path / "unet").is_dir() else path
        weights, config = read_model(unet)
        settings: dict[str, Any] = {CONFIG: config}
        others = ((_SCHEDULER, path / "scheduler" / f"{_SCHEDULER}.json"), (_VAE, path / "vae" / f"{CONFIG}.json"))
        settings |= {name: read_settings(file) for name, file in others if file.is_file()}
        return Archive(path, weights, settings)

    def recognises(self, archive: Archive) -> bool:
        """Return whether there is a U-Net that attends to a sequence by transformers."""
        content = archive.content
        key = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"
        return isinstance(content, Mapping) and key in content

    def convert(self, archive: Archive) -> Published:
        """Return the U-Net and its chain with the settings of the JSON files."""
        unet = archive.settings[CONFIG]
        for key, values in _ONLY.items():
            if key in unet and unet[key] not in values:
                held = " or ".join(map(repr, values))
                raise UserError(f"{CONFIG}.json says {key}={unet[key]!r}, which can't be held here: only {held}")
        if not is_weights(archive.content):
            raise UserError(f"{archive.path} holds no weights")
        weights = {name: each.float() for name, each in archive.content.items()}
        maps, side, heads = unet["block_out_channels"], unet["sample_size"], unet["attention_head_dim"]
        if not isinstance(heads, int):
            raise UserError(f"{CONFIG}.json says attention_head_dim={heads}: v1 has one number of heads everywhere")
        plan = Plan(len(maps), unet["layers_per_block"], tuple(_attends(kind) for kind in unet["down_block_types"]))
        depth = depth_of(weights)
        converted = imported(weights, plan, _names(depth))
        # Theirs has cosines first.
        converted["embed_time.1.weight"] = swapped(converted["embed_time.1.weight"])
        scheduler = archive.settings.get(_SCHEDULER, {})
        network = {
            "width": maps[0],
            "multipliers": multipliers_of(maps, maps[0]),
            "blocks": plan.blocks,
            "attention": [side // 2**level for level, attends in enumerate(plan.attention) if attends],
            "heads": heads,
            "transformer_depth": depth,
            "groups": 32,
            "norm_eps": float(unet.get("norm_eps", 1e-5)),
        }
        scale = archive.settings.get(_VAE, {}).get("scaling_factor", STANDARD_SCALE)
        return of_captions(converted, network, _process(scheduler), scale=float(scale), side=side)


def _names(depth: int) -> Names:
    """Return what diffusers calls the parts of a U-Net whose transformers have so many blocks."""
    blocks: dict[str, str | tuple[str, ...]] = {
        f"blocks.{number}.{ours}": f"transformer_blocks.{number}.{theirs}"
        for number in range(depth)
        for ours, theirs in BLOCK.items()
    }
    return NAMES._replace(
        attention={"norm": "norm", "first": "proj_in", "last": "proj_out", **blocks}, without_bias=WITHOUT_BIAS
    )


def _attends(kind: str) -> bool:
    if kind not in _ATTENDS:
        raise UserError(f"{CONFIG}.json names {kind}, which can't be held here: only {', '.join(_ATTENDS)}")
    return _ATTENDS[kind]


def _process(scheduler: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a chain, those of v1 where the file says nothing."""
    schedule, prediction = scheduler.get("beta_schedule", "scaled_linear"), scheduler.get("prediction_type", "epsilon")
    if schedule not in SCHEDULES or prediction not in PREDICTIONS:
        raise UserError(f"{_SCHEDULER}.json says beta_schedule={schedule!r} and prediction_type={prediction!r}")
    steps = scheduler.get("num_train_timesteps", 1000)
    ends = scheduler.get("beta_start", 8.5e-4), scheduler.get("beta_end", 1.2e-2)
    return {
        "process.schedule": SCHEDULES[schedule],
        "process.steps": steps,
        "process.beta_start": ends[0] * steps / 1000,
        "process.beta_end": ends[1] * steps / 1000,
        "prediction": PREDICTIONS[prediction],
    }
