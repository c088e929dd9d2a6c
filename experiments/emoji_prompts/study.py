"""What a model of emoji draws of prompts, and what a CLIP that it never saw says of it. See README.md beside this file.

python experiments/emoji_prompts/study.py outputs/glide_emoji/RUN --clip outputs/clip_emoji/RUN
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from genbench import api
from genbench.abilities import EmbedsTexts
from genbench.errors import UserError
from genbench.figures.captions import with_captions
from genbench.figures.charts import write_csv
from genbench.figures.grid import make_grid
from genbench.files import read_lines
from genbench.images import save_image, to_float
from genbench.randomness import CHUNK, Noise

HERE = Path(__file__).parent
KINDS = {"train": "trained on", "test": "held out"}
SHOWN, COLUMNS = 2, 8

Row = dict[str, Any]


def names_of(run: Any, split: str) -> dict[str, int]:
    """Return the first image of each first caption of a split."""
    store, captions = run.data.store(split), run.method.condition
    return {text: row for row, text in reversed([*enumerate(captions.describe(store.conditions[:, 0]))])}


def embed(clip: Any, images: Tensor, texts: list[str]) -> tuple[Tensor, Tensor]:
    """Return the directions of uint8 images (N, 3, S, S) and of texts in a CLIP."""
    with torch.no_grad():
        seen = normalize(clip.embed_images(to_float(images)), dim=1)
        return seen, normalize(clip.embed_texts(clip.condition.encode(texts)), dim=1)


def measure(path: Path, clip: Any, prompts: list[str], count: int) -> tuple[list[Row], Tensor]:
    """Return the scores of each prompt's pictures, and the pictures (P, count, 3, S, S)."""
    run: Any = api.open_run(path)
    run.data.prepare_data()
    known = {split: names_of(run, split) for split in KINDS}
    captions, method = run.method.condition, run.method
    asked = captions.encode(prompts).repeat_interleave(count, 0)
    drawn = [method.sample(len(part), part, noise=Noise(0, chunk)) for chunk, part in enumerate(asked.split(CHUNK))]
    pictures = method.medium.store(torch.cat(drawn)).cpu().unflatten(0, (len(prompts), count))
    images, texts = embed(clip, pictures.flatten(0, 1), prompts)
    # Of each picture with each prompt, 100 times the cosine.
    scores = (100 * images @ texts.T).view(len(prompts), count, len(prompts))
    rows = []
    for number, prompt in enumerate(prompts):
        text = captions.describe(captions.encode([prompt]))[0]
        split = next((each for each in KINDS if text in known[each]), None)
        real = None
        if split is not None:
            image = run.data.store(split).samples[torch.tensor([known[split][text]])]
            seen, own = embed(clip, image, [prompt])
            real = round(100 * float(seen @ own.T), 1)
        others = [other for other in range(len(prompts)) if other != number]
        own_scores = scores[number, :, number]
        rows.append(
            {
                "prompt": prompt,
                "emoji": "none" if split is None else KINDS[split],
                "clip_score": round(float(own_scores.mean()), 1),
                "with the other prompts": round(float(scores[number][:, others].mean()), 1),
                "its own prompt first": int((scores[number].argmax(1) == number).sum()),
                "pictures": count,
                "of the real emoji": real,
            }
        )
        print(rows[-1], flush=True)
    return rows, pictures


def main() -> None:
    """Draw, measure, and write the table and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of a method that draws emoji from their names")
    parser.add_argument("--clip", type=Path, required=True, help="run folder of a CLIP that the method never saw")
    parser.add_argument("--prompts", type=Path, default=HERE / "prompts.txt", help="a prompt a line")
    parser.add_argument("--count", type=int, default=8, help="pictures of each prompt, the first of which are shown")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    clip = api.open_run(arguments.clip).method
    if not isinstance(clip, EmbedsTexts):
        raise UserError(f"{arguments.clip} embeds no images and texts in one space")
    prompts = [line.strip() for line in read_lines(arguments.prompts) if line.strip()]
    rows, pictures = measure(arguments.run, clip, prompts, arguments.count)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_csv(rows, arguments.out / "prompts.csv")
    shown = pictures[:, :SHOWN]
    captions = [prompt for prompt, own in zip(prompts, shown, strict=True) for _ in own]
    save_image(make_grid(with_captions(shown.flatten(0, 1), captions), COLUMNS), arguments.out / "prompts.png")
    print(arguments.out)


if __name__ == "__main__":
    main()
