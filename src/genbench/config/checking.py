"""Check all that a command line asks for, before anything heavy is imported."""

import re

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from genbench.config.composing import compose_config
from genbench.config.effects import check_effects, check_given, check_keys, check_moved, check_scores
from genbench.config.folder import groups, options
from genbench.config.kinds import check_kinds
from genbench.config.reopening import reopen
from genbench.config.schemas import keys_of
from genbench.config.suits import chosen_groups
from genbench.errors import UserError, first_line
from genbench.metrics.scores import names_by
from genbench.runs.folder import RunFolder
from genbench.signatures import parameters_of

_EVALUATOR = "genbench.metrics.evaluator.Evaluator"


def check(verb: str, overrides: list[str], multirun: bool = False, complete: bool = True) -> DictConfig:
    """Compose what was asked for, check it and return it; of a sweep each value in its turn, and the first run.

    Args:
        verb: which.
        overrides: in Hydra's syntax.
        multirun: whether several values, `key=a,b`, are a sweep.
        complete: whether all that must be given is asked for.

    Raises:
        UserError: something is misspelt, of the wrong kind, out of range, of no effect or missing.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise UserError(f"can't be read as key=value: {first_line(error)}") from error
    for override in parsed:
        if not override.key_or_group:
            raise UserError(f"can't be read as key=value: {override.input_line!r} has no key")
    check_moved(verb, overrides)
    check_keys([override.key_or_group for override in parsed], multirun)
    _check_deleted(verb, parsed)
    if multirun and verb == "report":
        raise UserError("report makes one page of several runs: leave out -m and name them by runs=[A,B]")
    if multirun:
        return _check_sweep(verb, parsed, complete)
    for override in parsed:
        _check_single(override)
    return _check_one(verb, overrides, complete)


def _check_deleted(verb: str, parsed: list[Override]) -> None:
    for override in parsed:
        if override.is_delete() and override.key_or_group in (*keys_of(verb), "network", "method", "data", "trainer"):
            raise UserError(f"{override.input_line}: {verb} can't do without {override.key_or_group}")


def for_a_sweep(overrides: list[str]) -> list[str]:
    """Let `-m experiment=gan_mnist,vae_mnist data.root=DIR` pass, which `check` has found right for each run.

    Hydra first composes a sweep without what is swept, and there `data` may know no `root`.
    """
    return [f"++{override}" if re.match(r"(?!hydra\.)\w+\.[\w.]+=", override) else override for override in overrides]


def _check_sweep(verb: str, parsed: list[Override], complete: bool) -> DictConfig:
    # The first value of each sweep together, then every other value by itself: as many as there are values, not
    # as many as there are runs.
    swept = [_values(override) if override.is_sweep_override() else [] for override in parsed]
    # Hydra's own settings are of the sweep, not of its runs.
    runs = [index for index, override in enumerate(parsed) if not override.key_or_group.startswith("hydra")]
    first = [
        f"{parsed[index].get_key_element()}={swept[index][0]}" if swept[index] else str(parsed[index].input_line)
        for index in runs
    ]
    config = _check_one(verb, first, complete)
    for place, index in enumerate(runs):
        for value in swept[index][1:]:
            line = f"{parsed[index].get_key_element()}={value}"
            _check_one(verb, [*first[:place], line, *first[place + 1 :]], complete)
    return config


def _values(override: Override) -> list[str]:
    """Return the values of a sweep; of an interval, which a search draws from, its ends."""
    value = override.value()
    if isinstance(value, IntervalSweep):
        return [str(value.start), str(value.end)]
    return list(override.sweep_string_iterator())


def _check_single(override: Override) -> None:
    if override.is_sweep_override():
        raise UserError(f"{override.input_line} names several values: add -m to run one after the other")
    if override.key_or_group in groups() and override.value() is None and not override.is_delete():
        known = ", ".join(options(override.key_or_group))
        raise UserError(f"{override.input_line} names no file of conf/{override.key_or_group}: choose {known}")


def _check_one(verb: str, overrides: list[str], complete: bool) -> DictConfig:
    if verb == "train" and any(re.match(r"\+*run=(?!null$)", line) for line in overrides):
        return reopen(overrides)
    if verb == "import":
        overrides, experiment = _apart_from_its_experiment(overrides)
    try:
        config = compose_config(verb, _for_its_own_data(verb, overrides))
        check_given(config)
        check_kinds(config)
    except UserError as error:
        raise _explained(error, overrides) from error
    try:
        missing = sorted(OmegaConf.missing_keys(config))
    except OmegaConfBaseException as error:
        raise UserError(first_line(error)) from error
    if missing and complete:
        raise UserError(f"{verb} needs {', '.join(f'{key}=...' for key in missing)}")
    if verb == "import":
        config.experiment = experiment
    check_effects(config, keys_of(verb), [line.partition("=")[0].lstrip("+") for line in overrides])
    for key in ("run", "against"):
        if config.get(key):
            RunFolder.open(config[key])
    if verb == "evaluate" and config.get("run"):
        _check_own_metrics(config)
    return config


def _apart_from_its_experiment(overrides: list[str]) -> tuple[list[str], str | None]:
    """Return the overrides of `import` itself, and the experiment that is chosen, if one is.

    All others are of that experiment, and checked with it. Hydra would take `experiment=` for a group of this verb.
    """
    parsed = OverridesParser.create().parse_overrides(overrides)
    own = [override for override in parsed if override.key_or_group in keys_of("import")]
    chosen = next((override.value() for override in own if override.key_or_group == "experiment"), None)
    lines = [str(override.input_line) for override in own if override.key_or_group != "experiment"]
    return lines, None if chosen is None else str(chosen)


def _check_own_metrics(config: DictConfig) -> None:
    """Check what is set of a run's own scores, which this verb's configuration knows nothing of."""
    metrics = RunFolder.open(config.run).read_config().get("metrics")
    if metrics is not None and config.metrics is not None and "_target_" not in config.metrics:
        merged = OmegaConf.merge(metrics, config.metrics)
        assert isinstance(merged, DictConfig)
        check_kinds(merged, "metrics")
        check_scores(merged, {f"metrics.{key}" for key in config.metrics}, names_by("always"))


def _explained(error: UserError, overrides: list[str]) -> UserError:
    """Say of a setting that an experiment has for another method or data set that it is the experiment's."""
    chosen = chosen_groups(overrides)
    key = re.search(r"\b(data|network|method|sampler|metrics)\.[\w.]+", str(error))
    others = [group for group in ("method", "data", "network") if group in chosen]
    if "experiment" not in chosen or not others or key is None or any(key[0] in line for line in overrides):
        return error
    besides = " and ".join(f"{group}={chosen[group]}" for group in others)
    return UserError(
        f"experiment={chosen['experiment']} does not go with {besides}: {error}. Leave out experiment= or "
        f"{' and '.join(f'{group}=' for group in others)}"
    )


def _for_its_own_data(verb: str, overrides: list[str]) -> list[str]:
    """Let settings pass that the chosen files of `conf/` do not hold.

    `evaluate run=FOLDER data.root=DIR`: the run's data set and metrics may have other keys than ours. A setting of
    `metrics` that the evaluator has may be missing in its file, and of given images all scores are chosen.
    """
    chosen = {override.partition("=")[0] for override in overrides}
    of_evaluator = tuple(f"metrics.{name}=" for name in parameters_of(_EVALUATOR) or {})
    if verb != "evaluate" or "run" not in chosen:
        if verb == "evaluate" and "metrics" not in chosen and any(line.startswith("metrics.") for line in overrides):
            overrides = ["metrics=full", *overrides]
        return [f"++{line}" if line.startswith(of_evaluator) else line for line in overrides]
    its_own = (*(f"{group}." for group in ("data", "metrics") if group not in chosen), *of_evaluator)
    return [f"++{override}" if override.startswith(its_own) else override for override in overrides]
