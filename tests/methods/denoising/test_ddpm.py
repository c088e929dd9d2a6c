"""DDPM's loss, its predictions, guidance and the classes that are kept from it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.classes import Classes
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ddim
from genbench.medium import Images
from genbench.methods.averaging import AveragedNetwork
from genbench.methods.denoising.ddpm import DDPM
from genbench.methods.denoising.quarters import by_quarter
from genbench.methods.learning_rates import Constant
from genbench.randomness import CHUNK, Noise
from tests.kinds import classes

SHAPE = (1, 2, 2)


class Line(nn.Module):
    """Predict a x_t + b, and c for each class."""

    def __init__(self, shape: Sequence[int], condition: Condition | None) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.c = nn.Embedding((len(condition.names) if isinstance(condition, Classes) else 0) + 1, 1)

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        of_class = 0 if y is None else self.c(y).view(-1, 1, 1, 1)
        return self.a * x_t + self.b + of_class


def make(**settings: Any) -> DDPM:
    torch.manual_seed(0)
    defaults: dict[str, Any] = {
        "process": DiscreteProcess("linear", 100),
        "sampler": partial(ddim, steps=5),
        "optimizer": partial(torch.optim.Adam, lr=1e-3),
        "ema_decay": 0.0,
    }
    return DDPM(Line, Images(SHAPE), classes(3), **(defaults | settings))


def test_the_loss_is_the_error_of_the_noise() -> None:
    method = make()
    x_0, t = torch.rand(5000, *SHAPE) * 2 - 1, torch.full((5000,), 0.5)
    # A network that predicts nothing errs by the noise itself, whose mean square is one.
    assert method.losses(x_0, t, None).mean().item() == pytest.approx(1, abs=0.03)
    alpha, sigma = method.process.alpha(t[0]), method.process.sigma(t[0])
    with torch.no_grad():
        method.denoiser.a.fill_(1 / sigma)
        method.denoiser.b.fill_(-alpha * 0.3 / sigma)
    # One that knows x_0 = 0.3 is right of it.
    assert method.losses(torch.full((9, *SHAPE), 0.3), t[:9], None).max().item() < 1e-9


def test_each_image_has_a_loss_of_its_own() -> None:
    method, x_0 = make(), torch.rand(6, *SHAPE)
    torch.manual_seed(1)
    losses = method.losses(x_0, torch.full((6,), 0.5), None)
    torch.manual_seed(1)
    torch.testing.assert_close(losses, torch.randn_like(x_0).square().flatten(1).mean(1))


def test_the_network_is_given_the_image_its_time_and_its_class() -> None:
    method, given = make(conditional=True, guidance=0.5), []

    class Listener(Line):
        def forward(self, x_t: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
            given.append((x_t, t, y))
            return super().forward(x_t, t, y)

    method.denoiser, x_0 = Listener(SHAPE, classes(3)), torch.rand(3, *SHAPE)
    t, y = torch.tensor([0.01, 0.5, 1.0]), torch.tensor([2, 0, 1])
    torch.manual_seed(1)
    method.losses(x_0, t, y)
    torch.manual_seed(1)
    torch.testing.assert_close(given[0][0], method.process.diffuse(x_0, t, torch.randn_like(x_0)))
    # Steps are counted from 0.
    torch.testing.assert_close(given[0][1], torch.tensor([0.0, 0.49, 0.99]))
    assert given[0][2].equal(y)
    # Guidance asks twice, with the class and with none.
    given.clear()
    method.average = AveragedNetwork(method.denoiser, 0.0)
    method.denoise_with(y, guidance=0.5)(x_0, torch.tensor(0.25))
    assert [classes.tolist() for _, _, classes in given] == [[2, 0, 1], [3, 3, 3]]
    assert all(times.tolist() == pytest.approx([0.24] * 3) for _, times, _ in given)
    assert all(seen.equal(x_0) for seen, _, _ in given)


@pytest.mark.parametrize("weighting", ["simple", "snr", "debiased", "min_snr", "bound"])
@pytest.mark.parametrize("prediction", ["eps", "x_0", "v", "score"])
def test_every_parameterisation_trains_to_the_same_denoiser(prediction: str, weighting: str) -> None:
    """Of images N(0.2, 0.5^2), a pixel at a time, the best denoiser at one time is a line, in closed form."""
    method = make(prediction=prediction, weighting=weighting)
    mean, spread, time = 0.2, 0.5, torch.tensor(0.4)
    alpha, sigma = method.process.alpha(time), method.process.sigma(time)
    optimizer = torch.optim.LBFGS(method.denoiser.parameters(), line_search_fn="strong_wolfe", max_iter=50)

    def loss() -> Tensor:
        torch.manual_seed(1)
        x_0 = mean + spread * torch.randn(40_000, *SHAPE)
        optimizer.zero_grad()
        value = method.losses(x_0, time.expand(len(x_0)), None).mean()
        value.backward()
        return value

    optimizer.step(loss)  # type: ignore[arg-type]
    method.average.update_parameters(method.denoiser)
    x_t = torch.linspace(-0.6, 0.8, 8).view(-1, 1, 1, 1).expand(8, *SHAPE)
    gain = alpha * spread**2 / (alpha**2 * spread**2 + sigma**2)
    expected = mean + gain * (x_t - alpha * mean)
    torch.testing.assert_close(method.denoise_with(None)(x_t, time).x_0, expected, atol=0.01, rtol=0)


def test_times_are_those_of_the_chain() -> None:
    times, weights = make().draw_times(20_000)
    assert (weights == 1).all()
    steps = times * 100
    torch.testing.assert_close(steps, steps.round())
    counts = torch.bincount(steps.round().long())
    assert counts[0] == 0
    assert len(counts) == 101
    assert counts[1:].min() > 100


def test_guidance_is_a_step_beyond_the_prediction_with_the_class() -> None:
    method = make(conditional=True, guidance=2.0, prediction="x_0")
    with torch.no_grad():
        method.denoiser.c.weight.copy_(torch.tensor([[0.1], [0.2], [-0.1], [0.05]]))
    method.average.update_parameters(method.denoiser)
    denoise = method.denoise_with(torch.tensor([0, 1, 2]), guidance=method.guidance)
    found = denoise(torch.zeros(3, *SHAPE), torch.tensor(0.5)).x_0[:, 0, 0, 0]
    torch.testing.assert_close(found, torch.tensor([3 * 0.1 - 2 * 0.05, 3 * 0.2 - 2 * 0.05, -3 * 0.1 - 2 * 0.05]))


def test_classes_are_dropped_at_their_share_alone() -> None:
    method = make(conditional=True, condition_dropout=0.1)
    y = torch.arange(30_000) % 3
    seen = method.drop_condition(y)
    assert (seen == 3).double().mean().item() == pytest.approx(0.1, abs=0.01)
    assert torch.equal(seen[seen != 3], y[seen != 3])


def test_image_i_depends_on_seed_and_i_alone() -> None:
    method = make(sampler=partial(ddim, steps=5, eta=1.0))
    many = method.sample(CHUNK, noise=Noise(3))
    assert many.shape == (CHUNK, *SHAPE)
    assert many.abs().max() <= 1
    torch.testing.assert_close(method.sample(CHUNK, noise=Noise(3)), many)
    assert not torch.equal(method.sample(CHUNK, noise=Noise(3, chunk=1)), many)


def test_losses_by_quarter_are_means_of_their_own() -> None:
    found = by_quarter("denoiser", torch.tensor([1.0, 3.0, 5.0, 7.0]), torch.tensor([0.1, 0.2, 0.6, 1.0]))
    assert {name: value.item() for name, value in found.items()} == {
        "loss/denoiser_t1": 2.0,
        "loss/denoiser_t3": 5.0,
        "loss/denoiser_t4": 7.0,
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"guidance": 1.0}, "guidance takes a condition"),
        ({"guidance": -1.0, "conditional": True}, "guidance must be at least 0"),
        ({"condition_dropout": 1.0}, "condition_dropout"),
        ({"schedule": "cosine"}, "schedule"),
        ({"clip": -1.0}, "clip"),
    ],
)
def test_settings_that_do_not_do(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_conditions_that_do_not_do() -> None:
    with pytest.raises(ValueError, match="unconditional"):
        make().sample(2, torch.tensor([0, 1]), noise=Noise(0))
    for condition, message in (
        (None, "2 samples take as many conditions"),
        (torch.tensor([0]), "2 samples take as many classes"),
        (torch.tensor([0, 3]), "classes from 0 to 2"),
    ):
        with pytest.raises(ValueError, match=message):
            make(conditional=True).sample(2, condition, noise=Noise(0))


class Moves(Callback):
    """How far each step moved the denoiser's weights, and at which rate."""

    def __init__(self) -> None:
        self.lengths: list[float] = []
        self.rates: list[float] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        self._before = nn.utils.parameters_to_vector(pl_module.denoiser.parameters()).detach().clone()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        after = nn.utils.parameters_to_vector(pl_module.denoiser.parameters()).detach()
        self.lengths.append(float((after - self._before).norm()))
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


def moves(steps: int, **settings: Any) -> Moves:
    method, watch = make(optimizer=partial(torch.optim.SGD, lr=0.5), **settings), Moves()
    trainer = Trainer(
        accelerator="cpu", max_steps=steps, max_epochs=-1, callbacks=[watch], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    torch.manual_seed(2)
    batch = Batch(torch.full((64, *SHAPE), 0.8), torch.zeros(64, dtype=torch.long))
    trainer.fit(method, DataLoader([batch] * steps, batch_size=None))
    return watch


def test_the_rate_grows_in_a_line_and_then_stays() -> None:
    assert moves(6, schedule=Constant(warmup_steps=4)).rates == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5, 0.5])
    assert moves(3).rates == [0.5, 0.5, 0.5]


def test_a_step_is_as_long_as_the_clipped_gradient_at_most() -> None:
    free = moves(1, clip=0.0).lengths[0]
    assert free > 0.1
    # A step of plain gradient descent is the rate by the gradient.
    assert moves(1, clip=0.02).lengths[0] == pytest.approx(0.5 * 0.02, rel=1e-3)
    assert moves(1, clip=100.0).lengths[0] == pytest.approx(free)
    # Both at once: the first step of four has a quarter of the rate.
    assert moves(1, clip=0.02, schedule=Constant(warmup_steps=4)).lengths[0] == pytest.approx(0.125 * 0.02, rel=1e-3)
