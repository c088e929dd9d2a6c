"""What scores were made under: which compare with each other, and how protocols differ, in a person's words."""

import json
import re
from collections.abc import Iterable
from typing import Any

from genbench.commands.run_records import RunRecord
from genbench.config.words import DRAWN_BY
from genbench.runs.score_file import Row

_OF_THE_METHOD = ("versions", "sampler", *DRAWN_BY, "conditions")
"""Parts of a protocol that say how a method drew, or on what, and leave the scale of a score as it is."""

_HASH = re.compile(r"^([\w.]+-)*[0-9a-f]{8,}$")
_WORDS = {
    "count": "{} samples",
    "seed": "samples of seed {}",
    "split": "conditions of the {} split",
    "reference": "real images of {}",
    "reference_split": "real images of the {} split",
    "reference_count": "{} real images",
    "extractor": "by the {}",
    "resize": "images resized {}",
    "is_splits": "Inception Score over {} parts",
    "kid_subsets": "KID over {} subsets",
    "kid_subset_size": "KID over subsets of {} images",
    "neighbours": "neighbourhoods of {} images",
    "halves": "{} random halves for standard errors",
    "likelihood": "likelihood: {}",
    "likelihood_count": "likelihood of {} images",
    "likelihood_split": "likelihood of images of the {} split",
    "likelihood_seed": "likelihood by noise of seed {}",
    "retrieval_candidates": "retrieval among {} captions",
    "zero_shot_count": "zero-shot accuracy of {}",
    "translation_count": "{} translations",
    "translation_split": "translations of the {} split",
    "translation_sources": "translations of {}",
    "reference_sha256": "a reference from a file of hash {}",
    "image_shape": "images of {} pixels",
}


def protocol_key(row: Row) -> str:
    """Return what two scores have in common if they compare."""
    return json.dumps(_comparable(row["protocol"]), sort_keys=True)


def by_protocol(runs: Iterable[RunRecord]) -> dict[str, list[tuple[RunRecord, Row]]]:
    """Return the scores of runs by what they compare under, the largest table first.

    Of a run that went on the newest stand there, and checkpoints that were kept along the way only if there is nothing
    else of the run.
    """
    found: dict[str, list[tuple[RunRecord, Row]]] = {}
    for run in runs:
        own: dict[str, dict[str, Row]] = {}
        for row in run.scores:
            own.setdefault(protocol_key(row), {}).setdefault(how_drawn(run, row), row)
        for key, rows in own.items():
            kept = [row for row in rows.values() if not str(row.get("checkpoint")).startswith("step_")]
            found.setdefault(key, []).extend((run, row) for row in kept or rows.values())
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def common_scores(runs: Iterable[RunRecord], name: str) -> list[tuple[RunRecord, dict[str, float]]]:
    """Return the scores of each run of its last checkpoint, under the one protocol by which most have `name`."""
    tables = [
        {run.path: (run, row["values"]) for run, row in reversed(members) if name in row["values"] and _is_plain(row)}
        for members in by_protocol(runs).values()
    ]
    return list(max(tables, key=len).values()) if tables else []


def how_drawn(run: RunRecord, row: Row) -> str:
    """Return in a few words how a row's samples were drawn, if not in the run's own way from its last weights."""
    words = []
    checkpoint = row.get("checkpoint")
    if checkpoint is not None and checkpoint != "last":
        words.append(str(checkpoint))
    protocol = row["protocol"]
    for key in DRAWN_BY:
        if protocol.get(key) is not None and protocol[key] != run.settings.get(f"method.{key}"):
            words.append(f"{key} {protocol[key]}")
    sampler = protocol.get("sampler")
    if isinstance(sampler, dict) and "_target_" in sampler:
        own = {key.removeprefix("sampler."): value for key, value in run.settings.items() if key.startswith("sampler.")}
        settings = {key: value for key, value in sampler.items() if not key.startswith("_")}
        name = str(sampler["_target_"]).rpartition(".")[2]
        if own and (settings != own or name != run.settings.get("sampler")):
            words.append(" ".join([name, *(f"{key} {value}" for key, value in settings.items() if value is not None)]))
    return ", ".join(words)


def protocol_title(facts: dict[str, Any], side: int | None = None) -> str:
    """Return a protocol as a table's heading, as far as it is known; `side` is that of the images in pixels."""
    pixels = f" at {side} pixels" if side else ""
    extractor = f", by the {facts['extractor']}" if facts.get("extractor") else ""
    if "count" not in facts and "likelihood_count" in facts:
        return f"{_number(facts['likelihood_count'])} held-out images{pixels}, without samples"
    if "count" not in facts and facts.keys() & {"zero_shot_count", "retrieval_candidates"}:
        return f"images and their texts{pixels}, without samples"
    return f"{_number(facts.get('count'))} samples{_reference_words(facts)}{pixels}{extractor}"


def _reference_words(facts: dict[str, Any]) -> str:
    """Return what samples are compared with by a protocol, " against ..." as far as it is known; "" for nothing."""
    split = facts.get("reference_split")
    if split == "statistics":
        return f" against the statistics of {facts.get('reference')}"
    if not facts.keys() & {"reference", "reference_count"}:
        return ""
    # Of a folder the one split is the whole.
    name = " ".join(str(part) for part in (facts.get("reference"), None if split == "all" else split) if part)
    return f" against {_number(facts.get('reference_count'))} images{f' of {name}' if name else ''}"


def protocol_difference(first: dict[str, Any], other: dict[str, Any]) -> str:
    """Return in words how a protocol differs from another one; what only a hash distinguishes is said without it."""
    return "; ".join(dict.fromkeys(_differences(_comparable(first), _comparable(other))))


def _comparable(protocol: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in protocol.items() if key not in _OF_THE_METHOD}


def _differences(first: dict[str, Any], other: dict[str, Any]) -> Iterable[str]:
    known = [key for key in _WORDS if key in first or key in other]
    for key in [*known, *sorted((first.keys() | other.keys()) - _WORDS.keys())]:
        before, now = first.get(key), other.get(key)
        if before == now:
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _differences(before, now)
        elif key == "extractor_sha256":
            if first.get("extractor") == other.get("extractor"):
                yield "other weights of the extractor"
        elif any(isinstance(value, str) and _HASH.match(value) for value in _leaves((before, now))):
            yield "real images that are not the same, or were prepared in another way"
        else:
            was, is_now = _said(before, key), _said(now, key)
            yield f"{_WORDS.get(key, key.replace('_', ' ') + ' {}').format(is_now)} rather than {was}"


def _leaves(value: Any) -> Iterable[Any]:
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


def _said(value: Any, key: str) -> str:
    if value is None:
        return "none"
    if key == "image_shape" and isinstance(value, list) and value:
        return str(value[-1])
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(part, name)}" for name, part in value.items())
    return _number(value) if key.endswith("count") else str(value)


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "an unknown number of"


def _is_plain(row: Row) -> bool:
    return row.get("checkpoint") in (None, "last")
