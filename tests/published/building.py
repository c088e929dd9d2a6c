"""Methods of the experiments that published files correspond to, and networks with random weights."""

import json
from typing import Any

import torch
from torch import Tensor, nn

from genbench.commands.assembly import build
from genbench.conditions.base import Condition
from genbench.config import compose_config
from genbench.medium import Images
from genbench.published.source import Published
from genbench.signatures import parameters_of


def composed(published: Published) -> Any:
    """Return the configuration of a published model's experiment with its settings."""
    settings = [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in published.settings.items()
    ]
    return compose_config("train", [f"experiment={published.experiment}", *settings])


def built(published: Published, channels: int = 3, *, condition: Condition | None = None, device: str = "cpu") -> Any:
    """Return the method of a published model with its weights, in evaluation mode.

    Where it is of `device="meta"` the weights have names and shapes alone. The condition is that of the data set, where
    the file does not say it.
    """
    config = composed(published)
    shape = (channels, config.data.size, config.data.size)
    with torch.device(device):
        shaped = {
            "medium": Images(shape), "image_shape": shape, "condition": published.condition or condition,
        }  # fmt: skip
        asked = parameters_of(config.method["_target_"]) or {}
        facts = {name: fact for name, fact in shaped.items() if name in asked}
        method = build(config.method, "method", **facts)
    for path, weights in published.weights.items():
        method.get_submodule(path).load_state_dict(weights)
    return method.eval()


def lively(network: nn.Module) -> nn.Module:
    """Draw all weights anew, so that every layer changes the output: some begin at zero."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3 if parameter.ndim < 2 else parameter[0].numel() ** -0.5)
    return network.eval()


def count(weights: dict[str, Tensor]) -> int:
    """Return the number of weights."""
    return sum(tensor.numel() for tensor in weights.values())
