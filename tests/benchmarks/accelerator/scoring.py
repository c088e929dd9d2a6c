"""Inception's features and the Frechet distance."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from genbench.metrics.frechet import frechet_distance
from tests.benchmarks.accelerator.form import Form
from tests.benchmarks.accelerator.numerics import float32_products

_DIMENSIONS = 2048


def rows(form: Form) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return features in both kinds of float32, and distances."""
    return {
        "Inception's features, fp32": partial(features, form, tf32=False),
        "Inception's features, TF32": partial(features, form, tf32=True),
        "Frechet distance": distance,
    }


def features(form: Form, *, tf32: bool) -> dict[str, Any]:
    """Compare with torch-fidelity."""
    from tests.benchmarks.score_speed import features as compare

    count = 2 if form.tiny else 256
    with float32_products(tf32):
        found = compare(count)
    return {
        "images/s": count / found["genbench_s"],
        "torch-fidelity's images/s": count / found["other_s"],
        "ratio": found["ratio"],
        "largest relative difference": found["largest_relative_difference"],
    }


def distance() -> dict[str, Any]:
    """Time one distance of 2,048 dimensions, as every score by Inception takes."""
    generator = torch.Generator().manual_seed(0)
    features = [torch.randn(3000, _DIMENSIONS, generator=generator, dtype=torch.float64) for _ in range(2)]
    moments = [part for each in features for part in (each.mean(0), each.T.cov())]
    begun = time.perf_counter()
    frechet_distance(*moments)
    return {"seconds": time.perf_counter() - begun}
