"""Seconds of sampling by GenBench beside a bare loop over the same network, in turns.

    make bench

Both draw a chunk of 16 x 16 images by DDIM with 50 calls of the small U-Net. The bare loop knows its coefficients
beforehand and checks nothing.
"""

import json
import statistics
from collections.abc import Callable

import torch
from torch import Tensor

from genbench.commands.assembly import build_data, build_method
from genbench.config import compose_config
from genbench.methods.denoising.ddpm import DDPM
from genbench.randomness import CHUNK, Noise
from tests.benchmarks.turns import DEVICE, now

STEPS, ROUNDS = 50, 15


def bare_loop(method: DDPM, steps: int = STEPS) -> Callable[[], Tensor]:
    """Return DDIM as anyone would write it for this one network and so many calls."""
    network, chain = method.average.module, method.chain
    times = torch.linspace(1, 1 / chain.steps, steps, device=DEVICE)
    times = (times * chain.steps).round() / chain.steps
    alphas, sigmas = chain.alpha(times).tolist(), chain.sigma(times).tolist()

    @torch.no_grad()
    def draw() -> Tensor:
        x = torch.randn(CHUNK, *method.medium.shape, device=DEVICE)
        x_0 = x
        for index in range(steps):
            eps = network(x, times[index].expand(CHUNK))
            x_0 = ((x - sigmas[index] * eps) / alphas[index]).clamp(-1, 1)
            if index + 1 < steps:
                eps = (x - alphas[index] * x_0) / sigmas[index]
                x = alphas[index + 1] * x_0 + sigmas[index + 1] * eps
        return x_0

    return draw


def seconds(draw: Callable[[], Tensor]) -> float:
    """Return how long it takes."""
    begin = now()
    draw()
    return now() - begin


def main() -> None:
    """Measure in turns and print the ratio of each pair."""
    config = compose_config("train", ["experiment=ddpm_digits"])
    method = build_method(config, build_data(config)).eval().to(DEVICE)
    assert isinstance(method, DDPM)
    bare, number = bare_loop(method), iter(range(10**6))
    seconds(bare)
    pairs = []
    for index in range(ROUNDS):
        turns = [lambda: method.sample(CHUNK, noise=Noise(0, next(number))), bare]
        # Each goes first as often as the other.
        found = [seconds(turns[turn]) for turn in ((0, 1) if index % 2 else (1, 0))]
        pairs.append(found if index % 2 else found[::-1])
    ratios = [ours / plain for ours, plain in pairs]
    ours, plain = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"ms a chunk of {CHUNK}: GenBench {1000 * ours:.0f}, bare loop {1000 * plain:.0f}")
    print(f"ratio: median {statistics.median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f}")
    figures = {"genbench_seconds": ours, "bare_seconds": plain, "ratio": statistics.median(ratios)}
    print(json.dumps({"sampling_speed": figures}))


if __name__ == "__main__":
    main()
