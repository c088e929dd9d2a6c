"""Read what W&B keeps of an offline run: a log of LevelDB's format, of W&B's own records."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

_BLOCK = 32768
_FULL, _LAST = 1, 4


@dataclass
class OfflineRun:
    """What one session of a run left."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    run: Any = None
    exit_code: int | None = None
    preempting: bool = False
    artifacts: list[str] = field(default_factory=list)


def read_offline_runs(folder: Path) -> list[OfflineRun]:
    """Return the sessions of a run folder, in the order in which they began.

    W&B writes in a process of its own, which on a busy machine may be late: the record of the end comes last.
    """
    end = time.monotonic() + 30
    while True:
        found = [read_offline_run(file) for file in sorted(folder.glob("wandb/offline-run-*/*.wandb"))]
        if all(run.exit_code is not None for run in found) or time.monotonic() > end:
            return found
        time.sleep(0.1)


def read_offline_run(file: Path) -> OfflineRun:
    found = OfflineRun()
    for data in _records(file.read_bytes()):
        record = Record.FromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "history":
            items = record.history.item
            found.rows.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
        elif kind == "summary":
            for item in record.summary.update:
                found.summary[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
        elif kind == "run":
            found.run = record.run
            for item in record.run.config.update:
                found.config[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
        elif kind == "metric":
            found.metrics[record.metric.name or record.metric.glob_name] = record.metric
        elif kind == "exit":
            found.exit_code = record.exit.exit_code
        elif kind == "preempting":
            found.preempting = True
        elif kind == "artifact":
            found.artifacts.append(record.artifact.type)
    return found


def _records(content: bytes) -> Iterator[bytes]:
    assert content[:4] == b":W&B"
    position, parts = 7, b""
    while position + 7 <= len(content):
        left = _BLOCK - position % _BLOCK
        if left < 7:
            position += left
            continue
        length = int.from_bytes(content[position + 4 : position + 6], "little")
        kind = content[position + 6]
        parts += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (_FULL, _LAST):
            yield parts
            parts = b""
