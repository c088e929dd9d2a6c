"""Training steps in every precision and with what may make them faster, beside plain loops."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from omegaconf import DictConfig

from genbench.commands.assembly import build_method, compile_networks
from genbench.methods.base import GenerativeMethod
from tests.benchmarks import plain_loops
from tests.benchmarks.accelerator.form import Form
from tests.benchmarks.accelerator.numerics import float32_products
from tests.benchmarks.accelerator.subjects import SUBJECTS, Subject
from tests.benchmarks.noise_data import NoiseData
from tests.benchmarks.step_speed import InTurns, Stopwatch, peak_memory, train
from tests.benchmarks.turns import DEVICE

_SECONDS, _ROUNDS, _SLICE = 1.5, 12, 5
_BF16 = ("trainer.precision=bf16-mixed",)


@dataclass(frozen=True)
class Variant:
    """A way to train.

    Attributes:
        words: settings.
        tf32: whether products of float32 may be TF32.
        fused: whether optimizers are fused.
        compiler: what compiles networks, where they are compiled.
    """

    words: tuple[str, ...] = ()
    tf32: bool = True
    fused: bool = False
    compiler: Callable[[GenerativeMethod], None] | None = None


def with_graphs(method: GenerativeMethod) -> None:
    """Compile networks so that their kernels are recorded once and replayed: CUDA graphs."""
    for network in method.children():
        network.compile(mode="reduce-overhead")


VARIANTS = {
    "bf16": Variant(_BF16),
    "TF32": Variant(),
    "fp32": Variant(tf32=False),
    "fp16": Variant(("trainer.precision=16-mixed",)),
    "bf16, channels first": Variant((*_BF16, "channels_last=false")),
    "bf16, compiled": Variant((*_BF16, "compile=true"), compiler=compile_networks),
    "bf16, fused optimizers": Variant(_BF16, fused=True),
    "bf16, cudnn.benchmark": Variant((*_BF16, "+trainer.benchmark=true")),
    "bf16, CUDA graphs": Variant((*_BF16, "compile=true"), compiler=with_graphs),
}
"""The first is what most would take; what compiles takes long and comes late."""

_FIRST = next(iter(VARIANTS))
_OF_MEMORY = [VARIANTS[name] for name in ("bf16", "TF32")]
"""Others change it little, or take too long to be built twice more."""


def rows(form: Form) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return each method in each variant; in the tiny form all methods in the first, two of them in the others."""
    return {
        f"{name}, {how}": partial(measure, subject, variant, form)
        for how, variant in VARIANTS.items()
        for name, subject in SUBJECTS.items()
        if not form.tiny or how == _FIRST or name in ("GAN, 64 pixels", "DDPM, 32")
    }


def measure(subject: Subject, variant: Variant, form: Form) -> dict[str, Any]:
    """Return steps/s and memory of GenBench and of the plain loop."""
    fused = [f"+method.{name}.fused=true" for name in subject.optimizers] if variant.fused else []
    config, data = subject.config(form, *variant.words, *fused), subject.data(form)
    compiler = variant.compiler or compile_networks
    with float32_products(variant.tf32):
        step = plain_step(subject, config, data, variant)
        turns = InTurns(step, 3 if form.tiny else _ROUNDS, _slice(form), _slice(form), seconds=_SECONDS)
        train(config, data, turns, compiler)
        found = turns.comparison()
        figures = {
            "steps/s": found.ours,
            "images/s": found.ours * data.batch_size,
            "plain steps/s": found.other,
            "ratio": found.ratio,
            "quartiles": f"{found.low:.2f} to {found.high:.2f}",
            "data wait": turns.data_wait,
        }
        if variant in _OF_MEMORY:
            figures |= memory(subject, config, data, variant)
    return figures


def _slice(form: Form) -> int:
    return 1 if form.tiny else _SLICE


def plain_step(subject: Subject, config: DictConfig, data: NoiseData, variant: Variant) -> plain_loops.Step:
    """Return a step of the plain loop in the precision of a configuration."""
    method = build_method(config, data).to(DEVICE)
    if variant.compiler is not None:
        variant.compiler(method)
    precision = config.trainer.precision
    # On a CPU Lightning takes bfloat16 for float16.
    half = torch.float16 if precision == "16-mixed" and DEVICE.type == "cuda" else torch.bfloat16
    move = plain_loops.ScaledMove(DEVICE) if half == torch.float16 else plain_loops.move
    step = subject.plain(method, data, move)

    def in_precision() -> None:
        # Without a cache, as Lightning has it: the second player's turn must not see weights cast before the first's.
        with torch.autocast(DEVICE.type, half, enabled=precision != "32-true", cache_enabled=False):
            step()

    return in_precision


def memory(subject: Subject, config: DictConfig, data: NoiseData, variant: Variant) -> dict[str, float]:
    """Return the peaks, in GiB, of two steps of both."""
    ours = peak_memory(lambda: train(config, data, Stopwatch(0, 2)))

    def plain() -> None:
        step = plain_step(subject, config, data, variant)
        for _ in range(2):
            step()

    return {"GiB": ours / 1024, "plain GiB": peak_memory(plain) / 1024}
