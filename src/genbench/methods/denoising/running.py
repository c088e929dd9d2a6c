"""How samplers are run: from the prior or from somewhere else, to the image or to what is still noisy."""

from collections.abc import Callable
from copy import copy

import torch
from torch import Tensor

from genbench.diffusion.estimates import Denoise, Estimate
from genbench.diffusion.processes import DiscreteProcess, Process, Spacing
from genbench.diffusion.samplers import Draw
from genbench.errors import UserError

_END = 2e-3
"""How far from a time a sampler may end that is to end there: a step of a chain is 1e-3."""


def run_sampler(
    sampler: Callable[..., Tensor], denoise: Denoise, process: Process, draw: Draw, start: Tensor | None = None
) -> Tensor:
    """Return what a sampler makes of the process's prior, or of x_1 that it begins with.

    Raises:
        UserError: the sampler's settings do not suit the process.
    """
    try:
        samples: Tensor = sampler(denoise, process, process.prior_std * draw() if start is None else start, draw)
    except ValueError as error:
        raise UserError(f"sampler: {error}") from error
    return samples


def sample_until(
    until: float, sampler: Callable[..., Tensor], denoise: Denoise, process: Process, draw: Draw
) -> Tensor:
    """Return x_t (B, ...) at time `until`, at which a sampler ends early.

    Raises:
        UserError: the sampler's settings do not suit the process.
    """
    seen: list[Tensor] = []

    def remembering(x_t: Tensor, t: Tensor) -> Estimate:
        seen[:] = [x_t, t]
        return denoise(x_t, t)

    short = copy(process)
    short.first = until
    run_sampler(sampler, remembering, short, draw)
    # The last call is at the last time.
    last, at = seen
    if abs(float(at) - until) > _END:
        raise UserError(
            f"the sampler ended at time {float(at):.3g}, not at {until:g}: take more steps, or set "
            "sampler.spacing=uniform"
        )
    return last


def begun_at(process: Process, begin: float) -> tuple[Process, Tensor]:
    """Return a process whose samplers begin at a time, and that time: of a chain the nearest of its steps.

    What is left of a sampler's own times follows, so that it takes fewer steps than for a whole sample.
    """
    chain = process.steps if isinstance(process, DiscreteProcess) else None
    t = torch.tensor(begin if chain is None else max(1, round(begin * chain)) / chain, dtype=torch.float64)
    later, whole = copy(process), process.times

    def times(steps: int, spacing: Spacing = "uniform") -> Tensor:
        found = whole(steps, spacing)
        return torch.cat([t.reshape(1), found[found < t]])

    later.times = times  # type: ignore[method-assign]
    return later, t
