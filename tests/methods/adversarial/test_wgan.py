"""WGAN: its losses, its bound and its schedule."""

import pytest
import torch
from torch import nn

from genbench.losses import wasserstein_critic_loss, wasserstein_generator_loss
from genbench.methods.adversarial.wgan import WGAN


class Linear(nn.Module):
    """A generator or critic of one layer, with images of 1 x 2 x 2."""

    def __init__(self, inputs: int, outputs: tuple[int, ...]) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, max(1, torch.Size(outputs).numel()))
        self.outputs = outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.flatten(1)).view(-1, *self.outputs)


def wgan(**settings: object) -> WGAN:
    return WGAN(
        lambda latent_dim, image_shape: Linear(latent_dim, tuple(image_shape)),
        lambda image_shape: Linear(torch.Size(image_shape).numel(), ()),
        (1, 2, 2),
        generator_optimizer=lambda parameters: torch.optim.RMSprop(parameters, 5e-5),
        discriminator_optimizer=lambda parameters: torch.optim.RMSprop(parameters, 5e-5),
        latent_dim=3,
        **settings,  # type: ignore[arg-type]
    )


def test_the_losses_are_differences_of_means() -> None:
    real, fake = torch.tensor([3.0, 5.0]), torch.tensor([1.0, 0.0])
    assert wasserstein_critic_loss(real, fake) == 0.5 - 4.0
    assert wasserstein_generator_loss(fake) == -0.5


def authors_schedule(steps: int, critic: int, long: int, first: int, every: int) -> list[int]:
    """Return the steps after which the authors' loop moves the generator."""
    moves, rounds, step = [], 0, 0
    while step < steps:
        step += long if rounds < first or rounds % every == 0 else critic
        moves.append(step - 1)
        rounds += 1
    return [move for move in moves if move < steps]


@pytest.mark.parametrize(
    "settings", [(5, 100, 25, 500), (5, 20, 0, 7), (1, 1, 1, 1), (2, 9, 3, 3), (3, 7, 4, 5), (5, 5, 0, 1)]
)
def test_the_generator_moves_when_the_authors_moves(settings: tuple[int, int, int, int]) -> None:
    critic, long, first, every = settings
    method = wgan(discriminator_steps=critic, long_steps=long, long_first=first, long_every=every)
    steps = 4 * every * long
    assert [step for step in range(steps) if method.generator_moves(step)] == authors_schedule(steps, *settings)


def test_every_parameter_of_the_critic_stays_in_the_bound() -> None:
    method = wgan(weight_clip=0.03)
    assert any((parameter.abs() > 0.03).any() for parameter in method.discriminator.parameters())
    before = [parameter.clone() for parameter in method.discriminator.parameters()]
    method.constrain_discriminator()
    for parameter, old in zip(method.discriminator.parameters(), before, strict=True):
        assert torch.equal(parameter, old.clamp(-0.03, 0.03))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight_clip": 0.0}, "weight_clip"),
        ({"clip": -1.0}, "clip"),
        ({"long_steps": 4}, "long_steps"),
        ({"long_first": 3, "long_every": 2}, "long_first"),
        ({"discriminator_steps": 0}, "at least 1"),
    ],
)
def test_settings_that_do_not_do(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wgan(**settings)
