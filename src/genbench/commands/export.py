"""`export`: write a run for others to use, with a model card beside it."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from safetensors.torch import save_file

from genbench.commands.model_card import model_card
from genbench.commands.opening import open_part
from genbench.conditions.classes import Classes
from genbench.config import short_name
from genbench.errors import UserError, near
from genbench.files import check_can_write, check_is_new, nearest_folder, write_json
from genbench.methods.base import Method
from genbench.methods.denoising.ddpm import DDPM
from genbench.methods.denoising.improved_ddpm import ImprovedDDPM
from genbench.published.diffusers_names import NULL_CLASS
from genbench.published.to_diffusers import scheduler_of, to_diffusers
from genbench.runs.folder import RunFolder
from genbench.runs.part_files import Part, write_copy


def main(config: DictConfig) -> None:
    """Write a run in another form.

    Raises:
        UserError: the run does not do, the form can't hold it, or the place can't be written to.
    """
    if config.to not in _FORMS:
        raise UserError(f"to={config.to}: there is no such form{near(config.to, _FORMS)}")
    path, run = Path(config.path), RunFolder.open(config.run)
    check_is_new(path, "path")
    if path.resolve().is_relative_to(run.path.resolve()):
        raise UserError(f"path={path} lies within the run folder: choose another path=FOLDER")
    check_can_write(path, "path")
    weights = config.run if config.checkpoint == "last" else run.checkpoint(config.checkpoint)
    part = open_part("run", str(weights), Method)
    kept, folder = nearest_folder(path), RunFolder(path)
    try:
        _FORMS[config.to](folder, part)
        card = path / "README.md"
        card.write_text(model_card(run, part, config.to, config.licence))
    except OSError as error:
        folder.discard(kept)
        raise UserError(f"path={path} can't be written: {error.strerror}") from error
    except BaseException:
        folder.discard(kept)
        raise
    print(f"exported as {config.to}: {path}\nmodel card: {card}")


def _as_safetensors(folder: RunFolder, part: Part) -> None:
    write_copy(folder, part)
    if part.folder.scores_file.is_file():
        shutil.copyfile(part.folder.scores_file, folder.scores_file)


def _as_diffusers(folder: RunFolder, part: Part) -> None:
    method = part.model
    if type(method) not in (DDPM, ImprovedDDPM) or not isinstance(method.condition, Classes | None):
        raise UserError(
            f"to=diffusers: its pipelines hold DDPMs of images, unconditional or of classes, and {part.folder.path} is "
            f"of {short_name(part.settings.method)}"
        )
    settings: Any = OmegaConf.to_container(part.settings, resolve=True)
    config, weights = to_diffusers(method.average.module.state_dict(), settings)
    scheduler = scheduler_of(settings)
    for name in ("unet", "scheduler"):
        (folder.path / name).mkdir(parents=True)
    parts = {"unet": config, "scheduler": scheduler}
    kinds = {name: ["diffusers", part["_class_name"]] for name, part in parts.items()}
    pipeline: dict[str, Any] = {"_class_name": "DDPMPipeline", **kinds}
    if method.condition is not None:
        # diffusers leaves alone what begins so: of its classes the last one stands for none.
        pipeline[NULL_CLASS] = True
    write_json(pipeline, folder.path / "model_index.json")
    write_json(config, folder.path / "unet" / "config.json")
    write_json(scheduler, folder.path / "scheduler" / "scheduler_config.json")
    save_file(weights, folder.path / "unet" / "diffusion_pytorch_model.safetensors", {"format": "pt"})


_FORMS: Mapping[str, Callable[[RunFolder, Part], None]] = {"safetensors": _as_safetensors, "diffusers": _as_diffusers}
"""What a run can be exported as."""
