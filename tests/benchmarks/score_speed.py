"""Scores beside torch-fidelity's and torchmetrics', in turns within one run, on the same inputs.

    make bench

Inception has random weights here: its speed does not depend on them.
"""

import json
import resource
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.metric_fid import fid_statistics_to_metric
from torchmetrics.image.fid import _compute_fid

from genbench.metrics.extractors.inception import Inception
from genbench.metrics.frechet import frechet_distance, frechet_distance_of_features
from genbench.metrics.neighbours import neighbour_scores
from tests.benchmarks.turns import DEVICE, now
from tests.metrics.inception_weights import write_random_weights

ROUNDS, DIMENSIONS = 3, 2048


def seconds(work: Callable[[], Any]) -> float:
    """Return how long it takes."""
    begin = now()
    work()
    return now() - begin


def in_turns(ours: Callable[[], Any], theirs: Callable[[], Any]) -> dict[str, float]:
    """Return the median times and how many times longer theirs is."""
    rounds = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
    our_time, their_time = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {"genbench_s": our_time, "other_s": their_time, "ratio": statistics.median(b / a for a, b in rounds)}


def features(count: int = 64) -> dict[str, float]:
    """Compare Inception's features on images of 64 x 64, the outputs too."""
    with tempfile.TemporaryDirectory() as folder:
        weights = str(write_random_weights(Path(folder) / "weights.pth"))
        ours, theirs = Inception(weights), FeatureExtractorInceptionV3("theirs", ["2048", "logits_unbiased"], weights)
    ours, theirs = ours.to(DEVICE), theirs.to(DEVICE)
    images = torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, device=DEVICE)
    ours(images), theirs(images)
    with torch.no_grad():
        pairs = list(zip(ours(images), theirs(images), strict=True))
    error = max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
    return {**in_turns(lambda: ours(images), lambda: theirs(images)), "largest_relative_difference": error}


def frechet() -> dict[str, Any]:
    """Compare Frechet distances at 2,048 dimensions, of many samples and of fewer than dimensions."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(DIMENSIONS, DIMENSIONS, generator=generator) / DIMENSIONS**0.5
    x, y = (torch.randn(8000, DIMENSIONS, generator=generator).relu() @ mixing for _ in range(2))
    results: dict[str, Any] = {}
    for name, a, b in [("many_samples", x, y * 1.1), ("few_samples", x[:1000], y[:1000] * 1.1)]:
        a, b = a.double(), b.double()
        moments = [(part.mean(0), part.T.cov()) for part in (a, b)]
        stats = [{"mu": mean.numpy(), "sigma": covariance.numpy()} for mean, covariance in moments]

        def ours(a: torch.Tensor = a, b: torch.Tensor = b, moments: Any = moments, name: str = name) -> float:
            if name == "few_samples":
                return frechet_distance_of_features(a, b)
            return frechet_distance(*moments[0], *moments[1])

        def fidelity(stats: Any = stats) -> float:
            value: float = fid_statistics_to_metric(*stats, verbose=False)["frechet_inception_distance"]
            return value

        def torchmetrics(moments: Any = moments) -> float:
            return float(_compute_fid(*moments[0], *moments[1]))

        results[name] = {
            "torch_fidelity": in_turns(ours, fidelity),
            "torchmetrics": in_turns(ours, torchmetrics),
            "values": [ours(), fidelity(), torchmetrics()],
        }
    return results


def neighbours(count: int) -> dict[str, float]:
    """Compare precision, recall, density and coverage with the three bare matrix products that they take."""
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(count, DIMENSIONS, generator=generator) for _ in range(2))

    def products() -> None:
        for a, b in ((x, x), (y, y), (x, y)):
            for block in a.split(2048):
                block @ b.T

    found = in_turns(lambda: neighbour_scores(x, y), products)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {**found, "times_the_products": 1 / found["ratio"], "images": count, "peak_gb": peak}


def main() -> None:
    """Measure, print, and end with one line of JSON."""
    results: dict[str, Any] = {}
    for name, measure in [("features", features), ("frechet", frechet), ("neighbours", lambda: neighbours(10_000))]:
        results[name] = measure()
        print(f"{name}: {json.dumps(results[name])}", flush=True)
    print(json.dumps({"score_speed": results}))


if __name__ == "__main__":
    main()
