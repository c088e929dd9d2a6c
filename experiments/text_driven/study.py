"""Every way from a caption to a picture in one table, by one protocol. See README.md beside this file.

python experiments/text_driven/study.py RUN ... --clip CLIP_RUN --features CLIP_RUN
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from genbench import api
from genbench.commands.opening import OpenRun
from genbench.commands.run_records import find_runs
from genbench.conditions.captions import Captions
from genbench.config import short_name
from genbench.data.scenes import Scenes
from genbench.editing.base import Editor, Inputs
from genbench.editing.clip_guided_diffusion import ClipGuidedDiffusion
from genbench.editing.vqgan_clip import VqganClip
from genbench.errors import UserError
from genbench.figures.charts import write_csv
from genbench.figures.grid import make_grid
from genbench.images import save_image, to_float
from genbench.methods.autoencoding.vqgan import VQGAN
from genbench.metrics.extractors.digits import load_digit_classifier
from genbench.metrics.frechet import frechet_distance_of_features
from genbench.metrics.scene_reading import read_scenes
from genbench.metrics.score import binomial_std
from genbench.metrics.scores.alignment import compare
from genbench.parts import freeze
from genbench.randomness import CHUNK, Noise
from genbench.runs.folder import RunFolder
from genbench.text.scenes import Scene, caption

HERE = Path(__file__).parent
SPLITS = {"test": "held out", "unseen": "unseen pairs"}
SHOWN = 8
REPEATED, REPEATS = 16, 8
"""Captions by which diversity is measured, and pictures of each."""

Draw = Callable[[Sequence[str], int], Tensor]
"""Returns pictures uint8 (N, 3, S, S) of N captions, by a seed."""


class Way(NamedTuple):
    """A way from captions to pictures.

    Attributes:
        name: of it.
        draw: draws.
        seconds: of training all that it is made of; None if unknown.
        run: that it is of.
    """

    name: str
    draw: Draw
    seconds: float | None
    run: OpenRun


def ways(paths: Sequence[Path], arguments: argparse.Namespace) -> Iterator[Way]:
    """Yield all ways: runs that are conditioned on captions, and others that a CLIP leads.

    Raises:
        UserError: a run is of neither kind.
    """
    for path in paths:
        run = api.open_run(path)
        method: Any = run.method
        if isinstance(method, VQGAN):
            editor: Editor = VqganClip(method, clip_of(arguments.clip), steps=arguments.steps)
            yield Way("vqgan_clip", by_editor(editor), trained(path) + trained(arguments.clip), run)
        elif isinstance(method.condition, Captions):
            yield Way(short_name(run.settings.method), by_itself(method), trained(path), run)
        elif method.condition is None and hasattr(method, "sample_led"):
            editor = ClipGuidedDiffusion(method, clip_of(arguments.clip), scale=arguments.scale)
            yield Way("clip_guided_diffusion", by_editor(editor), trained(path) + trained(arguments.clip), run)
        else:
            raise UserError(f"{path} is not conditioned on captions, and no vqgan or unconditional diffusion model")


def clip_of(path: Path) -> Any:
    """Return the CLIP that leads, frozen."""
    method = api.open_run(path).method
    freeze(method)
    return method


def trained(path: Path) -> float:
    """Return the seconds in which a run and all its parts were trained; nan if one of them is not known."""
    folder = RunFolder.open(path)
    seconds = folder.read_manifest().get("seconds")
    own = 0.0 if folder.read_config().steps == 0 else float("nan") if seconds is None else float(seconds)
    parts = sorted(folder.parts.iterdir()) if folder.parts.is_dir() else []
    return own + sum(trained(part) for part in parts)


def by_itself(method: Any) -> Draw:
    """Return what draws by a method that is conditioned on captions."""

    def draw(texts: Sequence[str], seed: int) -> Tensor:
        rows = method.condition.encode(texts)
        parts = [
            method.sample(len(part), part, noise=Noise(seed, number)) for number, part in enumerate(rows.split(CHUNK))
        ]
        return torch.cat([method.medium.store(each).cpu() for each in parts])

    return draw


def by_editor(editor: Editor) -> Draw:
    """Return what draws by an editor that follows texts."""

    def draw(texts: Sequence[str], seed: int) -> Tensor:
        found = []
        for number, first in enumerate(range(0, len(texts), editor.chunk)):
            part = list(texts[first : first + editor.chunk])
            # Always as many at a time, as the verb `edit` makes them.
            whole = part + part[-1:] * (editor.chunk - len(part))
            result = editor.edit(Inputs(len(whole), texts=whole), noise=Noise(seed, number))
            found.append(result.pictures[: len(part)].cpu())
        return torch.cat(found)

    return draw


def scenes_of(run: OpenRun, split: str, count: int) -> tuple[Tensor, list[Scene]]:
    """Return the first images of one digit of a split, and their scenes.

    Raises:
        UserError: the run's data are no scenes.
    """
    data = run.data
    if not isinstance(data, Scenes):
        raise UserError(f"{run.folder.path} is of other data than scenes")
    data.prepare_data()
    scenes = data.scenes(split)  # type: ignore[arg-type]
    rows = [row for row, scene in enumerate(scenes) if len(scene.things) == 1][:count]
    return data.store(split).samples[torch.tensor(rows)], [scenes[row] for row in rows]  # type: ignore[arg-type]


def measure(way: Way, embed: Callable[[Tensor], Tensor], arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield a row for each split."""
    for split, name in SPLITS.items():
        real, scenes = scenes_of(way.run, split, arguments.count)
        texts = [caption(scene) for scene in scenes]
        begun = time.monotonic()
        pictures = way.draw(texts, arguments.seed)
        seconds = (time.monotonic() - begun) / len(texts)
        shown = read_scenes(pictures, load_digit_classifier())
        right = [compare(asked, found) for asked, found in zip(scenes, shown, strict=True)]
        fractions = {key: sum(bool(each[key]) for each in right) / len(right) for key in ("digit", "colour", "all")}
        yield {
            "way": way.name,
            "captions": name,
            "side": pictures.shape[-1],
            **{key: round(value, 4) for key, value in fractions.items()},
            "all_std": round(binomial_std(fractions["all"], len(right)), 4),
            "fid": round(frechet_distance_of_features(embed(pictures), embed(real)), 4),
            "diversity": round(diversity(way.draw, texts[:REPEATED], embed, arguments.seed), 4),
            "seconds": round(seconds, 4),
            "training_seconds": None if way.seconds != way.seconds else round(way.seconds or 0),
            "pictures": len(texts),
            "run": way.run.folder.path.name,
        }
        if split == "test":
            save_image(make_grid(pictures[:SHOWN], SHOWN), arguments.out / f"{way.name}_{way.run.folder.path.name}.png")


def diversity(draw: Draw, texts: Sequence[str], embed: Callable[[Tensor], Tensor], seed: int) -> float:
    """Return the mean cosine distance of the features of two pictures of one caption."""
    pictures = draw([text for text in texts for _ in range(REPEATS)], seed + 1)
    features = normalize(embed(pictures), dim=1).unflatten(0, (len(texts), REPEATS))
    cosines = features @ features.transpose(1, 2)
    others = ~torch.eye(REPEATS, dtype=torch.bool)
    return float(1 - cosines[:, others].mean())


def embedding(path: Path) -> Callable[[Tensor], Tensor]:
    """Return what maps stored images, uint8 (N, 3, S, S), to features (N, D) of a CLIP."""
    clip: Any = api.open_run(path).method

    @torch.no_grad()
    def embed(images: Tensor) -> Tensor:
        return torch.cat([clip.embed_images(to_float(part)).float() for part in images.split(CHUNK)])

    return embed


def main() -> None:
    """Draw by all ways, and write the table and a row of pictures of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders on data=scenes, or patterns of them")
    parser.add_argument("--clip", type=Path, required=True, help="the CLIP run that leads vqgan and diffusion runs")
    parser.add_argument("--features", type=Path, required=True, help="a CLIP run that led none, for distances")
    parser.add_argument("--count", type=int, default=256, help="captions of one digit of each split")
    parser.add_argument("--steps", type=int, default=200, help="of VQGAN-CLIP")
    parser.add_argument("--scale", type=float, default=300.0, help="of CLIP-guided diffusion")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    embed = embedding(arguments.features)
    rows: list[dict[str, Any]] = []
    for way in ways(find_runs(arguments.runs), arguments):
        for row in measure(way, embed, arguments):
            rows.append(row)
            print(row, flush=True)
            # A long study is not lost if it is stopped.
            write_csv(rows, arguments.out / "text_driven.csv")
    print(arguments.out)


if __name__ == "__main__":
    main()
