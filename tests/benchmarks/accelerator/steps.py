"""Training steps in every precision and with what may make them faster, beside plain loops."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from omegaconf import DictConfig

from genbench.commands.assembly import build_method, compile_networks, networks_of
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
    for network in networks_of(method):
        network.compile(mode="reduce-overhead")


VARIANTS = {
    "bf16": Variant(_BF16),
    "TF32": Variant(),
    "fp16": Variant(("trainer.precision=16-mixed",)),
    "fp32": Variant(tf32=False),
    "bf16, channels first": Variant((*_BF16, "channels_last=false")),
    "bf16, fused optimizers (GenBench's alone)": Variant(_BF16, fused=True),
    "bf16, cudnn.benchmark": Variant((*_BF16, "+trainer.benchmark=true")),
    "bf16, compiled": Variant((*_BF16, "compile=true"), compiler=compile_networks),
    "bf16, CUDA graphs": Variant((*_BF16, "compile=true"), compiler=with_graphs),
}
"""The first is what most would take."""

_OF_TWO = ("bf16, channels first", "bf16, fused optimizers (GenBench's alone)", "bf16, cudnn.benchmark")
_TWO = ("GAN, 64 pixels", "DDPM, 32")
"""A method of two players and one of one, whose networks are small and large."""

_WITH_GRAPHS = ("DDPM, 32",)
"""Where a network is called twice before its first gradients are taken, the second call's numbers would overwrite the
first's: a graph has one place for each."""

_FIRST = next(iter(VARIANTS))
_OF_MEMORY = [VARIANTS[name] for name in ("bf16", "TF32")]
"""Others change it little, or take too long to be built twice more."""


def rows(form: Form) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return each method in each precision, two of them in what else there is; fewer in the tiny form."""
    return choose(form, compiled=False)


def choose(form: Form, *, compiled: bool) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return the rows of networks that are compiled, or of those that are not."""
    return {
        f"{name}, {how}": partial(measure, subject, variant, form)
        for how, variant in VARIANTS.items()
        for name, subject in SUBJECTS.items()
        if name in _subjects(how, form) and (variant.compiler is not None) == compiled
    }


def _subjects(variant: str, form: Form) -> Collection[str]:
    if VARIANTS[variant].compiler is with_graphs:
        return _WITH_GRAPHS
    return _TWO if variant in _OF_TWO or (form.tiny and variant != _FIRST) else SUBJECTS


def measure(subject: Subject, variant: Variant, form: Form) -> dict[str, Any]:
    """Return steps/s and memory of GenBench and of the plain loop."""
    flag = torch.backends.cudnn.benchmark
    try:
        return _measure(subject, variant, form)
    finally:
        # Lightning sets it and leaves it.
        torch.backends.cudnn.benchmark = flag


def _measure(subject: Subject, variant: Variant, form: Form) -> dict[str, Any]:
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
            "batch": data.batch_size,
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
    """Return the peaks, in GiB, of as many steps of both as every player moves in."""
    steps = config.method.get("discriminator_steps", 1) + 1
    ours = peak_memory(lambda: train(config, data, Stopwatch(0, steps)))

    def plain() -> None:
        step = plain_step(subject, config, data, variant)
        for _ in range(steps):
            step()

    return {"GiB": ours / 1024, "plain GiB": peak_memory(plain) / 1024}
