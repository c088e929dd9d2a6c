"""`import`: make a run folder of published weights, which is sampled, scored and edited like any other."""

import json
import re
import secrets
from pathlib import Path
from typing import Any

from lightning import seed_everything
from omegaconf import DictConfig
from torch import nn

from genbench.commands.assembly import build_data, build_method
from genbench.commands.endings import what_next
from genbench.commands.published_files import find_source, hashes
from genbench.config import as_words, check, options
from genbench.config.schemas import keys_of
from genbench.errors import UserError
from genbench.files import check_can_write, nearest_folder
from genbench.methods.base import Method
from genbench.published.source import Published, Weights
from genbench.runs.checkpoint_files import CheckpointFiles
from genbench.runs.folder import UNKNOWN, RunFolder, describe_session

_SHOWN = 3
"""Tensors that a message names."""


def main(config: DictConfig, overrides: list[str]) -> None:
    """Read published files, fill the method of their experiment with them, and write its run folder.

    Raises:
        UserError: the files are not what they should be, or do not fit; nothing is left behind.
    """
    path = Path(config.path)
    folder = RunFolder(config.out or Path("outputs", "published", _name_of(path)).absolute())
    if folder.path.exists() and (not folder.path.is_dir() or any(folder.path.iterdir())):
        raise UserError(f"out={folder.path} is there already: choose another out=FOLDER")
    check_can_write(folder.path, "out")
    if not path.exists():
        raise UserError(f"path={path} is not there")
    name, published = find_source(config.source, path)
    experiment = config.experiment or published.experiment
    settings = _settings(experiment, published, [*_of_user(overrides), f"seed={config.seed}"])
    seed_everything(config.seed, verbose=False)
    data = build_data(settings)
    condition = UNKNOWN if published.condition is None else published.condition
    method = build_method(settings, data, condition=condition)
    loaded = fill(method, published, experiment)
    facts = {
        "source": name,
        "path": str(path),
        "sha256": hashes(path),
        "experiment": experiment,
        "licence": config.licence,
        "parameters": loaded,
        "not_in_file": [
            child for child, _ in _networks(method) if not any(part.split(".")[0] == child for part in loaded)
        ],
    }
    kept = nearest_folder(folder.path)
    try:
        _write(folder, settings, method, published, facts, overrides)
    except BaseException:
        folder.discard(kept)
        raise
    counts = ", ".join(f"{part} of {count:,} parameters" for part, count in loaded.items())
    print(f"imported from {name}: {counts}")
    for child in facts["not_in_file"]:
        print(f"  not in the file, and as it was initialised: {child}")
    print(f"run folder: {folder.path}")
    what_next(folder, method)


def fill(method: Method, published: Published, experiment: str) -> dict[str, int]:
    """Load published weights into the networks of a method and their averages.

    Returns:
        How many parameters each network has, by its path.

    Raises:
        UserError: they do not fit.
    """
    paths = {network: name for name, network in method.named_modules()}
    for path, weights in published.weights.items():
        try:
            network = method.get_submodule(path)
        except AttributeError as error:
            raise UserError(f"experiment={experiment} has no {path}: the file is of another method") from error
        _load(network, weights, path, experiment)
        for averaged, average in method.averages:
            inner = path.removeprefix(paths[averaged])
            if path.startswith(paths[averaged]) and (not inner or inner.startswith(".")):
                copy = average.module.get_submodule(inner.removeprefix("."))
                _load(copy, published.averages.get(path, weights), path, experiment)
    return {path: sum(p.numel() for p in method.get_submodule(path).parameters()) for path in published.weights}


def _load(network: nn.Module, weights: Weights, path: str, experiment: str) -> None:
    own = network.state_dict()
    missing = [name for name in own if name not in weights]
    other = [name for name in weights if name not in own]
    shapes = [
        f"{name} {tuple(weights[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    kinds = (("lacks", missing), ("has besides", other), ("has of another shape", shapes))
    if any(names for _, names in kinds):
        said = "; ".join(f"{what} {len(names)}: {', '.join(names[:_SHOWN])}" for what, names in kinds if names)
        raise UserError(
            f"the file does not fit the {path} of experiment={experiment}, of whose tensors it {said}. Choose another "
            f"experiment=, or set what differs, such as network.{path}.width=N"
        )
    network.load_state_dict(dict(weights))


def _write(
    folder: RunFolder,
    settings: DictConfig,
    method: Method,
    published: Published,
    facts: dict[str, Any],
    words: list[str],
) -> None:
    folder.path.mkdir(parents=True, exist_ok=True)
    content = {"state_dict": method.state_dict(), "global_step": published.step}
    CheckpointFiles().save_checkpoint(content, folder.checkpoint_file)
    folder.write_condition(getattr(method, "condition", None))
    folder.add_to_manifest(
        **describe_session(),
        id=secrets.token_hex(4),
        seed=settings.seed,
        imported=facts,
        overrides=["import", *as_words(words)],
        steps=published.step,
        seconds=0.0,
    )
    # What makes it a run comes last.
    folder.create(settings)


def _networks(method: Method) -> list[tuple[str, nn.Module]]:
    averages = [average for _, average in method.averages]
    return [
        (name, child)
        for name, child in method.named_children()
        if child not in averages and any(True for _ in child.parameters())
    ]


def _name_of(path: Path) -> str:
    return re.sub(r"[^\w.-]", "_", path.name if path.is_dir() else path.stem) or "published"


def _settings(experiment: str, published: Published, of_user: list[str]) -> DictConfig:
    """Return the configuration of an experiment with a file's settings, and those of the user on top.

    Raises:
        UserError: something is misspelt, or the file is of another method than the experiment.
    """
    chosen = [f"experiment={experiment}"]
    of_file = _of_file(published)
    try:
        return check("train", [*chosen, *of_file, *of_user])
    except UserError as error:
        if experiment != published.experiment:
            check("train", chosen)
            raise UserError(
                f"experiment={experiment} does not go with the file, which is like experiment={published.experiment}: "
                f"{error}"
            ) from error
        raise


def _of_file(published: Published) -> list[str]:
    """Return the overrides that a file's own settings are."""
    lines = []
    for key, value in published.settings.items():
        written = json.dumps(value) if isinstance(value, str) and not options(key) else _literal(value)
        lines.append(f"{key}={written}" if options(key) else f"++{key}={written}")
    return lines


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_literal, value)) + "]"
    return str(value)


def _of_user(overrides: list[str]) -> list[str]:
    return [line for line in overrides if line.lstrip("+~").partition("=")[0] not in keys_of("import")]
