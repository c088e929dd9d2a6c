"""The keys of each verb's configuration that are no groups, and their types: what Hydra checks."""

from dataclasses import dataclass, fields
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import ValidationError

from genbench.errors import UserError, first_line


@dataclass
class TrainSchema:
    """The keys of `train.yaml` that are no groups."""

    name: str = MISSING
    seed: int = MISSING
    steps: int = MISSING
    run: str | None = None
    init: str | None = None
    parts: Any = None
    output: str = MISSING
    sweep: str | None = None
    channels_last: bool = MISSING
    compile: bool = False
    tf32: bool = MISSING
    data: Any = MISSING
    network: Any = None
    method: Any = MISSING
    sampler: Any = None
    metrics: Any = MISSING
    trainer: Any = MISSING
    logger: Any = MISSING
    callbacks: Any = MISSING


@dataclass
class _DrawSchema:
    """The keys of what draws from a run, which `sample.yaml` and `edit.yaml` have in common."""

    run: str = MISSING
    checkpoint: str = MISSING
    count: int = MISSING
    seed: int = MISSING
    label: str | None = None
    attributes: str | None = None
    prompt: str | None = None
    prompts: str | None = None
    target: str | None = None
    condition: str | None = None
    sources: str | None = None
    device: str = MISSING
    out: str | None = None
    sampler: Any = None
    guidance: float | None = None
    truncation: float | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None


@dataclass
class SampleSchema(_DrawSchema):
    """The keys of `sample.yaml`."""

    back: bool = False


@dataclass
class EditSchema(_DrawSchema):
    """The keys of `edit.yaml`."""

    editor: Any = MISSING
    parts: Any = None
    images: str | None = None
    others: str | None = None
    driver: str | None = None
    mask: str | None = None


@dataclass
class EvaluateSchema:
    """The keys of `evaluate.yaml`."""

    run: str | None = None
    images: str | None = None
    images_reference: str | None = None
    against: str | None = None
    checkpoint: str = MISSING
    count: int | None = None
    seed: int | None = None
    split: str | None = None
    device: str = MISSING
    out: str | None = None
    data: Any = None
    metrics: Any = None
    sampler: Any = None
    guidance: float | None = None
    truncation: float | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    likelihood: int | None = None


@dataclass
class ClassifySchema:
    """The keys of `classify.yaml`."""

    run: str = MISSING
    checkpoint: str = MISSING
    images: str | None = None
    labels: Any = None
    template: Any = None
    captions: str | None = None
    split: str | None = None
    count: int | None = None
    device: str = MISSING
    data: Any = None
    out: str | None = None


@dataclass
class PrepareSchema:
    """The keys of `prepare.yaml`."""

    data: Any = MISSING
    split: str | None = None


@dataclass
class ReportSchema:
    """The keys of `report.yaml`."""

    runs: Any = MISSING
    out: str = MISSING


@dataclass
class DashboardSchema:
    """The keys of `dashboard.yaml`."""

    entity: str = MISSING
    project: str = MISSING
    out: str | None = None


@dataclass
class ImportSchema:
    """The keys of `import.yaml`; all other keys are of the experiment, and checked with it."""

    path: str = MISSING
    source: str | None = None
    experiment: str | None = None
    out: str | None = None
    licence: str | None = None
    seed: int = MISSING


@dataclass
class ExportSchema:
    """The keys of `export.yaml`."""

    run: str = MISSING
    to: str = MISSING
    path: str = MISSING
    checkpoint: str = MISSING
    licence: str | None = None


_SCHEMAS = {
    "train": TrainSchema,
    "sample": SampleSchema,
    "edit": EditSchema,
    "evaluate": EvaluateSchema,
    "classify": ClassifySchema,
    "prepare": PrepareSchema,
    "report": ReportSchema,
    "dashboard": DashboardSchema,
    "import": ImportSchema,
    "export": ExportSchema,
}


def register_schemas() -> None:
    """Make the schemas known to Hydra, by the names that the verbs' files use."""
    store = ConfigStore.instance()
    for verb, schema in _SCHEMAS.items():
        store.store(name=f"{verb}_schema", node=schema)


def as_first_key(verb: str, key: str, value: Any) -> Any:
    """Return a value of one of a verb's first keys, of its own kind.

    Raises:
        UserError: it is of another kind.
    """
    schema = OmegaConf.structured(_SCHEMAS[verb])
    try:
        OmegaConf.update(schema, key, value)
    except ValidationError as error:
        raise UserError(f"{key}={value}: {first_line(error)}") from error
    return schema[key]


def keys_of(verb: str) -> list[str]:
    """Return the first keys of a verb's configuration."""
    return [field.name for field in fields(_SCHEMAS[verb])]
