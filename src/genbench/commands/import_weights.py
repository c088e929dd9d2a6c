"""`import`: make a run folder of published weights, which is sampled, scored and edited like any other."""

import json
import math
import re
import secrets
from pathlib import Path
from typing import Any

from hydra.utils import get_object
from lightning import seed_everything
from omegaconf import DictConfig, OmegaConf
from torch import nn

from genbench.commands.assembly import build_data, build_method, parameters_by_network
from genbench.commands.endings import what_next
from genbench.commands.opening import named_parts
from genbench.commands.published_files import find_source, hashes
from genbench.config import as_words, check, options
from genbench.config.other_data import has_setting, left_out, other_data
from genbench.config.schemas import keys_of
from genbench.errors import UserError
from genbench.files import check_can_write, check_is_new, nearest_folder
from genbench.methods.base import Method
from genbench.published.source import Published, Weights
from genbench.runs.checkpoint_files import CheckpointFiles
from genbench.runs.folder import UNKNOWN, RunFolder, describe_session
from genbench.runs.part_files import Part, write_parts
from genbench.runs.trust import check_names

_SHOWN, _SHOWN_TEXT = 3, 60
"""Tensors that a message names, and characters of a text."""

_MOST, _MOST_BLOCKS = 100_000, 64
"""The largest number that a file may set, and the largest one of blocks, layers or parts of a list."""


def main(config: DictConfig, overrides: list[str]) -> None:
    """Read published files, fill the method of their experiment with them, and write its run folder.

    Raises:
        UserError: the files are not what they should be, or do not fit; nothing is left behind.
    """
    path = Path(config.path)
    folder = RunFolder(config.out or Path("outputs", "published", _name_of(path)).absolute())
    check_is_new(folder.path, "out")
    check_can_write(folder.path, "out")
    if not path.exists():
        raise UserError(f"path={path} is not there")
    name, published = find_source(config.source, path)
    experiment = config.experiment or published.experiment
    settings = _settings(experiment, published, [*_of_user(overrides), f"seed={config.seed}"])
    # Whatever a file led to: nothing is built that a saved configuration could not name.
    check_names(OmegaConf.to_container(settings, resolve=True), str(path))
    seed_everything(config.seed, verbose=False)
    data = build_data(settings)
    condition = UNKNOWN if published.condition is None else published.condition
    parts = named_parts(settings.parts or {}, get_object(settings.method["_target_"]))
    models = {part: each.model for part, each in parts.items()}
    method = build_method(settings, data, condition=condition, parts=models)
    loaded = fill(method, published, experiment)
    facts = {
        "source": name,
        "path": str(path),
        "sha256": hashes(path),
        "experiment": experiment,
        "licence": config.licence,
        "parameters": loaded,
        "not_in_file": [
            child for child in parameters_by_network(method) if not any(part.split(".")[0] == child for part in loaded)
        ],
    }
    kept = nearest_folder(folder.path)
    try:
        _write(folder, settings, method, published, facts, overrides, parts)
    except BaseException:
        folder.discard(kept)
        raise
    counts = ", ".join(f"{part} of {count:,} parameters" for part, count in loaded.items() if count)
    print(f"imported from {name}: {counts}")
    for note in published.notes:
        print(f"  {note}")
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
            "experiment=, or set what differs of its network=, such as a width or a number of layers"
        )
    infinite = [name for name, value in weights.items() if value.is_floating_point() and not value.isfinite().all()]
    if infinite:
        raise UserError(f"the file's {path} has values that are no finite numbers, in {', '.join(infinite[:_SHOWN])}")
    network.load_state_dict(dict(weights))


def _write(
    folder: RunFolder,
    settings: DictConfig,
    method: Method,
    published: Published,
    facts: dict[str, Any],
    words: list[str],
    parts: dict[str, Part],
) -> None:
    folder.path.mkdir(parents=True, exist_ok=True)
    write_parts(folder, parts)
    content = {"state_dict": method.state_dict(), "global_step": published.step}
    CheckpointFiles().save_checkpoint(content, folder.checkpoint_file)
    # A classifier's is no condition of the method, and needed to build it again.
    condition = getattr(method, "condition", UNKNOWN) if published.condition is None else published.condition
    if condition is not UNKNOWN:
        folder.write_condition(condition)
    folder.add_to_manifest(
        **describe_session(),
        id=secrets.token_hex(4),
        seed=settings.seed,
        imported=facts,
        **({"parts": {name: part.describe() for name, part in parts.items()}} if parts else {}),
        overrides=["import", *as_words(words)],
        steps=published.step,
        seconds=0.0,
    )
    # What makes it a run comes last.
    folder.create(settings)


def _name_of(path: Path) -> str:
    return re.sub(r"[^\w.-]", "_", path.name if path.is_dir() else path.stem) or "published"


def _settings(experiment: str, published: Published, of_user: list[str]) -> DictConfig:
    """Return the configuration of an experiment with a file's settings, and those of the user on top.

    Raises:
        UserError: something is misspelt, or the file is of another method than the experiment.
    """
    chosen = [f"experiment={experiment}"]
    of_file = _of_file(published, experiment, of_user)
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


def _of_file(published: Published, experiment: str, of_user: list[str]) -> list[str]:
    """Return the overrides that a file's own settings are, of which another data set takes those that it has."""
    settings, lines = dict(published.settings), []
    if data := other_data(experiment, of_user):
        # A method that resizes images takes them as large as they are.
        resizes = "method.image_size" in settings
        lines = left_out(experiment, data, of_user, ["tokenizer"] if resizes else None)
        settings = {
            key: value
            for key, value in settings.items()
            if not key.startswith("data.")
            or (has_setting(data, key.removeprefix("data.")) and not (resizes and key == "data.size"))
        }
    for key, value in settings.items():
        check_plain(key, value)
        lines.append(f"{key}={value}" if options(key) else f"++{key}={_literal(value)}")
    return lines


def check_plain(key: str, value: Any) -> None:
    """Check that what a file sets is a number, a truth value, a name, or a short list of these, none of them absurd.

    A file may come from anywhere: a text in it must not become a configuration, nor a number an endless loop.

    Raises:
        UserError: it is something else.
    """
    items = value if isinstance(value, list | tuple) else [value]
    most = _MOST_BLOCKS if key.endswith(("blocks", "layers")) else _MOST
    for item in items:
        is_name = isinstance(item, str) and re.fullmatch(r"[A-Za-z_][\w.]*", item)
        is_number = isinstance(item, int | float) and math.isfinite(item) and abs(item) <= most
        if not (item is None or is_name or is_number) or len(items) > _MOST_BLOCKS:
            shown = str(value)
            shown = shown if len(shown) <= _SHOWN_TEXT else f"{shown[:_SHOWN_TEXT]}..."
            raise UserError(f"the file sets {key}={shown!r}, which no published model has: it is damaged or hostile")


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_literal, value)) + "]"
    return json.dumps(value)


def _of_user(overrides: list[str]) -> list[str]:
    return [line for line in overrides if line.lstrip("+~").partition("=")[0] not in keys_of("import")]
