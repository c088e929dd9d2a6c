"""What diffusers' `UNet2DModel` calls the tensors of Ho's U-Net, and what its scheduler calls our settings."""

from torch import Tensor

from genbench.published.source import Weights
from genbench.published.unet_names import Names

NAMES = Names(
    outer={
        "embed_time.1": "time_embedding.linear_1",
        "embed_time.3": "time_embedding.linear_2",
        "from_image": "conv_in",
        "to_image.0": "conv_norm_out",
        "to_image.2": "conv_out",
    },
    down={
        "residual": "down_blocks.{level}.resnets.{number}",
        "attention": "down_blocks.{level}.attentions.{number}",
        "resampling": "down_blocks.{level}.downsamplers.0.conv",
    },
    middle=("mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1"),
    up={
        "residual": "up_blocks.{rise}.resnets.{number}",
        "attention": "up_blocks.{rise}.attentions.{number}",
        "resampling": "up_blocks.{rise}.upsamplers.0.conv",
    },
    residual={
        "first.0": "norm1",
        "first.2": "conv1",
        "from_embedding.1": "time_emb_proj",
        "second.0": "norm2",
        "second.3": "conv2",
        "shortcut": "conv_shortcut",
    },
    attention={"norm": "group_norm", "to_qkv": ("to_q", "to_k", "to_v"), "to_out": "to_out.0"},
)

SCHEDULES = {"linear": "linear", "scaled_linear": "quadratic", "squaredcos_cap_v2": "cosine", "sigmoid": "sigmoid"}
"""Schedules of variances, diffusers' and ours."""

PREDICTIONS = {"epsilon": "eps", "sample": "x_0", "v_prediction": "v"}
"""What the network predicts, diffusers' and ours."""

NULL_CLASS = "_genbench_null_class"
"""In `model_index.json`, whether the last class stands for no condition, as in what is exported from here."""

VARIANCES = {
    "fixed_small": "posterior",
    "fixed_small_log": "posterior",
    "fixed_large": "step",
    "fixed_large_log": "step",
}
"""The variance of an ancestral step, diffusers' and ours."""

_EARLIER = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Layers of attention in files of before diffusers 0.15."""


def todays_names(weights: Weights) -> dict[str, Tensor]:
    """Return weights with today's names of the layers of attention."""
    found = {}
    for name, tensor in weights.items():
        start, _, kind = name.rpartition(".")
        place, _, layer = start.rpartition(".")
        is_earlier = ".attentions." in name and layer in _EARLIER
        found[f"{place}.{_EARLIER[layer]}.{kind}" if is_earlier else name] = tensor
    return found
