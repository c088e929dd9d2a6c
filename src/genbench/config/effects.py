"""What would be accepted and do nothing: it is refused, with what has the effect instead."""

import re
from collections.abc import Container, Iterable
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from genbench.config.paths import inside
from genbench.config.trainer import check_argument
from genbench.errors import UserError, near
from genbench.metrics.extractors import check_extractor
from genbench.metrics.extractors import names as extractor_files
from genbench.metrics.scores import figures_of, names_by, settings_of, target_of
from genbench.metrics.scores import names as score_files
from genbench.score_names import Better, announce, plain_score

FACTS = ("medium", "condition", "image_shape")
"""What a method is given of every data set, and can't be given otherwise."""

_OF_METHODS = (
    "shape",
    "small_shape",
    "output_shape",
    "with_realness",
    "latent_dim",
    "outputs",
    "moments",
    "quantiser",
    "style_dim",
    "inputs",
    "condition_dim",
    "domains",
)

_GIVEN = (
    (r"method", FACTS, "follows from the data"),
    (r"method", ("space",), "follows from the method"),
    (r"network\.\w+", (*FACTS, *_OF_METHODS), "is given to the network by the method"),
    (r"editor", ("method",), "is the method of the run"),
    (r"sampler", ("denoise", "process", "x", "draw"), "is given to the sampler by the method"),
    (r"method\.\w*optimizer", ("params",), "is given to the optimizer by the method"),
    (r"logger\.\w+", ("save_dir", "id"), "follows from the run folder"),
)
"""Nodes, as a pattern of their keys, what is given to what they build, and by whom."""

INPAINTING = "python -m genbench edit editor=inpaint run=FOLDER mask=center"
"""How images are filled in."""

_MOVED = {
    ("sample", "mask"): "images are filled in by",
    ("sample", "sampler=repaint"): "it fills in images, by",
    ("evaluate", "sampler=repaint"): "it fills in images, by",
    ("train", "sampler=repaint"): "it fills in images, by",
}
"""Verbs with a key, or a key and its value, that `edit editor=inpaint` has taken over."""

_OF_SWEEPS = ("hydra.sweep.dir", "hydra.launcher.", "hydra.sweeper.", "hydra/launcher", "hydra/sweeper")


def check_keys(keys: Iterable[str], multirun: bool) -> None:
    """Check that what was set on a command line can have an effect, whatever the rest of the configuration is.

    Args:
        keys: of the overrides, without `+` and `~`.
        multirun: whether `-m` was given.

    Raises:
        UserError: one has none.
    """
    for key in keys:
        if key.startswith(("hydra.", "hydra/")):
            if not key.startswith(_OF_SWEEPS):
                raise UserError(f"{key} has no effect here: run folders are made in output=DIR, and Hydra keeps none")
            if not multirun:
                raise UserError(f"{key} has an effect with -m alone, as in: python -m genbench -m {key}=... seed=0,1")
        if key.startswith("trainer."):
            check_argument(key.partition(".")[2])


def check_moved(verb: str, overrides: Iterable[str]) -> None:
    """Check that nothing is asked of a verb that another one does.

    Args:
        verb: which.
        overrides: in Hydra's syntax.

    Raises:
        UserError: something is; the message says how it is asked for.
    """
    for line in overrides:
        words = line.lstrip("+~")
        said = _MOVED.get((verb, words)) or _MOVED.get((verb, words.partition("=")[0]))
        if said is not None:
            raise UserError(f"{words}: {said} {INPAINTING}")


def check_effects(config: DictConfig, known: Iterable[str], keys: Iterable[str]) -> None:
    """Check that nothing in a composed configuration is ignored or overruled, and that names stay below `output`.

    Args:
        config: of any verb.
        known: the first keys that the verb has.
        keys: what was set on the command line.

    Raises:
        UserError: something has no effect, or a name leads out.
    """
    known = list(known)
    for key in map(str, config):
        if key not in known:
            raise UserError(f"there is no key {key!r}{near(key, known)}")
    for key in ("name", "sweep"):
        name = config.get(key) if not OmegaConf.is_missing(config, key) else None
        if name is not None and "output" in config and not inside(name):
            raise UserError(f"{key}={name} leads out of output={config.output}: it must name a folder in it")
    for group in ("network", "callbacks", "logger"):
        check_parts(config, group)
    keys = set(keys)
    if "callbacks.checkpoints.monitor" in keys:
        _check_monitor(config, "callbacks.checkpoints.monitor")
    _check_early_stopping(config, keys)
    metrics = config.get("metrics")
    idle = sorted(key for key in keys if key.startswith("metrics."))
    if idle and "method" in known and not (isinstance(metrics, DictConfig) and "_target_" in metrics):
        raise UserError(f"{idle[0]} has no effect: metrics=none computes no scores")
    if isinstance(metrics, DictConfig) and "_target_" in metrics:
        check_scores(metrics, keys)


def check_scores(metrics: DictConfig, keys: Container[str], added: Iterable[str] = ()) -> None:
    """Check that an evaluator's scores and extractor are there, and that its settings are of a score that is requested.

    Args:
        metrics: the evaluator's node.
        keys: what was set, `metrics.kid_subsets`.
        added: scores that are computed besides those that are requested.

    Raises:
        UserError: one is not.
    """
    scores = metrics.get("scores")
    for entry in scores or ():
        target_of(entry)
    if isinstance(metrics.get("extractor"), str):
        check_extractor(metrics.extractor)
    owners: dict[str, list[str]] = {}
    for score in score_files():
        for setting in settings_of(score):
            owners.setdefault(setting, []).append(score)
    for name, of in owners.items():
        # The count of the likelihood asks for its score by itself.
        if name == "likelihood" or f"metrics.{name}" not in keys or scores is None:
            continue
        if not {*of} & {*added, *(entry for entry in scores if isinstance(entry, str))}:
            raise UserError(
                f"metrics.{name} has no effect: it is of {' and '.join(of)}, and metrics.scores={list(scores)} asks "
                "for others"
            )
    if "metrics.weights" in keys and metrics.get("extractor") == "digits" and metrics.get("weights") is not None:
        raise UserError("metrics.weights has no effect with metrics.extractor=digits, whose weights come with GenBench")


def check_given(config: Any, path: str = "") -> None:
    """Check that nothing is set of what is given to a class by what builds it.

    Raises:
        UserError: something is.
    """
    if isinstance(config, ListConfig) or not isinstance(config, DictConfig) or config._is_none():
        return
    for pattern, names, by in _GIVEN:
        if re.fullmatch(pattern, path):
            for name in names:
                if name in config:
                    raise UserError(f"{path}.{name} {by}: leave it out")
    for key in map(str, config):
        node = config._get_node(key)
        if isinstance(node, DictConfig) and not node._is_interpolation() and not node._is_missing():
            check_given(node, f"{path}.{key}" if path else key)


def check_parts(config: DictConfig, group: str) -> None:
    """Check that each part of a group is something that can be built, and of a network that the method builds it.

    Raises:
        UserError: one is not.
    """
    for name in config.get(group) or {}:
        part = config[group][name]
        if part is not None and not (isinstance(part, DictConfig) and "_target_" in part):
            raise UserError(f"{group}.{name}={part} has no effect: it is nothing that can be built, by a _target_")
        used = [str(config.method._get_node(key)._value()) for key in config.method] if group == "network" else None
        if used is not None and f"${{network.{name}}}" not in used:
            raise UserError(f"network.{name} has no effect: the method {config.method._target_} builds no {name}")


def _check_early_stopping(config: DictConfig, keys: Iterable[str]) -> None:
    path = "callbacks.early_stopping"
    stopping = OmegaConf.select(config, path)
    if stopping is None:
        return
    if stopping.get("patience") is not None:
        return _check_monitor(config, f"{path}.monitor")
    idle = sorted(key for key in keys if key.startswith(f"{path}.") and key != f"{path}.patience")
    if idle:
        raise UserError(f"{idle[0]} has no effect without {path}.patience=N, after how many scores to stop")


def _check_monitor(config: DictConfig, key: str) -> None:
    monitor = str(OmegaConf.select(config, key))
    if not any("evaluator" in node for node in config.callbacks.values() if node is not None):
        raise UserError(f"{key}={monitor} never comes: callbacks.scores=null computes no scores")
    known = _figures(config.metrics)
    # Those of a plug-in are in no file of ours.
    announce(known)
    name = monitor.removeprefix("score/")
    plain = plain_score(name)
    # Of an extractor that it names, it must be the run's own.
    extractor, suffix = str(config.metrics.extractor) if known else "", name[len(plain) :]
    comes = not suffix or extractor not in extractor_files() or suffix.startswith(f"_{extractor}")
    if monitor.startswith("score/") and comes and known.get(plain) is not None:
        return
    choices = ", ".join(f"score/{figure}" for figure, end in known.items() if end is not None)
    if not choices:
        raise UserError(f"{key}={monitor} never comes: metrics=none makes no scores")
    raise UserError(f"{key}={monitor} never comes in this run: choose one of {choices}")


def _figures(metrics: Any) -> dict[str, Better]:
    """Return the figures that an evaluator computes, and which end of each is better."""
    if not isinstance(metrics, DictConfig) or "_target_" not in metrics:
        return {}
    scores = metrics.get("scores")
    entries = [*(names_by("default") if scores is None else scores)]
    entries += ["bits_per_dim"] if metrics.get("likelihood") is not None else []
    return {figure: end for entry in entries for figure, end in figures_of(entry).items()}
