"""Turn a configuration into objects."""

from collections.abc import Mapping
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig

from genbench.conditions.base import Condition
from genbench.config import options
from genbench.config.effects import INPAINTING
from genbench.data.base import DataSet
from genbench.errors import UserError, first_line
from genbench.methods.assembled import Assembled
from genbench.methods.base import Method
from genbench.runs.folder import UNKNOWN, Unknown
from genbench.signatures import parameters_of


def build(node: Any, what: str, **given: Any) -> Any:
    """Instantiate a node of the configuration.

    Raises:
        UserError: the class refused its settings.
    """
    try:
        return instantiate(node, **given, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UserError):
            raise cause from None
        if cause is None:
            # Hydra itself refused it.
            raise UserError(f"{what}: {first_line(error)}") from error
        if isinstance(cause, ValueError | TypeError | ImportError | RuntimeError | MisconfigurationException):
            raise UserError(f"{what}: {first_line(cause)}") from error
        raise


def build_data(config: DictConfig) -> DataSet:
    """Return the data module, which has read nothing yet."""
    data: DataSet = build(config.data, "data")
    return data


def build_method(
    config: DictConfig,
    data: DataSet,
    *,
    condition: Condition | Unknown | None = UNKNOWN,
    parts: Mapping[str, Method] | None = None,
    fills_in: bool = False,
) -> Method:
    """Return the method, given of the data what its class asks for by name: its medium, its condition.

    Args:
        config: the run's.
        data: the run's.
        condition: the data's, as a run folder keeps it; asked of the data if it was not kept.
        parts: the models that it is built on, see `opening.open_parts`.
        fills_in: whether its sampler will be given images to fill in, as `repaint` must.

    Raises:
        UserError: the sampler does not go with the method or with what is to be done.
    """
    asked = parameters_of(config.method["_target_"]) or {}
    chosen, takes_one = config.get("sampler") is not None, "sampler" in asked
    if takes_one and not chosen and not asked["sampler"].has_default:
        known = ", ".join(name for name in options("sampler") if name != "repaint")
        raise UserError(f"this method draws by a sampler: choose sampler={known}")
    if chosen and not takes_one:
        raise UserError("this method draws by itself: it has no use for sampler=...")
    if chosen and config.sampler["_target_"].endswith(".repaint") != fills_in:
        raise UserError(
            "images are filled in by sampler=repaint alone: leave out the other sampler"
            if fills_in
            else f"sampler=repaint fills in images, by {INPAINTING}"
        )
    # Only what is asked for: to count a folder's classes the folder must be there.
    if config.method.get("conditional") is False:
        condition = None
    is_conditioned = "condition" in asked and condition is not None
    kept = {} if condition is UNKNOWN else {"condition": condition}
    facts = {name: kept[name] if name in kept else getattr(data, name) for name in data.facts if name in asked}
    for name in facts:
        if name in config.method:
            raise UserError(f"method.{name} follows from the data: leave it out")
    method: Method = build(config.method, "method", **facts, **(parts or {}))
    if isinstance(method, Assembled):
        is_conditioned = method.condition is not None
    if data.captions is not None and not is_conditioned:
        raise UserError(f"data.captions={data.captions} has no effect: this method is not conditioned on anything")
    return method.to(memory_format=torch.channels_last) if config.get("channels_last", False) else method


def compile_networks(method: Method) -> None:
    """Compile a method's networks in place: the names in a checkpoint stay, so whoever draws need compile nothing."""
    for network in networks_of(method):
        network.compile()


def networks_of(method: Method) -> list[torch.nn.Module]:
    """Return the networks that a method calls: of several in a container each, as nobody calls the container itself."""
    containers = (torch.nn.ModuleDict, torch.nn.ModuleList)
    found: list[torch.nn.Module] = []
    for child in method.children():
        found += child.children() if isinstance(child, containers) else [child]
    # Not what only remembers, such as CycleGAN's history of images.
    return [network for network in found if next(network.parameters(), None) is not None]


def parameters_by_network(method: Method) -> dict[str, int]:
    """Return how many parameters each network of a method has, by its name; averages are none of them."""
    averages = [average for _, average in method.averages]
    counts = {
        name: sum(parameter.numel() for parameter in child.parameters())
        for name, child in method.named_children()
        if child not in averages
    }
    return {name: count for name, count in counts.items() if count}


def allow_tf32(allowed: bool) -> None:
    """Let GPUs with tensor cores multiply float32 numbers with TF32's 10 bits of mantissa, in convolutions too."""
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high" if allowed else "highest")
        torch.backends.cudnn.allow_tf32 = allowed


def choose_device(name: str) -> torch.device:
    """Return the device of a name; "auto" is the first GPU if there is one.

    Raises:
        UserError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.zeros((), device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device={name} can't be used: {first_line(error)}") from error
