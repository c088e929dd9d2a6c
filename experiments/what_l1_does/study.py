"""Hold translators beside each other: error, distance, and the spread of one source's. See README.md beside this file.

python experiments/what_l1_does/study.py outputs/l1/RUN outputs/adversarial/RUN outputs/both/RUN
"""

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor

from genbench.commands.opening import open_run
from genbench.config import compose_config
from genbench.figures.charts import write_csv
from genbench.figures.grid import make_grid, place_beside
from genbench.images import save_image
from genbench.metrics.conditions import conditions_of
from genbench.metrics.evaluator import Evaluator
from genbench.metrics.extractor import Extractor
from genbench.metrics.extractors import load_extractor
from genbench.metrics.features import features_of
from genbench.metrics.material import Material, Picked
from genbench.metrics.scores.mae import Mae
from genbench.metrics.scores.ssim import Ssim
from genbench.sampling import sample_set

HERE = Path(__file__).parent
SHOWN = 12
FEW = 200
"""Sources that are translated once more with other dropout."""


def main() -> None:
    """Translate the same unseen sources with each run; draw and score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders of methods that translate the same data")
    parser.add_argument("--count", type=int, default=2000, help="unseen sources that are translated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    extractor = load_extractor("digits", None)
    rows, columns = [], []
    for folder in arguments.runs:
        run = open_run(compose_config("sample", [f"run={folder}", "device=cpu"]))
        test = run.data.store("test")
        targets = test.samples[: arguments.count]
        sources = conditions_of(run.method, run.data, "test", torch.arange(len(targets)))
        evaluator = Evaluator(arguments.count, arguments.seed, scores=["fid"])
        evaluator.set_reference(run.data)
        begun = time.monotonic()
        translated = sample_set(run.method.sample, len(sources), arguments.seed, run.method.medium, sources)
        seconds = time.monotonic() - begun
        few = sources[:FEW]
        again = sample_set(run.method.sample, len(few), arguments.seed + 1, run.method.medium, few)
        rows.append(describe(run.settings.name, translated, targets, evaluator, extractor))
        rows[-1]["spread"] = round(float((again.float() - translated[:FEW].float()).abs().mean() / 127.5), 4)
        rows[-1]["seconds for 1,000"] = round(1000 * seconds / len(sources), 2)
        columns.append(translated[:SHOWN])
    rows.append(
        {
            **describe("sources themselves", sources.rows, targets, evaluator, extractor),
            "spread": 0.0,
            "seconds for 1,000": 0.0,
        }
    )
    rows.append(
        {
            **describe("targets themselves", targets, targets, evaluator, extractor),
            "spread": 0.0,
            "seconds for 1,000": 0.0,
        }
    )
    write_csv(rows, arguments.out / "scores.csv")
    picture = place_beside(sources.rows[:SHOWN], *columns, targets[:SHOWN])
    save_image(make_grid(picture, 2), arguments.out / "translations.png")
    for row in rows:
        print(row)


def describe(
    name: str, images: Tensor, targets: Tensor, evaluator: Evaluator, extractor: Extractor
) -> dict[str, object]:
    """Return the scores of translations, uint8 (N, C, H, W), beside their targets."""
    material = Material(len(images), samples=images, targets=Picked(targets, torch.arange(len(targets))))
    seen, wanted = (features_of(extractor, part).logits.argmax(1) for part in (images, targets))
    scores = {
        **Mae().compute(material),
        **Ssim().compute(material),
        "target_agreement": float((seen == wanted).double().mean()),
        **evaluator.score_images(images).values,
    }
    return {"images": name, **{key: round(value, 4) for key, value in scores.items()}}


if __name__ == "__main__":
    main()
