"""Learning-rate schedules: against torch's schedulers, and against the formulas that they took the place of."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hydra.utils import instantiate

from genbench.config import compose_config
from genbench.methods.learning_rates import Constant, Cosine, LinearDecay, Schedule, StepDecay
from genbench.runs.moved import translate
from tests.kinds import trained_methods

STEPS = (0, 1, 2, 10, 199, 200, 999, 1000, 1500, 1999, 2000, 2999, 4999, 5000, 5001, 9999, 40000, 10**6)


def of_torch(make: Callable[[Any], Any], steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (Cosine(40, final=0.1), lambda one: torch.optim.lr_scheduler.CosineAnnealingLR(one, 40, eta_min=0.1)),
        (StepDecay(7, gamma=0.5), lambda one: torch.optim.lr_scheduler.StepLR(one, 7, gamma=0.5)),
        (Constant(8), lambda one: torch.optim.lr_scheduler.LambdaLR(one, lambda step: min(1, (step + 1) / 8))),
        (
            LinearDecay(39),
            lambda one: torch.optim.lr_scheduler.LambdaLR(one, lambda step: (39 - step) / 40),
        ),
    ],
)
def test_they_are_torchs(schedule: Schedule, make: Callable[[Any], Any]) -> None:
    assert [schedule(step) for step in range(40)] == pytest.approx(of_torch(make, 40), abs=1e-12)


@pytest.mark.parametrize(
    "schedule", [Constant(10), Cosine(100, warmup_steps=10), LinearDecay(100, 50, 10), StepDecay(20, 0.5, 10)]
)
def test_each_begins_with_a_warm_up_to_the_full_rate(schedule: Schedule) -> None:
    assert [schedule(step) for step in range(11)] == pytest.approx([*(step / 10 for step in range(1, 11)), 1.0])
    # What follows does not grow again.
    rest = [schedule(step) for step in range(10, 120)]
    assert rest == sorted(rest, reverse=True)


def test_a_decay_to_zero_ends_with_its_steps_and_not_before() -> None:
    for schedule in (Cosine(50), LinearDecay(50, 20)):
        assert schedule.steps_above_zero == 50
        assert schedule(49) > 0
        assert schedule(50) == 0
    for endless in (Constant(), Cosine(50, final=0.1), StepDecay(5)):
        assert endless.steps_above_zero is None


@pytest.mark.parametrize(
    ("experiment", "steps", "full"),
    [("ddgan_cifar10", 351000, (1.6e-4, 1.25e-4)), ("ddgan_lsun", 1000000, (1.6e-4, 1e-4))],
)
def test_the_rates_of_both_players_end_at_the_same_one(experiment: str, steps: int, full: tuple[float, float]) -> None:
    method = compose_config("train", [f"experiment={experiment}"]).method
    assert (method.generator_optimizer.lr, method.discriminator_optimizer.lr) == full
    schedule = instantiate(method.schedule)
    assert schedule.steps_above_zero is None
    for rate in full:
        for step in (0, steps // 4, steps // 2, steps, 2 * steps):
            falling = (1 + math.cos(math.pi * min(1.0, step / steps))) / 2
            assert schedule.rate(step, rate) == pytest.approx(1e-5 + (rate - 1e-5) * falling)
    warm = Cosine(100, warmup_steps=10, final_rate=1e-5)
    assert [warm.rate(step, 1e-3) for step in (0, 9, 10, 99999)] == pytest.approx([1e-4, 1e-3, 1e-3, 1e-5])
    with pytest.raises(ValueError, match="final_rate"):
        Cosine(100, final=0.5, final_rate=1e-5)


def of_ddpm(warmup: int) -> Callable[[int], float]:
    return lambda step: min(1.0, (step + 1) / warmup) if warmup else 1.0


def of_ddgan(cosine_steps: int) -> Callable[[int], float]:
    return lambda step: 0.07 + (1 - 0.07) * (1 + math.cos(math.pi * min(1.0, step / cosine_steps))) / 2


def of_cyclegan(constant: int, falling: int) -> Callable[[int], float]:
    return lambda step: 1.0 if step < constant else max(0.0, 1 - (step - constant + 1) / (falling + 1))


BEFORE = {
    **{f"ddpm_{data}": of_ddpm(5000) for data in ("cifar10", "celeba", "lsun")},
    **{f"ddpm_{data}": of_ddpm(200) for data in ("digits", "mnist16", "toy_points", "captioned_digits")},
    "ddpm_mnist": of_ddpm(1000),
    **{f"improved_ddpm_{data}": of_ddpm(0) for data in ("cifar10", "lsun")},
    **{f"improved_ddpm_{data}": of_ddpm(200) for data in ("digits", "mnist16")},
    "improved_ddpm_mnist": of_ddpm(1000),
    **{f"score_sde_{data}": of_ddpm(5000) for data in ("cifar10", "celeba")},
    **{f"score_sde_{data}": of_ddpm(200) for data in ("digits", "mnist16")},
    "score_sde_mnist": of_ddpm(1000),
    "classifier_guidance_mnist16": of_ddpm(200),
    **{f"ddgan_{data}": of_ddgan(5000) for data in ("digits", "mnist16")},
    "ddgan_mnist": of_ddgan(40000),
    "cyclegan_digits": of_cyclegan(1000, 1000),
    "cyclegan_folder": of_cyclegan(133400, 133400),
    **dict.fromkeys(("gan_digits", "dcgan_lsun", "wgan_mnist", "pix2pix_edges2digits", "vae_digits"), of_ddpm(0)),
}
"""The rates of the experiments before schedules were a group."""


@pytest.mark.parametrize("experiment", sorted(BEFORE))
def test_experiments_keep_their_rates(experiment: str) -> None:
    schedule = instantiate(compose_config("train", [f"experiment={experiment}"]).method.schedule)
    for step in STEPS:
        assert schedule(step) == pytest.approx(BEFORE[experiment](step), abs=1e-12)


@pytest.mark.parametrize(
    ("saved", "before"),
    [
        ({"_target_": "genbench.methods.ddpm.DDPM", "warmup_steps": 200}, of_ddpm(200)),
        ({"_target_": "genbench.methods.denoising.ddpm.DDPM", "warmup_steps": 0}, of_ddpm(0)),
        ({"_target_": "genbench.methods.denoising.ddgan.DDGAN", "cosine_steps": 5000}, of_ddgan(5000)),
        (
            {
                "_target_": "genbench.methods.adversarial.cyclegan.CycleGAN",
                "constant_steps": 1000,
                "falling_steps": 1000,
            },
            of_cyclegan(1000, 1000),
        ),
    ],
)
def test_saved_runs_keep_their_rates(saved: dict[str, Any], before: Callable[[int], float]) -> None:
    today = translate({"method": saved})["method"]
    assert set(today) == {"_target_", "schedule"}
    schedule = instantiate(today["schedule"])
    for step in STEPS:
        assert schedule(step) == pytest.approx(before(step), abs=1e-12)
    # What is of today is left as it is.
    assert translate(translate({"method": saved})) == translate({"method": saved})


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "genbench.methods.learning_rates.LinearDecay", "steps": 9, "constant_steps": 3, "warmup_steps": 1},
        {"_target_": "mine.rates.Triangle", "warmup_steps": 5},
        {"warmup_steps": 5},
    ],
)
def test_what_is_no_method_keeps_its_own_keys(node: dict[str, Any]) -> None:
    assert translate({"method": {"schedule": node}}) == {"method": {"schedule": node}}


def test_saved_constant_rates_have_no_schedule() -> None:
    for saved in ({"cosine_steps": 0}, {"constant_steps": None, "falling_steps": 0}):
        assert translate({"_target_": "genbench.methods.adversarial.gan.GAN", **saved}) == {
            "_target_": "genbench.methods.adversarial.gan.GAN"
        }


def test_weight_clipping_of_a_saved_wgan_is_not_gradient_clipping() -> None:
    wgan = {"_target_": "genbench.methods.adversarial.wgan.WGAN"}
    for target in ("genbench.methods.wgan.WGAN", wgan["_target_"]):
        assert translate({"_target_": target, "clip": 0.01}) == wgan | {"weight_clip": 0.01}
    today = wgan | {"weight_clip": 0.01, "clip": 0.0}
    assert translate(today) == today


@pytest.mark.parametrize("method", trained_methods())
@pytest.mark.parametrize("name", ["constant", "warmup", "cosine", "linear_decay", "step_decay"])
def test_every_method_takes_every_schedule(method: str, name: str) -> None:
    config = compose_config("train", [f"method={method}", f"schedule@method.schedule={name}", "steps=300"])
    schedule = instantiate(config.method.schedule)
    assert isinstance(schedule, Schedule)
    assert 0 < schedule(0) <= 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(-1), "warmup_steps"),
        (lambda: Cosine(0), "steps"),
        (lambda: Cosine(10, warmup_steps=10), "more than schedule.warmup_steps=10"),
        (lambda: Cosine(10, final=1.5), "final"),
        (lambda: LinearDecay(10, constant_steps=11), "constant_steps"),
        (lambda: StepDecay(0), "every"),
        (lambda: StepDecay(5, gamma=0), "gamma"),
    ],
)
def test_settings_that_do_not_do(make: Callable[[], Schedule], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
