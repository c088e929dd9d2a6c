"""Bring run folders back to life: a run that is sampled or scored, and the parts that another one is built on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from genbench.abilities import in_words
from genbench.commands.assembly import build_data, build_method, choose_device
from genbench.config import check_kinds, short_name
from genbench.config.words import DRAWN_BY
from genbench.data.base import DataSet
from genbench.errors import UserError
from genbench.methods.base import GenerativeMethod, Method
from genbench.parts import freeze, parts_of
from genbench.runs.fingerprint import fingerprint
from genbench.runs.folder import RunFolder
from genbench.runs.part_files import Part, check_unchanged
from genbench.signatures import meanings_of, parameters_of

_PLACES = ("root", "prepared", "workers", "download")


class OpenRun(NamedTuple):
    """A run folder brought back to life; `file` is the checkpoint that its weights came from.

    Where `open_run` was given an ability that suffices, `method` may be one that draws nothing but has it.
    """

    folder: RunFolder
    settings: DictConfig
    data: DataSet
    method: GenerativeMethod
    step: int
    file: Path


def open_run(config: DictConfig, *, fills_in: bool = False, suffices: type | None = None) -> OpenRun:
    """Return the run that `config.run` names, with the weights of `config.checkpoint` on `config.device`.

    Args:
        config: of a verb that takes a run.
        fills_in: whether its sampler will be given images to fill in.
        suffices: an ability with which a run will do that draws nothing.

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
    for key in DRAWN_BY:
        if (asked := config.get(key)) is not None:
            if key not in (parameters_of(settings.method["_target_"]) or {}):
                raise UserError(f"{folder.path} is of a method that knows no {key}={asked}")
            settings.method[key] = asked
    check_kinds(settings)
    device = choose_device(config.device)
    revived = revive(folder, settings, config.checkpoint, fills_in=fills_in)
    method = revived.method
    if suffices is None or not isinstance(method, suffices):
        must_draw(folder, method)
    found = cast(GenerativeMethod, method.eval().to(device))
    return OpenRun(folder, settings, revived.data, found, revived.step, revived.file)


def must_draw(folder: RunFolder, method: Method) -> None:
    """Refuse a run whose method draws nothing.

    Raises:
        UserError: it is one.
    """
    if not isinstance(method, GenerativeMethod):
        raise UserError(f"{folder.path} is of a method that draws no samples")


class Revived(NamedTuple):
    """What a run folder holds, brought back to life."""

    data: DataSet
    method: Method
    step: int
    file: Path
    parts: dict[str, Part]


def revive(folder: RunFolder, settings: DictConfig, checkpoint: str, *, fills_in: bool = False) -> Revived:
    """Return the method of a run folder with its weights, on the CPU.

    Args:
        folder: of the run.
        settings: its configuration, in which some settings may have been changed.
        checkpoint: "last", "best" or a kept one.
        fills_in: see `build_method`.

    Raises:
        UserError: something in the folder does not do.
    """
    data = build_data(settings)
    data.recall(folder.read_data())
    parts = kept_parts(folder, settings)
    models = {name: part.model for name, part in parts.items()}
    method = build_method(settings, data, condition=folder.read_condition(), parts=models, fills_in=fills_in)
    path, content = folder.read_checkpoint(checkpoint)
    try:
        method.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise UserError(f"{path} does not fit {folder.config_file}: {error}") from error
    return Revived(data, method, int(content.get("global_step", 0)), path, parts)


def kept_parts(folder: RunFolder, settings: DictConfig) -> dict[str, Part]:
    """Return the parts of a run from the copies in its folder.

    Raises:
        UserError: one is missing, damaged or was exchanged.
    """
    found = {}
    for name, (ability, needed) in parts_of(get_object(settings.method["_target_"])).items():
        if needed or (folder.parts / name).exists():
            found[name] = open_part(f"parts.{name}", str(folder.part(name).path), ability)
            check_unchanged(folder, name, found[name])
    return found


def named_parts(named: Mapping[str, Any], kind: type) -> dict[str, Part]:
    """Return the parts that a command line names, `parts.NAME=RUN`.

    Args:
        named: the path of a run folder, or of one of its checkpoints, by the names of the parts.
        kind: the class that is built on them.

    Raises:
        UserError: one is missing, has no use, is no run, or lacks an ability.
    """
    known = parts_of(kind)
    what = short_name({"_target_": f"{kind.__module__}.{kind.__qualname__}"})
    for name in named:
        if name not in known:
            there = f"its parts are {', '.join(known)}" if known else "it is built on no other run"
            raise UserError(f"parts.{name}={named[name]} has no effect on {what}: {there}")
    meanings = meanings_of(f"{kind.__module__}.{kind.__qualname__}")
    for name, (_, needed) in known.items():
        if needed and named.get(name) is None:
            raise UserError(f"{what} is built on another run: give parts.{name}=RUN ({meanings.get(name, name)})")
    return {
        name: open_part(f"parts.{name}", str(path), known[name][0]) for name, path in named.items() if path is not None
    }


def open_part(name: str, path: str, ability: type) -> Part:
    """Return a run as a part: frozen, in evaluation mode.

    Args:
        name: the key that names it, for messages.
        path: of a run folder, or of one of its checkpoints.
        ability: a protocol that its method must have.

    Raises:
        UserError: it is no run, or lacks the ability.
    """
    folder, checkpoint = RunFolder.named(path, name)
    settings = folder.read_config()
    check_kinds(settings)
    _, model, step, _, parts = revive(folder, settings, checkpoint)
    if not isinstance(model, ability):
        raise UserError(f"{name}={path} is a run of {short_name(settings.method)}, which {_lacks(model, ability)}")
    nested = {f"parts/{inner}": part.sha256 for inner, part in parts.items()}
    sha256 = fingerprint(model.state_dict() | nested)
    freeze(model, sha256)
    condition = folder.read_condition()
    return Part(model, folder, settings, condition, step, checkpoint, sha256, parts)


def _lacks(model: Method, ability: type) -> str:
    wanted = [name for name in dir(ability) if not name.startswith("_")]
    wanted += [name for name in getattr(ability, "__annotations__", {}) if name not in wanted]
    missing = [name for name in wanted if not hasattr(model, name)]
    return f"lacks {in_words(ability)}" + (f": it has no {', '.join(missing)}" if missing else "")
