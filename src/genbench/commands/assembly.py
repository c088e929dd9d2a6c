"""Turn a configuration into objects, and a run folder back into its method and data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from hydra.errors import InstantiationException
from hydra.utils import get_class, instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf

from genbench.conditions.base import Condition
from genbench.config import check_kinds, options, short_name
from genbench.config.effects import INPAINTING
from genbench.data.base import DataSet
from genbench.editing.base import Editor, ability_of
from genbench.errors import UserError, first_line
from genbench.methods.base import GenerativeMethod, Method
from genbench.runs.folder import UNKNOWN, RunFolder, Unknown
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
    config: DictConfig, data: DataSet, *, condition: Condition | Unknown | None = UNKNOWN, fills_in: bool = False
) -> Method:
    """Return the method, given of the data what its class asks for by name: its medium, its condition.

    Args:
        config: the run's.
        data: the run's.
        condition: the data's, as a run folder keeps it; asked of the data if it was not kept.
        fills_in: whether its sampler will be given images to fill in, as `repaint` must.

    Raises:
        UserError: the sampler does not go with the method or with what is to be done.
    """
    asked = parameters_of(config.method["_target_"]) or {}
    chosen, takes_one = config.get("sampler") is not None, "sampler" in asked
    if takes_one and not chosen:
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
    kept = {} if condition is UNKNOWN else {"condition": condition}
    facts = {name: kept[name] if name in kept else getattr(data, name) for name in data.facts if name in asked}
    for name in facts:
        if name in config.method:
            raise UserError(f"method.{name} follows from the data: leave it out")
    method: Method = build(config.method, "method", **facts)
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


def allow_tf32(allowed: bool) -> None:
    """Let GPUs with tensor cores multiply float32 numbers with TF32's 10 bits of mantissa, in convolutions too."""
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high" if allowed else "highest")
        torch.backends.cudnn.allow_tf32 = allowed


_PLACES = ("root", "prepared", "workers", "download")


class OpenRun(NamedTuple):
    """A run folder brought back to life; `file` is the checkpoint that its weights came from."""

    folder: RunFolder
    settings: DictConfig
    data: DataSet
    method: GenerativeMethod
    step: int
    file: Path


def open_run(config: DictConfig, *, fills_in: bool = False) -> OpenRun:
    """Return the run that `config.run` names, with the weights of `config.checkpoint` on `config.device`.

    Args:
        config: of a verb that takes a run.
        fills_in: whether its sampler will be given images to fill in.

    Raises:
        UserError: the folder, the checkpoint or the device does not do, or the method draws nothing.
    """
    folder = RunFolder.open(config.run)
    settings = folder.read_config()
    for key, place in (config.get("data") or {}).items():
        if key == "seed":
            continue
        if key not in _PLACES:
            raise UserError(f"data.{key} can't change for a run: only {', '.join(_PLACES)} can")
        OmegaConf.update(settings, f"data.{key}", place, force_add=True)
    if config.get("sampler") is not None:
        if "sampler" not in (parameters_of(settings.method["_target_"]) or {}):
            raise UserError(f"{folder.path} is of a method that draws by itself: it has no use for sampler=...")
        settings.sampler = config.sampler
        settings.method.sampler = config.sampler
    if config.get("guidance") is not None:
        if "guidance" not in (parameters_of(settings.method["_target_"]) or {}):
            raise UserError(f"{folder.path} is of a method that knows no guidance={config.guidance}")
        settings.method.guidance = config.guidance
    check_kinds(settings)
    device = choose_device(config.device)
    data = build_data(settings)
    data.recall(folder.read_data())
    method = build_method(settings, data, condition=folder.read_condition(), fills_in=fills_in)
    if not isinstance(method, GenerativeMethod):
        raise UserError(f"{folder.path} is of a method that draws no samples")
    file, checkpoint = folder.read_checkpoint(config.checkpoint)
    try:
        method.load_state_dict(checkpoint["state_dict"])
    except RuntimeError as error:
        raise UserError(f"{file} does not fit {folder.config_file}: {error}") from error
    return OpenRun(folder, settings, data, method.eval().to(device), int(checkpoint.get("global_step", 0)), file)


def editor_class(node: DictConfig) -> type[Editor]:
    """Return the class of an editor's node.

    Raises:
        UserError: it can't be had, is no editor, or does not say what its method must be able to do.
    """
    try:
        kind = get_class(node["_target_"])
    except Exception as error:  # whatever somebody's module raises when it is imported
        raise UserError(f"editor: {first_line(error)}") from error
    if not issubclass(kind, Editor):
        raise UserError(f"editor: {node['_target_']} is no genbench.editing.base.Editor")
    try:
        ability_of(kind)
    except (ValueError, NameError) as error:
        raise UserError(f"editor: {error}") from error
    return kind


def build_editor(run: OpenRun, node: DictConfig, given: Mapping[str, Any]) -> Editor:
    """Return an editor that works with a run's method.

    Args:
        run: whose method it is given.
        node: of the configuration, with its settings.
        given: further arguments, objects, by their names.

    Raises:
        UserError: the method has not got the ability, or the class refused its settings.
    """
    ability = ability_of(editor_class(node))
    if not isinstance(run.method, ability):
        needed = first_line(ValueError(ability.__doc__ or ability.__qualname__)).rstrip(".")
        raise UserError(
            f"editor={short_name(node)} does not go with the {short_name(run.settings.method)} of {run.folder.path}, "
            f"which lacks {needed[:1].lower()}{needed[1:]}"
        )
    # Given to Hydra, the method would be copied with all its weights.
    make = build({**node, "_partial_": True}, "editor")
    try:
        editor: Editor = make(method=run.method, **given)
    except (ValueError, TypeError) as error:
        raise UserError(f"editor={short_name(node)}: {first_line(error)}") from error
    return editor


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
