"""Where pictures attend to the words of their captions. See README.md beside this file.

python experiments/attention_maps/study.py outputs/glide_scenes/RUN
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench import api
from genbench.conditions.captions import Captions
from genbench.errors import UserError
from genbench.figures.charts import write_csv
from genbench.intervals import wilson
from genbench.medium import Images
from genbench.randomness import CHUNK, Noise
from genbench.text.scenes import COLOURS, DIGITS, Scene, parse

HERE = Path(__file__).parent
_NEAR = 80.0
"""The distance in RGB within which a pixel is of the background, as in the score `alignment`."""

Row = dict[str, Any]


def kinds_of(words: list[str], scene: Scene) -> dict[str, int]:
    """Return the place of each word that names something, by what it names."""
    thing, found = scene.things[0], {}
    for place, word in enumerate(words):
        if word in (*DIGITS, *map(str, range(10))):
            found["digit"] = place
        elif word == thing.colour:
            found["colour of the digit"] = place
        elif word == scene.background:
            found["colour of the background"] = place
        elif word in ("small", "large"):
            found["size"] = place
        elif word in ("background", "on", "against"):
            found.setdefault("background", place)
    return found


def box_of(picture: Tensor, background: str) -> Tensor | None:
    """Return which pixels are in the bounding box of all that is no background, bool (H, W); None if nothing is.

    Args:
        picture: uint8 (3, H, W).
        background: its colour by name.
    """
    ground = torch.tensor(COLOURS[background]).view(3, 1, 1)
    inked = (picture.float() - ground).square().sum(0).sqrt() > _NEAR
    if not inked.any():
        return None
    rows, columns = (inked.any(axis).nonzero().flatten() for axis in (1, 0))
    box = torch.zeros_like(inked)
    box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return box


def measure(path: Path, count: int, seed: int) -> list[Row]:
    """Return how often the maximum of a word's map lies on the digit, by what the word names."""
    run = api.open_run(path)
    method: Any = run.method
    captions, medium = method.condition, method.medium
    if not (isinstance(captions, Captions) and isinstance(medium, Images)):
        raise UserError(f"{path} is of a method that draws no images from captions")
    run.data.prepare_data()
    conditions = run.data.store("test").conditions
    assert conditions is not None
    texts = captions.describe(conditions[:])
    chosen = [row for row, text in enumerate(texts) if len(parse(text).things) == 1][:count]
    hits: dict[str, list[tuple[bool, float]]] = {}
    for number, part in enumerate(torch.tensor(chosen).split(CHUNK)):
        rows = captions.load(conditions[part])
        samples, maps = method.attention_maps(len(rows), rows, noise=Noise(seed, number))
        pictures = medium.store(samples).cpu()
        for picture, own, row, index in zip(pictures, maps.cpu(), rows, part.tolist(), strict=True):
            scene = parse(texts[index])
            assert scene.background is not None
            if (box := box_of(picture, scene.background)) is None:
                continue
            words = captions.words(row)
            for kind, place in kinds_of([word for word, _ in words], scene).items():
                heat = own[words[place][1]].mean(0)
                inside = bool(box.flatten()[heat.flatten().argmax()])
                hits.setdefault(kind, []).append((inside, float(box.float().mean())))
    rows_of_table = []
    for kind, found in hits.items():
        right = sum(inside for inside, _ in found)
        low, high = wilson(right, len(found))
        by_chance = sum(area for _, area in found) / len(found)
        rows_of_table.append(
            {
                "word": kind,
                "pictures": len(found),
                "maximum on the digit": round(right / len(found), 4),
                "from": round(low, 4),
                "to": round(high, 4),
                "area of the digit": round(by_chance, 4),
            }
        )
        print(rows_of_table[-1], flush=True)
    return rows_of_table


def main() -> None:
    """Draw samples with their maps and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of a method that draws scenes from captions")
    parser.add_argument("--count", type=int, default=512, help="held-out captions of one digit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_csv(measure(arguments.run, arguments.count, arguments.seed), arguments.out / "words.csv")
    print(arguments.out)


if __name__ == "__main__":
    main()
