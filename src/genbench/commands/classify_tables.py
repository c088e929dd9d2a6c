"""What `classify` finds, as CSV files, as scores, and as tables on the terminal."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from genbench.commands.classify_folder import PredictionFiles
from genbench.commands.classify_inputs import Images
from genbench.figures.charts import write_csv
from genbench.figures.zero_shot import LARGEST
from genbench.files import write_json
from genbench.intervals import wilson
from genbench.retrieval import AT, ranks, recall, same_text

_PRINTED = 20
"""Rows of a table on the terminal."""

_WIDEST = 40
"""Characters of a name or a text on the terminal."""


def write_predictions(files: PredictionFiles, images: Images, labels: Sequence[str], probabilities: Tensor) -> None:
    """Write and print the most likely labels of each image, and the accuracy where the classes are known.

    Args:
        files: where to.
        images: N of them.
        labels: K of them.
        probabilities: (N, K).
    """
    truth = [None] * len(images.names) if images.truth is None else images.truth.tolist()
    rows = [
        {"image": name, **({} if right is None else {"class": labels[right]}), **best}
        for name, right, best in zip(
            images.names, truth, _best(probabilities, labels, "label", "probability"), strict=True
        )
    ]
    write_csv(rows, files.predictions)
    if images.truth is None:
        _print([[row["image"], row["label_1"], f"{float(row['probability_1']):.1%}"] for row in rows])
    else:
        _write_accuracy(files, labels, probabilities.argmax(1) == images.truth, images.truth)


def _write_accuracy(files: PredictionFiles, labels: Sequence[str], right: Tensor, truth: Tensor) -> None:
    by_class = []
    for number, label in enumerate(labels):
        own = right[truth == number]
        if len(own):
            low, high = wilson(int(own.sum()), len(own))
            by_class.append(
                {"class": label, "images": len(own), "accuracy": float(own.float().mean()), "low": low, "high": high}
            )
    write_csv(by_class, files.by_class)
    low, high = wilson(int(right.sum()), len(right))
    accuracy = float(right.float().mean())
    write_json(
        {"accuracy": accuracy, "interval": [low, high], "images": len(right), "chance": 1 / len(labels)}, files.scores
    )
    _print(
        [[str(row["class"]), f"{row['accuracy']:.1%}", f"{row['low']:.1%} to {row['high']:.1%}"] for row in by_class]
    )
    print(
        f"zero-shot accuracy {accuracy:.1%} ({low:.1%} to {high:.1%} at 95 %) of {len(right):,} images; by chance "
        f"{1 / len(labels):.1%}"
    )


def write_retrieval(files: PredictionFiles, images: Images, captions: Sequence[str], similarities: Tensor) -> None:
    """Write and print the nearest caption of each image and the reverse, and recall where there are as many of each.

    Args:
        files: where to.
        images: N of them.
        captions: M of them.
        similarities: cosines (N, M).
    """
    is_paired = len(images.names) == len(captions)
    matches = same_text(captions) if is_paired else None
    for file, what, other, names, found, cosines in (
        (files.predictions, "image", "caption", images.names, captions, similarities),
        (files.captions, "caption", "image", captions, images.names, similarities.T),
    ):
        own: list[dict[str, Any]] = [{}] * len(names) if matches is None else _ranks(cosines, matches, other)
        best = _best(cosines, found, other, "cosine")
        rows: list[dict[str, Any]] = [
            {what: name, **rank, **nearest} for name, rank, nearest in zip(names, own, best, strict=True)
        ]
        write_csv(rows, file)
        if what == "image":
            _print([[row["image"], row["caption_1"], f"{float(row['cosine_1']):.3f}"] for row in rows])
    if matches is None:
        print(
            f"no recall: {len(images.names):,} images and {len(captions):,} captions are no pairs, line i with image i"
        )
        return
    directions = {"image_to_text": ranks(similarities, matches), "text_to_image": ranks(similarities.T, matches)}
    scores = {name: {f"recall_at_{at}": recall(found, at) for at in AT} for name, found in directions.items()}
    write_json({**scores, "pairs": len(captions), "different_captions": len(set(captions))}, files.scores)
    for name, recalls in scores.items():
        said = ", ".join(f"{value:.1%} at {key.rpartition('_')[2]}" for key, value in recalls.items())
        print(f"{name.replace('_', ' ')}: recall {said}, among {len(captions):,}")


def _best(values: Tensor, texts: Sequence[str], kind: str, measure: str) -> list[dict[str, str]]:
    """Return for each row of values (N, K) the texts of the largest, and these: label_1, probability_1 and so on."""
    largest, places = values.topk(min(LARGEST, len(texts)))
    return [
        {
            key: text
            for number, (value, place) in enumerate(zip(own, found, strict=True), start=1)
            for key, text in ((f"{kind}_{number}", texts[place]), (f"{measure}_{number}", f"{value:.6f}"))
        }
        for own, found in zip(largest.tolist(), places.tolist(), strict=True)
    ]


def _ranks(cosines: Tensor, matches: Tensor, other: str) -> list[dict[str, Any]]:
    return [{f"rank_of_own_{other}": rank + 1} for rank in ranks(cosines, matches).tolist()]


def _print(rows: Sequence[Sequence[str]]) -> None:
    """Print the first rows of a table, in aligned columns."""
    shown = [[each if len(each) <= _WIDEST else f"{each[: _WIDEST - 3]}..." for each in row] for row in rows[:_PRINTED]]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        print("  ".join(each.ljust(width) for each, width in zip(row, widths, strict=True)).rstrip())
    if len(rows) > _PRINTED:
        print(f"... and {len(rows) - _PRINTED:,} more in the CSV file")
