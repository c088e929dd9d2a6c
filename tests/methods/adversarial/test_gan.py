"""Who moves when, what is logged, and which weights are sampled."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer
from torch import Tensor, nn

from genbench.abilities import HasLatents
from genbench.batch import Batch
from genbench.data.loader import BatchLoader
from genbench.data.store import SampleStore
from genbench.methods.adversarial.gan import GAN
from genbench.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from genbench.networks.mlp import MLPDiscriminator, MLPGenerator
from genbench.randomness import Noise

SHAPE = (1, 8, 8)


def make_gan(networks: str = "mlp", **settings: Any) -> GAN:
    torch.manual_seed(0)
    generator, discriminator = {
        "mlp": (partial(MLPGenerator, hidden=[16]), partial(MLPDiscriminator, hidden=[16])),
        "dcgan": (partial(DCGANGenerator, width=4), partial(DCGANDiscriminator, width=4)),
    }[networks]
    optimizer = partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.999))
    defaults = {"generator_optimizer": optimizer, "discriminator_optimizer": optimizer, "latent_dim": 5}
    return GAN(generator, discriminator, SHAPE, **(defaults | settings))


def snapshot(network: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


class Watch(Callback):
    """Note after each step which networks moved, and the state of gradients and counters."""

    def __init__(self) -> None:
        self.players: list[dict[str, list[Tensor]]] = []
        self.global_steps: list[int] = []
        self.logged: set[str] = set()

    def note(self, gan: GAN) -> None:
        names = ("discriminator", "generator", "average")
        self.players.append({name: snapshot(getattr(gan, name)) for name in names})

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:
        self.note(pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.note(pl_module)
        self.global_steps.append(trainer.global_step)
        self.logged |= set(trainer.callback_metrics)

    def moved(self, name: str) -> list[bool]:
        steps = pairwise(snap[name] for snap in self.players)
        return [any(not torch.equal(a, b) for a, b in zip(old, new, strict=True)) for old, new in steps]


def loader() -> BatchLoader:
    images = torch.randint(0, 256, (64, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return BatchLoader(SampleStore(images), 16)


def fit(gan: GAN, steps: int, callbacks: Sequence[Callback] = (), log_every_n_steps: int = 50) -> Watch:
    watch = Watch()
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps,
        max_epochs=-1,
        callbacks=[watch, *callbacks],
        log_every_n_steps=log_every_n_steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(gan, loader())
    return watch


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_discriminator_moves_each_step_and_the_generator_each_kth(k: int) -> None:
    watch = fit(make_gan(discriminator_steps=k), steps=7)
    assert watch.moved("discriminator") == [True] * 7
    expected = [(step + 1) % k == 0 for step in range(7)]
    assert watch.moved("generator") == expected
    # The first update copies the generator, so the average moves whenever the generator does.
    assert watch.moved("average") == expected


@pytest.mark.parametrize("k", [1, 3, 5])
def test_a_step_counts_once_whatever_moves(k: int) -> None:
    assert fit(make_gan(discriminator_steps=k), steps=11).global_steps == list(range(1, 12))


def test_each_players_gradients_are_its_own() -> None:
    gan = make_gan()
    seen: list[tuple[str, bool]] = []
    for name, opponent in (("discriminator", "generator"), ("generator", "discriminator")):
        for parameter in getattr(gan, name).parameters():
            parameter.register_hook(
                lambda _, name=name, opponent=opponent: seen.append(
                    (name, any(p.requires_grad for p in getattr(gan, opponent).parameters()))
                )
            )
    fit(gan, steps=2)
    assert {name for name, _ in seen} == {"discriminator", "generator"}
    assert not any(opponent_learns for _, opponent_learns in seen)
    # Two layers of weights and biases, two steps: no hook fired for the other's loss.
    assert len(seen) == 2 * 2 * 4
    assert all(parameter.requires_grad for parameter in [*gan.generator.parameters(), *gan.discriminator.parameters()])


class SeedEachStep(Callback):
    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        torch.manual_seed(trainer.global_step)


def test_three_steps_are_what_a_plain_loop_does() -> None:
    gan, twin = make_gan("dcgan"), make_gan("dcgan")
    fit(gan, steps=3, callbacks=[SeedEachStep()])

    generator, discriminator = twin.generator.train(), twin.discriminator.train()
    adam = partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.999))
    optimizer_d, optimizer_g = adam(discriminator.parameters()), adam(generator.parameters())
    bce, ones, zeros = nn.functional.binary_cross_entropy_with_logits, torch.ones(16), torch.zeros(16)
    for step, (x, _) in zip(range(3), loader(), strict=False):
        torch.manual_seed(step)
        fake = generator(torch.randn(16, 5)).detach()
        optimizer_d.zero_grad()
        (bce(discriminator(x), ones) + bce(discriminator(fake), zeros)).backward()
        optimizer_d.step()
        optimizer_g.zero_grad()
        bce(discriminator(generator(torch.randn(16, 5))), ones).backward()
        optimizer_g.step()
    for ours, plain in zip(gan.generator.parameters(), generator.parameters(), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-6)


def test_what_the_generator_did_last_is_logged_when_it_rests() -> None:
    # The log comes after the third step, the generator moved in the second.
    watch = fit(make_gan(discriminator_steps=2), steps=3, log_every_n_steps=3)
    assert {"loss/generator", "gradient/generator", "adversary/d_fake_generator"} <= watch.logged


def test_figures_beside_a_loss_are_there_for_who_calls_it_alone() -> None:
    assert set(make_gan().discriminator_loss(Batch(torch.zeros(4, *SHAPE), None))[1]) == {
        "adversary/d_real", "adversary/d_fake"
    }  # fmt: skip


def test_logs_both_losses_both_discriminator_outputs_and_both_gradient_norms() -> None:
    watch = fit(make_gan(discriminator_steps=3), steps=6, log_every_n_steps=2)
    assert watch.logged - {"step"} == {
        "loss/discriminator", "loss/generator", "gradient/discriminator", "gradient/generator",
        "adversary/d_real", "adversary/d_fake", "adversary/d_fake_generator",
    }  # fmt: skip


def test_samples_come_from_the_average_in_evaluation_mode() -> None:
    gan = make_gan("dcgan")
    fit(gan, steps=3)
    gan.train()
    first = gan.sample(5, noise=Noise(0))
    assert (first.shape, first.requires_grad) == ((5, *SHAPE), False)
    assert first.abs().max() <= 1
    assert torch.equal(first, gan.sample(5, noise=Noise(0)))
    with torch.no_grad():
        for parameter in gan.generator.parameters():
            parameter.zero_()
    assert torch.equal(first, gan.sample(5, noise=Noise(0)))


def test_decodes_latents() -> None:
    gan = make_gan()
    assert isinstance(gan, HasLatents)
    assert gan.decode(torch.zeros(3, gan.latent_dim)).shape == (3, *SHAPE)


def test_the_average_is_saved_beside_the_live_networks() -> None:
    parts = {name.split(".")[0] for name in make_gan().state_dict()}
    assert parts == {"generator", "discriminator", "average"}


def test_objectives_differ_in_the_generators_gradient_alone() -> None:
    x = torch.zeros(8, *SHAPE)
    losses = {}
    for objective in ("minimax", "non_saturating"):
        gan = make_gan(objective=objective)
        torch.manual_seed(1)
        batch = Batch(x, None)
        losses[objective] = (gan.discriminator_loss(batch)[0].item(), gan.generator_loss(batch)[0].item())
    assert losses["minimax"][0] == losses["non_saturating"][0]
    assert losses["minimax"][1] < 0 < losses["non_saturating"][1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"discriminator_steps": 0}, "discriminator_steps"),
        ({"latent_dim": 0}, "latent_dim"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"objective": "hinged"}, "objective must be one of minimax, non_saturating"),
    ],
)
def test_settings_that_do_not_do(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_gan(**settings)


def test_a_condition_is_refused() -> None:
    with pytest.raises(ValueError, match="unconditional"):
        make_gan().sample(2, torch.zeros(2), noise=Noise(0))
