"""Images a second of every sampler, and of what may make one faster."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from omegaconf import OmegaConf

from genbench.commands.assembly import build_method
from genbench.config import options
from genbench.randomness import CHUNK, Noise
from tests.benchmarks.accelerator.form import Form
from tests.benchmarks.accelerator.subjects import SUBJECTS
from tests.benchmarks.sampling_speed import bare_loop
from tests.benchmarks.turns import DEVICE, now

_MANY = 100
"""Samplers that take more steps are measured with so many."""


def rows(form: Form) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return each sampler, and DDIM in other ways."""
    found: dict[str, Callable[[], dict[str, Any]]] = {
        "ddim": partial(measure, "ddim", form),
        "ddim, a bare loop": partial(measure_bare, form),
        "ddim, bf16": partial(measure, "ddim", form, autocast=True),
    }
    found |= {name: partial(measure, name, form) for name in options("sampler")}
    return found | {
        "ddim, bf16, compiled": partial(measure, "ddim", form, autocast=True, mode="default"),
        "ddim, bf16, CUDA graphs": partial(measure, "ddim", form, autocast=True, mode="reduce-overhead"),
    }


def build(sampler: str, form: Form, *words: str) -> Any:
    """Return DDPM with a sampler, ready to draw."""
    subject = SUBJECTS["DDPM, 32"]
    config = subject.config(form, f"sampler={sampler}", *words)
    method = build_method(config, subject.data(form), fills_in=sampler == "repaint")
    return method.eval().to(DEVICE)


def measure(sampler: str, form: Form, *, autocast: bool = False, mode: str | None = None) -> dict[str, Any]:
    """Draw a chunk and count the calls of the network."""
    default = OmegaConf.to_container(SUBJECTS["DDPM, 32"].config(form, f"sampler={sampler}").sampler)
    assert isinstance(default, dict)
    # Of the chain `steps: null` means all.
    steps = (default["steps"] or 1000) if "steps" in default else None
    made = min(steps, 4 if form.tiny else _MANY) if steps else None
    method = build(sampler, form, *([f"sampler.steps={made}"] if made else []))
    network = method.average.module
    if mode is not None:
        network.compile(mode=mode)
    calls = [0]
    network.register_forward_pre_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))
    half: AbstractContextManager[Any] = torch.autocast(DEVICE.type, torch.bfloat16) if autocast else nullcontext()
    with half:
        if mode is not None:
            # What is made at the first call, for just these arguments, is made before.
            _draw(method, sampler)
        elif not form.tiny:
            with torch.no_grad():
                network(
                    torch.zeros(CHUNK, *method.medium.shape, device=DEVICE), torch.ones((), device=DEVICE).expand(CHUNK)
                )
        calls[0] = 0
        begin = now()
        _draw(method, sampler)
        seconds = now() - begin
    a_call = seconds / calls[0]
    all_calls = round(calls[0] * (steps / made if steps and made else 1))
    return {
        "ms a call": 1000 * a_call,
        "calls made": calls[0],
        "calls by default": all_calls,
        "images/s": CHUNK / (a_call * all_calls),
    }


def _draw(method: Any, sampler: str) -> None:
    if sampler == "repaint":
        known = torch.zeros(CHUNK, *method.medium.shape)
        mask = torch.ones(method.medium.shape[1:])
        mask[: len(mask) // 2] = 0
        method.inpaint(known, mask, noise=Noise(0))
    else:
        method.sample(CHUNK, noise=Noise(0))


def measure_bare(form: Form) -> dict[str, Any]:
    """Draw a chunk by a loop that knows its coefficients and checks nothing."""
    steps = 4 if form.tiny else 50
    draw = bare_loop(build("ddim", form), steps)
    draw()
    begin = now()
    draw()
    seconds = now() - begin
    return {"ms a call": 1000 * seconds / steps, "calls made": steps, "images/s": CHUNK / seconds * steps / 50}
